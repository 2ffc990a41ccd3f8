"""The files for servers: whole, pinned, without a password of theirs. Docker and a cluster are not at hand."""

from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "rag_lib" / "distributed" / "milvus"


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def values():
    return yaml.safe_load((FOLDER / "cluster-values.yaml").read_text())


def test_every_service_is_pinned_watched_and_keeps_its_data(compose):
    known = {"image", "command", "environment", "ports", "volumes", "healthcheck", "depends_on", "restart"}
    for name, service in compose["services"].items():
        assert service.keys() <= known | {"security_opt"}, name
        tag = service["image"].rsplit(":", 1)[1]
        assert tag != "latest" and any(letter.isdigit() for letter in tag), name
        assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys(), name
        assert {volume.split(":")[0] for volume in service["volumes"]} <= compose["volumes"].keys(), name
        assert set(service.get("depends_on", {})) <= compose["services"].keys(), name


def test_nothing_is_open_to_others_or_has_a_password_of_ours(compose):
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for key, value in service["environment"].items():
            if "PASSWORD" in key or "SECRET" in key:
                assert value.startswith("${") and ":?" in value, key
    assert compose["services"]["milvus"]["environment"]["COMMON_SECURITY_AUTHORIZATIONENABLED"] == "true"


def test_the_clusters_values_ask_for_a_password_replicas_and_a_bucket(values):
    assert yaml.safe_load(values["extraConfigFiles"]["user.yaml"])["common"]["security"]["authorizationEnabled"] is True
    for part in ("queryNode", "dataNode", "streamingNode", "proxy"):
        assert values[part]["replicas"] >= 2 and values[part]["resources"]["requests"].keys() == {"cpu", "memory"}
    assert values["externalS3"]["bucketName"] and not values["minio"]["enabled"]


def test_both_run_the_same_milvus(compose, values):
    assert compose["services"]["milvus"]["image"].endswith(":" + values["image"]["all"]["tag"])

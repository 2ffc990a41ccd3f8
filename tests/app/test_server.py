"""A server inside of this process, as a notebook starts it: what it sets, keeps and leaves."""

import os
import time
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from rag_lib.app import server as served
from rag_lib.app import start
from rag_lib.errors import RagError

PARTS = {"catalog": "pictures", "encoder": "pocket", "reranker": "identity", "milvus_uri": "data/own.db"}
NAMES = ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def machine(home, monkeypatch):
    """Behind a proxy that does not answer."""
    monkeypatch.setenv("RAG_HOME", str(home))
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "shop.example")


@pytest.fixture
def leopard(home):
    return home / "pictures" / "query" / "leopard.jpg"


def settings():
    return {name: os.environ.get(name) for name in NAMES}


def test_uploads_are_deleted_and_stopping_leaves_nothing(leopard, monkeypatch):
    monkeypatch.setattr(served, "LEFT_AFTER", 2)
    before = settings()
    server = start(**PARTS)
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "shop.example,127.0.0.1,localhost"
    client = Client(server.url, verbose=False, analytics_enabled=False)
    assert client.predict(image=handle_file(str(leopard)), text="lamp", limit=1, api_name="/ask")["hits"]
    alone = httpx.post(f"{server.url}gradio_api/upload", files={"files": ("alone.png", b"never asked about")})
    assert Path(alone.json()[0]).is_file()  # as the page uploads
    end = time.monotonic() + 60
    while files := [path for path in folder.rglob("*") if path.is_file()]:
        assert time.monotonic() < end, f"kept: {files}"
        time.sleep(0.2)
    client.close()
    server.stop()
    assert not folder.exists() and settings() == before
    server.stop()


def test_stopping_leaves_what_others_have_set_since(monkeypatch):
    server = start(**PARTS)
    monkeypatch.setenv("NO_PROXY", "another.example")
    server.stop()
    assert os.environ["NO_PROXY"] == "another.example" and "no_proxy" not in os.environ


def test_the_page_opens_with_a_picture_of_ones_own(home, leopard):
    with start(**PARTS, query_image=str(leopard)) as server:
        values = [
            part["props"].get("value")
            for part in Client(server.url, verbose=False, analytics_enabled=False).config["components"]
        ]
    shown = [value for value in values if isinstance(value, dict) and "preview" in value]
    assert shown[0]["preview"].startswith("data:image/jpeg") and "example" not in shown[0]
    assert str(home) not in str(shown)


def test_what_does_not_work_is_told_to_the_owner_in_full(home):
    before = settings()
    with pytest.raises(RagError, match="no query picture 'leopart'.*Did you mean 'leopard'"):
        start(**PARTS, query_image="leopart")
    with pytest.raises(RagError, match="There is no catalog 'nowhere'"):
        start(**{**PARTS, "catalog": "nowhere"})
    with pytest.raises(RagError, match="ends in .db"):
        start(**{**PARTS, "milvus_uri": "data/own"})
    assert settings() == before


def test_a_port_that_is_taken_is_named():
    with start(**PARTS) as server:
        port = int(server.url.rsplit(":", 1)[1].strip("/"))
        with pytest.raises(RagError, match=f"port {port} is taken"):
            start(port=port, **PARTS)


@pytest.mark.parametrize("port", [0, 7861])
def test_a_host_that_is_not_this_machine_is_named(port):
    with pytest.raises(RagError, match="'192.0.2.1' is no address of this machine"):
        start(host="192.0.2.1", port=port, **PARTS)

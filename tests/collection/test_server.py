"""What is special about a server: its address, its credentials, its databases, and when it shows what was written."""

import socket
from contextlib import closing

import pytest
from milvus_lite.adapter.grpc.server import start_server_in_thread
from pymilvus import MilvusClient

from rag_lib.collection import Collection
from rag_lib.errors import RagError


def test_an_unreachable_server_is_named_without_the_secrets(monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", "tokensecret")
    monkeypatch.setattr("rag_lib.collection.connection.CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        port = silent.getsockname()[1]
        with pytest.raises(RagError, match=f"No Milvus server answers at http://127.0.0.1:{port}/base:") as caught:
            Collection(f"http://me:secret@127.0.0.1:{port}/base", "items", dim=8)
    assert "secret" not in str(caught.value) and caught.value.__suppress_context__


BAD_URIS = ["milvus", "ftp://me:secret@host", "http://", "http://me:se@cret@host", "http://me:secret/@host", ""]


@pytest.mark.parametrize("uri", [*BAD_URIS, "http://host:1/no-name", "http://host:1/a/b", "http://host:1?a=secret"])
def test_a_uri_of_no_kind(uri):
    with pytest.raises(RagError, match="ends in .db") as caught:
        Collection(uri, "items", dim=8)
    assert "se@cret" not in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file:///x.db", "has no 'file:' before it: give the path alone, such as data/milvus.db"),
        ("file:x.db", "has no 'file:'"),
        ("s3://bucket/x.db", "neither a local path that ends in .db nor http"),
        ("sqlite:///x.db", "neither a local path"),
        ("http://127.0.0.1:1/x.db", "neither a local path"),
    ],
)
def test_a_uri_that_ends_in_db_makes_no_folder(uri, reason, tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RagError, match=reason):
        Collection(uri, "items", dim=8)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("token", ["root:wrongsecret", "wrongsecret", None])
def test_refused_credentials_are_not_shown(server, monkeypatch, token):
    monkeypatch.delenv("MILVUS_TOKEN", raising=False)
    with pytest.raises(RagError, match=f"{server[0]} refused the credentials: set MILVUS_TOKEN") as caught:
        Collection(server[0], "items", dim=8, token=token)
    assert "secret" not in str(caught.value) and caught.value.__suppress_context__


def test_credentials_come_from_the_argument_the_environment_or_the_uri(server, monkeypatch):
    uri, token = server
    absent = pytest.raises(RagError, match="holds no collection 'items'")  # which a stranger is not told
    monkeypatch.delenv("MILVUS_TOKEN", raising=False)
    with absent:
        Collection(uri, "items", token=token)
    with absent:
        Collection(uri.replace("://", f"://{token}@"), "items")
    monkeypatch.setenv("MILVUS_TOKEN", token)
    with absent:
        Collection(uri, "items")


def test_the_database_of_the_uri_is_used(server, samples):
    uri, token = server
    with closing(MilvusClient(uri, token=token, dedicated=True)) as admin:
        admin.create_database("one")
    with Collection(f"{uri}/one", "items", dim=8, token=token) as collection:
        collection.upsert(samples.items(2), samples.vectors(2))
        assert repr(collection) == f"Collection('{uri}/one', 'items', dim=8)"
        with pytest.raises(RagError, match=f"{uri} holds no collection 'items'"):
            Collection(uri, "items", token=token)
        with pytest.raises(RagError, match="Milvus refused create_collection: .*nowhere"):
            Collection(f"{uri}/nowhere", "items", dim=8, token=token)
        collection.drop()
    with closing(MilvusClient(uri, token=token, dedicated=True)) as admin:
        admin.drop_database("one")


@pytest.mark.parametrize("level", ["Bounded", "Eventually"])
def test_a_fresh_upsert_is_seen_at_once_whatever_the_default_of_the_server(server, samples, level):
    uri, token = server
    items, vectors = samples.items(5), samples.vectors(5)
    with Collection(uri, "items", dim=8, token=token, consistency=level) as made:
        assert made.client.describe_collection("items")["consistency_level"] == {"Bounded": 2, "Eventually": 3}[level]
        with Collection(uri, "items", token=token) as collection:
            for n, (item, vector) in enumerate(zip(items, vectors, strict=True), start=1):
                made.upsert([item], vector[None])
                assert collection.count() == n
                assert samples.ids(collection.search(vector, limit=1)) == [item.image_id]
                assert len(collection.ids()) == n
        made.drop()


def test_a_server_of_today_has_all_that_the_local_folder_has(tmp_path, samples):
    """Milvus Lite's own server stands for a remote one that is new enough: the http path with the full schema."""
    server, database, port = start_server_in_thread(str(tmp_path / "served.db"))
    try:
        with Collection(f"http://me:secret@127.0.0.1:{port}", "items", dim=8) as collection:
            collection.upsert(samples.items(6), samples.vectors(6))
            assert samples.ids(collection.search(samples.vectors(3)[2], limit=1)) == ["id002"]
            assert samples.ids(collection.search(samples.vectors(3)[2], limit=1, text="4")) == ["id004"]
            assert samples.ids(collection.search(samples.vectors(1)[0], where={"theme": None})) == ["id005", "id002"]
            assert repr(collection) == f"Collection('http://127.0.0.1:{port}', 'items', dim=8)"
            index = collection.client.describe_index("items", "vector")
            assert (index["index_type"], index["metric_type"]) == ("AUTOINDEX", "COSINE")  # the server's own choice
    finally:
        server.stop(grace=0)
        database.close()

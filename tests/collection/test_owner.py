"""Whose a collection is that several users can reach: nobody removes what another one wrote."""

import platform
import shutil
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest
from milvus_lite.adapter.grpc.server import start_server_in_thread
from PIL import Image
from pymilvus import MilvusClient

from rag_lib.catalog import load_folder
from rag_lib.collection import Collection
from rag_lib.collection.rows import schema
from rag_lib.encoders import load_encoder
from rag_lib.errors import RagError
from rag_lib.index import collection_name, open_index


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("pocket")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    monkeypatch.delenv("RAG_OWNER", raising=False)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "pictures"
    path.mkdir()
    for number, name in enumerate(("camera", "lamp", "toaster")):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((96, 96)).save(path / f"{name}.jpg")
    return path


@contextmanager
def serve(path):
    """Milvus Lite's own server stands for a remote one that is new enough."""
    server, database, port = start_server_in_thread(str(path))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(grace=0)
        database.close()


@pytest.fixture(params=["of today", "2.3.5"])
def address(request, tmp_path, monkeypatch):
    if request.param == "of today":
        with serve(tmp_path / "served.db") as uri:
            yield uri
        return
    uri, token = request.getfixturevalue("server")
    monkeypatch.setenv("MILVUS_TOKEN", token)
    yield uri
    with closing(MilvusClient(uri, token=token, timeout=30, dedicated=True)) as client:
        for name in client.list_collections():
            client.drop_collection(name)


def shop(folder, name="shop"):
    return replace(load_folder(folder), name=name)


@pytest.fixture
def other(folder, tmp_path):
    """Another user's folder, with one picture of the first's and two of its own."""
    path = tmp_path / "other"
    path.mkdir()
    shutil.copy(folder / "lamp.jpg", path / "lamp.jpg")
    for color in ("teal", "red"):
        Image.new("RGB", (64, 64), color).save(path / f"{color}.png")
    return path


def test_a_collection_of_another_folder_is_refused_and_keeps_its_rows(address, folder, other, encoder, monkeypatch):
    with open_index(shop(folder), encoder, address, progress=False) as collection:
        own = collection.ids()
    with pytest.raises(RagError, match=r"belongs to the folder 'pictures' of the machine '.*owner=… or RAG_OWNER"):
        open_index(shop(other), encoder, address, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(platform, "node", lambda: "elsewhere")  # the same path on another machine
        with pytest.raises(RagError, match="belongs to the folder 'pictures'"):
            open_index(shop(folder), encoder, address, progress=False)
    with open_index(shop(other), encoder, address, progress=False, owner="anna") as collection:
        assert len(own & collection.ids()) == 1 and collection.count() == 3
        name = collection.name
    monkeypatch.setenv("RAG_OWNER", "anna")  # notebooks open the collection by its name
    assert collection_name(shop(other), encoder) == name
    with Collection(address, name, root=other) as collection:
        assert collection.count() == 3
    monkeypatch.delenv("RAG_OWNER")
    with open_index(shop(folder), encoder, address, progress=False) as collection:
        assert collection.ids() == own


def test_of_those_who_share_a_name_none_removes_the_others_rows(address, folder, other, encoder):
    both = {"owner": "team", "progress": False}
    open_index(shop(folder), encoder, address, **both).close()
    open_index(shop(other), encoder, address, **both).close()
    with open_index(shop(folder), encoder, address, **both) as collection:
        assert collection.count() == 5
        hits = collection.search(encoder.encode_query(folder / "camera.jpg"), limit=9)
        assert all("rag_lib_source" not in hit.item.metadata for hit in hits)
        assert collection.outdated(shop(folder).items) == []
    (folder / "camera.jpg").unlink()
    (other / "teal.png").unlink()
    with open_index(shop(folder), encoder, address, **both) as collection:
        assert collection.count() == 4  # the first's camera is gone, and teal is not his to remove
    with open_index(shop(other), encoder, address, **both) as collection:
        assert collection.count() == 3
    with pytest.raises(RagError, match="belongs to 'team': open it as one of them"):
        Collection(address, collection_name(shop(folder), encoder, owner="team"), root=folder, owner="anna")


def test_a_folder_that_was_moved_on_this_machine_keeps_its_collection(address, folder, other, encoder, tmp_path):
    with open_index(shop(folder), encoder, address, progress=False) as collection:
        own = collection.ids()
    folder = folder.rename(tmp_path / "moved")
    (folder / "camera.jpg").unlink()
    with open_index(shop(folder), encoder, address, progress=False) as collection:
        assert collection.ids() < own and collection.count() == 2
        assert collection.search(encoder.encode_query(folder / "lamp.jpg"), limit=1)[0].item.path == folder / "lamp.jpg"
    shutil.copytree(other, tmp_path / "pictures")  # what comes to the old place is another's
    with pytest.raises(RagError, match="belongs to the folder 'moved'"):
        open_index(shop(tmp_path / "pictures"), encoder, address, progress=False)


def test_rows_of_an_earlier_version_have_no_owner_and_are_not_removed(address, folder, encoder):
    with Collection(address, collection_name(shop(folder), encoder), dim=encoder.dim) as old:
        found = encoder.encode_images([folder / "camera.jpg"], progress=False)
        old.upsert([replace(shop(folder).items[0], image_id="a" * 32)], found.vectors)
    with open_index(shop(folder), encoder, address, progress=False) as collection:
        assert collection.count() == 4


def test_a_collection_of_a_server_is_never_dropped(folder, encoder, tmp_path, monkeypatch):
    """Not even one that an earlier version made, without the words of titles: others may be reading it."""
    whole = schema
    with serve(tmp_path / "served.db") as uri:
        monkeypatch.setattr("rag_lib.collection.opening.schema", lambda dim, full: whole(dim, full=False))
        with Collection(uri, collection_name(shop(folder), encoder), dim=encoder.dim) as old:
            found = encoder.encode_images([folder / "camera.jpg"], progress=False)
            old.upsert([replace(shop(folder).items[0], image_id="a" * 32)], found.vectors)
        monkeypatch.undo()
        monkeypatch.setenv("RAG_HOME", str(tmp_path))
        with open_index(shop(folder), encoder, uri, progress=False) as collection:
            assert collection.needs_rebuild and "a" * 32 in collection.ids() and collection.count() == 4

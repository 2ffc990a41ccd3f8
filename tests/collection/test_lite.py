"""What is special about a local folder: who may open it, its lock, and what becomes of it when it is damaged."""

import os
import subprocess
import sys

import pytest
from milvus_lite import MilvusLite
from milvus_lite.exceptions import DataDirLockedError
from pymilvus import DataType, MilvusClient

from rag_lib.collection import Collection
from rag_lib.errors import RagError

DIM = 8


def run(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


HOLD = """
import sys, numpy as np
from rag_lib.collection import Collection
from rag_lib.records import Item
collection = Collection(sys.argv[1], "items", dim=8)
collection.upsert([Item("held", "held.png", "held")], np.eye(8)[:1])
print("ready", flush=True)
sys.stdin.readline()
"""


def is_locked(path):
    """Whether another opener, in this process or another, would be turned away."""
    try:
        MilvusLite(str(path)).close()
    except DataDirLockedError:
        return True
    return False


# What can be opened


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_milvus_lite_did_not_make_is_left_alone(tmp_path, kind):
    path = tmp_path / "mine.db"
    if kind == "folder":
        path.mkdir()
    content = path / "note.txt" if kind == "folder" else path
    content.write_text("SQLite format 3")
    with pytest.raises(RagError, match="not made by milvus-lite 3"):
        Collection(path, "items", dim=DIM)
    assert content.read_text() == "SQLite format 3"
    assert len(list(tmp_path.rglob("*"))) == (2 if kind == "folder" else 1)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RagError, match="cannot be opened"):
        Collection(tmp_path / "file" / "a.db", "items", dim=DIM)


def test_a_local_server_that_does_not_start_ends_in_a_sentence(tmp_path, monkeypatch):
    from milvus_lite.server_manager import server_manager_instance

    monkeypatch.setattr(server_manager_instance, "start_and_get_uri", lambda path: None)
    with pytest.raises(RagError, match="milvus.db could not be served: try again"):
        Collection(tmp_path / "milvus.db", "some", dim=4, lock_timeout=0.3)


# The lock


def test_two_collections_in_one_process_share_the_folder(tmp_path, monkeypatch, samples):
    first = Collection(tmp_path / "a.db", "items", dim=DIM)
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    second = Collection("a.db", "items", dim=DIM)  # the same folder, spelled otherwise
    first.upsert(samples.items(2), samples.vectors(2))
    assert repr(second) == "Collection('a.db', 'items', dim=8)"
    first.close()
    first.close()
    assert second.count() == 2
    with pytest.raises(RagError, match="is closed"):
        first.count()
    assert is_locked(tmp_path / "a.db")
    second.close()
    assert not is_locked(tmp_path / "a.db")


def test_a_forgotten_collection_gives_the_lock_back(tmp_path, samples):
    collection = Collection(tmp_path / "a.db", "items", dim=DIM)
    collection = Collection(tmp_path / "a.db", "items", dim=DIM)  # a cell that is run twice
    collection.upsert(samples.items(1), samples.vectors(1))
    assert is_locked(tmp_path / "a.db")
    del collection
    assert not is_locked(tmp_path / "a.db")


def test_a_failed_open_gives_the_lock_back(tmp_path):
    Collection(tmp_path / "a.db", "items", dim=DIM).close()
    with pytest.raises(RagError):
        Collection(tmp_path / "a.db", "items", dim=DIM + 1)
    assert not is_locked(tmp_path / "a.db")


def test_another_process_holds_the_lock_lets_go_or_is_killed(tmp_path, samples):
    path = tmp_path / "new folder" / "a.db"
    holder = run(HOLD, path)
    assert holder.stdout.readline() == "ready\n"
    with pytest.raises(RagError, match=r"a\.db is in use by another notebook or process"):
        Collection(path, "items", dim=DIM, lock_timeout=0.1)
    holder.stdin.write("\n")
    holder.stdin.flush()  # it ends now, without having closed
    with Collection(path, "items", dim=DIM, lock_timeout=30) as collection:  # waits for it
        assert collection.ids() == {"held"}
    assert holder.communicate() == ("", "") and holder.returncode == 0

    killed = run(HOLD, path)
    assert killed.stdout.readline() == "ready\n"
    killed.kill()
    killed.communicate()
    with Collection(path, "items", dim=DIM, lock_timeout=0) as collection:
        assert collection.ids() == {"held"}
        assert samples.ids(collection.search(samples.vectors(1)[0], text="held")) == ["held"]


# Damage


@pytest.mark.parametrize("victim", ["manifest.json", "*.parquet"])
def test_ids_tell_what_damage_took_so_that_it_can_be_mended(tmp_path, victim, samples):
    items, vectors = samples.items(20), samples.vectors(20)
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        for half in (slice(0, 10), slice(10, 20)):
            collection.upsert(items[half], vectors[half])
    sorted((tmp_path / "a.db").rglob(victim))[0].unlink()
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        stored = collection.ids()
        missing = [i for i, item in enumerate(items) if item.image_id not in stored]
        assert len(missing) == 10
        collection.upsert([items[i] for i in missing], vectors[missing])
        assert collection.count() == 20
        assert [samples.ids(collection.search(vector, limit=1))[0] for vector in vectors] == [i.image_id for i in items]


def test_half_an_index_that_a_killed_process_left_is_built_anew(tmp_path, samples):
    items, vectors = samples.items(20), samples.vectors(20)
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(items, vectors)
        collection.search(vectors[0])  # waits until the index is there
    (file,) = (tmp_path / "a.db").rglob("*.idx")
    file.write_bytes(file.read_bytes()[:100])
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        assert [samples.ids(collection.search(vector, limit=1))[0] for vector in vectors] == [i.image_id for i in items]


def test_an_index_that_is_built_anew_leaves_none_away(tmp_path, samples):
    """Milvus Lite drops the word index with the other one."""
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(samples.items(20), samples.vectors(20))
        collection.search(samples.vectors(1)[0])
    (file,) = (tmp_path / "a.db").rglob("*.vector.*.idx")
    file.write_bytes(file.read_bytes()[:100])
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        assert set(collection.client.list_indexes("items")) == {"vector", "title_bm25"}
        assert samples.ids(collection.search(samples.vectors(1)[0], limit=1, text="13")) == ["id013"]


def test_damage_that_milvus_sees_is_told_with_the_remedy_and_without_the_machines_path(tmp_path, samples, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    with Collection("data/a.db", "items", dim=DIM) as collection:
        collection.upsert(samples.items(3), samples.vectors(3))
    data = next((tmp_path / "data" / "a.db").rglob("*.parquet"))
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(RagError, match=r"data/a\.db is damaged, delete it and make it again") as caught:
        Collection("data/a.db", "items", dim=DIM)
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(RagError) as caught:  # another one in the same folder did not exist: nothing of it is damaged
        Collection("data/a.db", "other", dim=DIM, index="FOO")
    assert "delete it" not in str(caught.value)


@pytest.mark.parametrize(("number", "remedy"), [(28, "The disk is full: free some space"), (30, "choose another path")])
def test_a_disk_that_takes_no_more_is_named_with_the_remedy(tmp_path, samples, monkeypatch, number, remedy):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    with Collection("data/a.db", "items", dim=DIM) as collection:

        def write(table, folder, *_):
            raise OSError(number, os.strerror(number), f"{folder}/data.parquet")

        monkeypatch.setattr("milvus_lite.engine.flush.write_data_file", write)
        with pytest.raises(RagError, match=f"Milvus refused flush: .*{remedy}") as caught:
            collection.upsert(samples.items(3), samples.vectors(3))
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("index", ["FOO", "hnsw", "IVF_PQ", ""])
def test_an_index_that_a_local_folder_has_not(tmp_path, index):
    with pytest.raises(RagError, match=f"The index '{index}' is none of FLAT, HNSW"):
        Collection(tmp_path / "a.db", "items", dim=DIM, index=index)
    assert not (tmp_path / "a.db").exists()


@pytest.mark.parametrize("index", ["HNSW", "HNSW_SQ", "IVF_FLAT"])
def test_a_chosen_index_is_no_damage(tmp_path, samples, index):
    with Collection(tmp_path / "a.db", "items", dim=DIM, index=index) as collection:
        collection.upsert(samples.items(20), samples.vectors(20))
        assert not collection.is_damaged(sorted(collection.ids()))


def test_killed_between_the_two_indexes_the_collection_is_finished_by_the_next(tmp_path, samples):
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.client.release_collection("items")
        collection.client.drop_index("items", "title_bm25")
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(samples.items(12), samples.vectors(12))
        assert samples.ids(collection.search(samples.vectors(1)[0], limit=1, text="11")) == ["id011"]


# Columns


def test_a_typed_column_refuses_a_value_of_another_type(tmp_path, samples):
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        for where, reason in [({"category": 3}, "string"), ({"price": "cheap"}, "price")]:
            with pytest.raises(RagError, match=f"Milvus refused search: .*{reason}"):
                collection.search(samples.vectors(1)[0], where=where)


def test_a_collection_without_the_words_of_titles_works_but_for_them_and_names_the_remedy(tmp_path, samples):
    """An earlier version made it."""
    items, vectors = samples.items(6), samples.vectors(6)
    with Collection(tmp_path / "a.db", "other", dim=DIM) as collection:
        old = MilvusClient.create_schema(enable_dynamic_field=True)
        old.add_field("image_id", DataType.VARCHAR, is_primary=True, max_length=64)
        old.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
        for name in ("path", "title", "category", "theme", "color"):
            old.add_field(name, DataType.VARCHAR, max_length=65_535, nullable=name not in ("path", "title"))
        old.add_field("price", DataType.DOUBLE, nullable=True)
        collection.client.create_collection("items", schema=old)
        assert not collection.needs_rebuild
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(items, vectors)
        assert collection.outdated(items) == [] and collection.needs_rebuild
        assert samples.ids(collection.search(vectors[2], limit=1, where={"theme": None})) == ["id002"]
        with pytest.raises(RagError, match=r"earlier version.*drop\(\) and fill it again"):
            collection.search(vectors[0], text="picture")
        collection.drop()
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        assert not collection.needs_rebuild


def test_a_proxy_of_the_environment_is_not_asked_for_the_local_folder(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    other = run(HOLD, tmp_path / "own.db")  # gRPC reads the environment when it starts
    out, err = other.communicate("\n", timeout=120)
    assert (out, other.returncode) == ("ready\n", 0), err

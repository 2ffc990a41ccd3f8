"""Collection against a real embedded Milvus Lite; a second process where the lock is meant."""

import logging
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from milvus_lite import MilvusLite
from milvus_lite.adapter.grpc.server import start_server_in_thread
from milvus_lite.exceptions import DataDirLockedError

from rag_lib.collection import Collection
from rag_lib.errors import RagError
from rag_lib.records import Item

DIM = 8


def unit_rows(n, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make_items(n, root=Path("/pictures")):
    themes = ["leopard", "zebra", None]
    return [
        Item(
            f"id{i:03}",
            root / f"{i}.jpg",
            f"picture {i}",
            {
                "category": "toaster" if i % 2 else "lamp",
                "theme": themes[i % 3],
                "price": 9.99 + i,
                "brand": '日本 "x"',
            },
        )
        for i in range(n)
    ]


def ids(hits):
    return [hit.item.image_id for hit in hits]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """40 items that the tests below only read."""
    with Collection(tmp_path_factory.mktemp("filled") / "a.db", "items", dim=DIM) as collection:
        collection.upsert(make_items(40), unit_rows(40), batch_size=16, progress=False)
        yield collection


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
collection.upsert([Item("held", "held.png")], np.eye(8)[:1])
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


# What is stored and found


def test_search_ranks_by_cosine_and_gives_items_back(filled):
    items, vectors = make_items(40), unit_rows(40)
    query = vectors[7] * 3 + vectors[8]
    expected = vectors @ (query / np.linalg.norm(query))
    hits = filled.search(query, limit=5)
    assert ids(hits) == [items[i].image_id for i in np.argsort(-expected)[:5]]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert [hit.score for hit in hits] == pytest.approx(np.sort(expected)[::-1][:5].tolist(), abs=1e-5)
    item = items[int(np.argmax(expected))]
    assert hits[0].item == replace(item, metadata={k: v for k, v in item.metadata.items() if v is not None})


def test_every_row_can_be_found(filled):
    assert len(filled.search(unit_rows(1)[0], limit=1000)) == 40
    assert filled.count() == len(filled) == 40
    assert filled.ids() == {item.image_id for item in make_items(40)}


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ('category == "toaster" and price < 20', lambda m: m["category"] == "toaster" and m["price"] < 20),
        ({"category": "toaster"}, lambda m: m["category"] == "toaster"),
        ({"theme": ["leopard", "zebra"], "category": "lamp"}, lambda m: m["theme"] and m["category"] == "lamp"),
        ({"price": (10.99, 14.99)}, lambda m: 10.99 <= m["price"] <= 14.99),
        ({"price": (None, 12)}, lambda m: m["price"] <= 12),
        ({"theme": None}, lambda m: m["theme"] is None),
        ({"brand": '日本 "x"'}, lambda m: True),
        ({"brand": '" or price > 0 or brand == "'}, lambda m: False),
        ({}, lambda m: True),
        ("  ", lambda m: True),
    ],
)
def test_where(filled, where, holds):
    hits = filled.search(unit_rows(1)[0], limit=100, where=where)
    assert sorted(ids(hits)) == [item.image_id for item in make_items(40) if holds(item.metadata)]


def test_exclude_leaves_out_the_query_itself(filled):
    query = unit_rows(40)[3]
    everything = ids(filled.search(query, limit=4))
    assert everything[0] == "id003"
    assert ids(filled.search(query, limit=3, exclude={"id003", "unknown"})) == everything[1:]
    only = filled.search(query, limit=100, where='price < 11 or theme == "zebra"', exclude=["id003", "id000"])
    assert sorted(ids(only)) == [f"id{i:03}" for i in range(1, 40) if i % 3 == 1]


def test_ties_are_in_order_of_id_whatever_the_order_of_writing(tmp_path):
    same = np.tile(unit_rows(1), (12, 1))
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(make_items(12)[::-1], same)
        assert ids(collection.search(same[0], limit=5)) == [f"id{i:03}" for i in range(5)]


def test_upsert_is_idempotent_and_replaces(tmp_path):
    items, vectors = make_items(10), unit_rows(10)
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        assert collection.upsert(items, vectors) == 10
        assert collection.upsert(items, vectors) == 10
        assert collection.count() == 10
        assert collection.upsert([replace(items[0], title="new")], vectors[5:6]) == 1
        assert collection.count() == 10
        assert {hit.item.title for hit in collection.search(vectors[5], limit=2)} == {"new", "picture 5"}
        assert collection.upsert([], np.empty((0, DIM), np.float32)) == 0
        assert collection.upsert([items[1], items[1]], vectors[[1, 1]]) == 1
        assert collection.count() == 10


def test_delete_and_drop(tmp_path):
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        assert collection and collection.count() == 0 and collection.search(unit_rows(1)[0]) == []
        collection.upsert(make_items(5), unit_rows(5))
        collection.delete(["id001", "unknown"])
        assert collection.ids() == {"id000", "id002", "id003", "id004"}
        assert "id001" not in ids(collection.search(unit_rows(5)[1]))
        collection.drop()
    with Collection(tmp_path / "a.db", "items", dim=DIM + 1) as collection:
        assert collection.count() == 0


def test_metadata_of_any_kind_survives(tmp_path):
    metadata = {"category": 3, "price": "12.5", "stars": np.float32(4.5), "tags": ["a", "b"], "a key": 1}
    empty = {"color": None, "theme": float("nan"), "maker": None}
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert([Item("a", Path("/a.png"), "", metadata | empty)], unit_rows(1))
        item = collection.search(unit_rows(1)[0], where={"stars": (4, None)})[0].item
    assert item.title == "" and item.metadata == metadata | {"category": "3", "price": 12.5, "stars": 4.5}


def test_paths_follow_a_moved_root(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    items = [Item("in", old / "sub" / "a.png"), Item("out", tmp_path / "else" / "b.png")]
    with Collection(tmp_path / "a.db", "items", dim=DIM, root=old) as collection:
        collection.upsert(items, unit_rows(2))
        assert {hit.item.path for hit in collection.search(unit_rows(1)[0])} == {item.path for item in items}
    with Collection(tmp_path / "a.db", "items", dim=DIM, root=new) as collection:
        paths = {hit.item.image_id: hit.item.path for hit in collection.search(unit_rows(1)[0])}
    assert paths == {"in": new / "sub" / "a.png", "out": items[1].path}


# Bad input


def test_bad_vectors_are_named_and_nothing_is_written(tmp_path):
    items, vectors = make_items(3), unit_rows(3)
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        for bad in (np.nan, 0.0, np.inf, 5.0):
            wrong = vectors.copy()
            wrong[1] = bad
            with pytest.raises(RagError, match="id001"):
                collection.upsert(items, wrong)
        with pytest.raises(RagError, match=r"3 items.*\(2, 8\)"):
            collection.upsert(items, vectors[:2])
        with pytest.raises(RagError, match=r"\(3, 4\).*8"):
            collection.upsert(items, vectors[:, :4])
        with pytest.raises(RagError, match="batch_size"):
            collection.upsert(items, vectors, batch_size=-1)
        for item, reason in [
            (Item("x" * 65, Path("a")), "65 bytes"),
            (Item("", Path("a")), "0 bytes"),
            (Item("z", Path("a"), "", {"vector": 1}), "reserved key 'vector'"),
            (Item("z", Path("a"), "", {"price": "cheap"}), "'cheap'"),
        ]:
            with pytest.raises(RagError, match=reason):
                collection.upsert([*items[:2], item], vectors)
        assert collection.count() == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"vector": np.zeros(DIM)}, "zero"),
        ({"vector": np.full(DIM, np.nan)}, "not finite"),
        ({"vector": np.ones(DIM + 1)}, r"\(9,\).*\(8,\)"),
        ({"limit": 0}, "limit is 0"),
        ({"limit": 20_000}, "16,384"),
        ({"where": 'category = "toaster"'}, "did you mean '=='"),
        ({"where": "category == 3"}, "string"),
        ({"where": 7}, "int"),
        ({"where": {"price or true": 1}}, "filter key"),
        ({"where": {"price": ("a", "b")}}, "give a list"),
        ({"where": {"price": (None, None)}}, "no range"),
        ({"where": {"price": float("nan")}}, "finite"),
        ({"where": {"theme": [object()]}}, "cannot stand in a filter"),
    ],
)
def test_bad_searches_give_one_short_reason(filled, options, reason):
    with pytest.raises(RagError, match=reason) as caught:
        filled.search(**({"vector": np.ones(DIM)} | options))
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_another_dimension_names_both_and_leaves_the_rows(tmp_path):
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(make_items(2), unit_rows(2))
    with pytest.raises(RagError, match="dimension 8, not 16"):
        Collection(tmp_path / "a.db", "items", dim=16)
    with Collection(tmp_path / "a.db", "items") as collection:
        assert (collection.dim, collection.count()) == (8, 2)
    with pytest.raises(RagError, match="no collection 'other'"):
        Collection(tmp_path / "a.db", "other")
    with pytest.raises(RagError, match="cannot name"):
        Collection(tmp_path / "a.db", "bge-base", dim=8)


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


# Servers


def test_an_unreachable_server_is_named_without_the_secrets(monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", "tokensecret")
    monkeypatch.setattr("rag_lib.collection.milvus.CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        port = silent.getsockname()[1]
        with pytest.raises(RagError, match=f"No Milvus server answers at http://127.0.0.1:{port}:") as caught:
            Collection(f"http://me:secret@127.0.0.1:{port}/base", "items", dim=DIM)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("uri", ["milvus", "ftp://me:secret@host", "http://", "http://me:se@cret@host", ""])
def test_a_uri_of_no_kind(uri):
    with pytest.raises(RagError, match="ends in .db") as caught:
        Collection(uri, "items", dim=DIM)
    assert "se@cret" not in str(caught.value) and "secret" not in str(caught.value)


def test_a_server_address_serves_the_same_collection(tmp_path):
    """Milvus Lite's own server stands for a remote one: the http path of Collection, over the wire."""
    server, database, port = start_server_in_thread(str(tmp_path / "served.db"))
    try:
        with Collection(f"http://me:secret@127.0.0.1:{port}", "items", dim=DIM) as collection:
            collection.upsert(make_items(3), unit_rows(3))
            assert ids(collection.search(unit_rows(3)[2], limit=1)) == ["id002"]
            assert repr(collection) == f"Collection('http://127.0.0.1:{port}', 'items', dim=8)"
    finally:
        server.stop(grace=0)
        database.close()


# The lock


def test_two_collections_in_one_process_share_the_folder(tmp_path, monkeypatch):
    first = Collection(tmp_path / "a.db", "items", dim=DIM)
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    second = Collection("a.db", "items", dim=DIM)  # the same folder, spelled otherwise
    first.upsert(make_items(2), unit_rows(2))
    assert repr(second) == "Collection('a.db', 'items', dim=8)"
    first.close()
    first.close()
    assert second.count() == 2
    with pytest.raises(RagError, match="is closed"):
        first.count()
    assert is_locked(tmp_path / "a.db")
    second.close()
    assert not is_locked(tmp_path / "a.db")


def test_a_forgotten_collection_gives_the_lock_back(tmp_path):
    collection = Collection(tmp_path / "a.db", "items", dim=DIM)
    collection = Collection(tmp_path / "a.db", "items", dim=DIM)  # a cell that is run twice
    collection.upsert(make_items(1), unit_rows(1))
    assert is_locked(tmp_path / "a.db")
    del collection
    assert not is_locked(tmp_path / "a.db")


def test_a_failed_open_gives_the_lock_back(tmp_path):
    Collection(tmp_path / "a.db", "items", dim=DIM).close()
    with pytest.raises(RagError):
        Collection(tmp_path / "a.db", "items", dim=DIM + 1)
    assert not is_locked(tmp_path / "a.db")


def test_another_process_holds_the_lock_lets_go_or_is_killed(tmp_path):
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


# Damage


@pytest.mark.parametrize("victim", ["manifest.json", "*.parquet"])
def test_ids_tell_what_damage_took_so_that_it_can_be_mended(tmp_path, victim):
    items, vectors = make_items(20), unit_rows(20)
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
        assert [ids(collection.search(vector, limit=1))[0] for vector in vectors] == [i.image_id for i in items]


def test_half_an_index_that_a_killed_process_left_is_built_anew(tmp_path):
    items, vectors = make_items(20), unit_rows(20)
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(items, vectors)
        collection.search(vectors[0])  # waits until the index is there
    (file,) = (tmp_path / "a.db").rglob("*.idx")
    file.write_bytes(file.read_bytes()[:100])
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        assert [ids(collection.search(vector, limit=1))[0] for vector in vectors] == [i.image_id for i in items]


def test_damage_that_milvus_sees_is_told_with_the_remedy(tmp_path):
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(make_items(3), unit_rows(3))
    data = next((tmp_path / "a.db").rglob("*.parquet"))
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(RagError, match="damaged, delete it and make it again"):
        Collection(tmp_path / "a.db", "items", dim=DIM)


def test_nothing_is_printed(tmp_path, capfd):
    handlers = logging.getLogger().handlers[:]
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(make_items(3), unit_rows(3))
        collection.ids()
        with pytest.raises(RagError):
            collection.search(unit_rows(1)[0], where="price >")
    assert capfd.readouterr() == ("", "") and logging.getLogger().handlers == handlers


def test_a_local_server_that_does_not_start_ends_in_a_sentence(tmp_path, monkeypatch):
    from milvus_lite.server_manager import server_manager_instance

    monkeypatch.setattr(server_manager_instance, "start_and_get_uri", lambda path: None)
    with pytest.raises(RagError, match="milvus.db could not be served: try again"):
        Collection(tmp_path / "milvus.db", "some", dim=4, lock_timeout=0.3)

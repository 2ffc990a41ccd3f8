"""A local collection at every size: exact while small, a graph beyond; and answers as Milvus Lite gives them."""

import random
import threading
from pathlib import Path

import numpy as np
import pytest
from milvus_lite.engine import collection as engine

from rag_lib.collection import Collection, connection, damage, live
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.records import Item

DIM = 8


def clustered(n, seed=0, dim=DIM):
    """(n, dim) float32 unit rows, twenty a group."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(max(1, n // 20), dim))
    rows = centers[rng.integers(len(centers), size=n)] + 0.3 * rng.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def numbered(n):
    return [Item(f"id{i:05}", Path(f"/p/{i}.jpg"), f"picture {i}", {"price": i, "even": i % 2 == 0}) for i in range(n)]


def index_of(collection):
    return collection.client.describe_index(collection.name, "vector")["index_type"]


# Which rows are live


@pytest.mark.parametrize("index", [None, "HNSW"])
def test_a_search_gives_what_milvus_lites_own_gives_whatever_was_written_before(tmp_path, index):
    chance, items, vectors = random.Random(0), numbered(60), iter(clustered(500))

    def found(limit):
        options = {"data": list(clustered(3, seed=1)), "anns_field": "vector", "limit": limit}
        answers = [
            collection.client.search("items", filter=text, **options) for text in ("", "price < 30", "price == 7")
        ]
        return [{hit["image_id"]: hit["distance"] for hit in hits} for answer in answers for hits in answer]

    def write(what):
        some = [items[i] for i in chance.sample(range(60), chance.randint(1, 9))]
        if what == "upsert":
            collection.upsert(some, np.stack([next(vectors) for _ in some]))
        elif what == "delete":
            collection.delete([item.image_id for item in some])
        elif what == "upsert alone":
            row = {"image_id": some[0].image_id, "vector": next(vectors), "path": "/p", "title": "t", "price": 7.0}
            collection.client.upsert("items", [row])
        elif what == "delete alone":
            collection.client.delete("items", ids=[some[0].image_id])
        else:
            assert collection.wait_for_index(60)  # four small files are merged into one meanwhile

    with Collection(tmp_path / "a.db", "items", dim=DIM, index=index) as collection:
        for _ in range(20):
            write(what := chance.choice(["upsert", "delete", "upsert alone", "delete alone", "settle"]))
            for limit in (5, 100):
                ours = found(limit)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(engine, "execute_search_with_index", engine.execute_search_with_index.replaced)
                    theirs = found(limit)
                assert [list(each) for each in ours] == [list(each) for each in theirs], what
                assert ours == [pytest.approx(each, abs=1e-6) for each in theirs], what


def test_rows_stay_live_where_files_are_merged_between_two_searches(tmp_path, monkeypatch, samples):
    merge, may_begin = engine.Collection._bg_compact_and_index, threading.Event()
    monkeypatch.setattr(engine.Collection, "_bg_compact_and_index", lambda self: (may_begin.wait(30), merge(self)))
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:

        def found():
            return [samples.ids(hits) for hits in collection.search_many(clustered(3, seed=1), 40)]

        for start in range(0, 48, 8):  # six small files
            collection.upsert(numbered(48)[start : start + 8], clustered(48)[start : start + 8])
        collection.delete(["id00003", "id00030"])
        before, files = found(), list(tmp_path.rglob("data_*.parquet"))
        may_begin.set()
        assert collection.wait_for_index(60)
        assert len(list(tmp_path.rglob("data_*.parquet"))) < len(files)
        assert found() == before


@pytest.mark.parametrize("how", ["version", "switch"])
def test_another_milvus_lite_is_left_as_it_is_and_so_it_is_by_a_switch(tmp_path, monkeypatch, samples, how):
    monkeypatch.setattr(engine, "execute_search_with_index", engine.execute_search_with_index)
    engine.execute_search_with_index = getattr(
        engine.execute_search_with_index, "replaced", engine.execute_search_with_index
    )
    if how == "version":
        monkeypatch.setattr(live.importlib.metadata, "version", lambda _: "3.3.0")
    else:
        monkeypatch.setenv("RAG_LIVE_ROWS", "0")
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        assert not hasattr(engine.execute_search_with_index, "replaced")
        collection.upsert(numbered(5), clustered(5))
        assert samples.ids(collection.search(clustered(5)[3], limit=1)) == ["id00003"]


# The index follows the size


def recall(collection, rows, queries, limit=10):
    found = collection.search_many(queries, limit)
    exact = np.argsort(-(queries @ rows.T), axis=1)[:, :limit]
    right = [
        len({f"id{i:05}" for i in best} & {hit.item.image_id for hit in hits})
        for best, hits in zip(exact, found, strict=True)
    ]
    return sum(right) / limit / len(queries)


@pytest.mark.parametrize("n", [4, 5, 6])
def test_a_whole_collection_is_whole_where_the_sample_ends_and_one_wrong_vector_is_found(tmp_path, monkeypatch, n):
    monkeypatch.setattr(damage, "SAMPLE", 5)
    rows = clustered(n)
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(numbered(n), rows)
        ids = sorted(collection.ids())
        with EmbeddingCache(tmp_path / "cache.sqlite3", DIM) as cache:
            cache.put(ids, rows)
            assert not collection.is_damaged(ids) and not collection.is_damaged(ids, cache)
            cache.put(ids[-2:], np.roll(rows[-2:], 1, axis=1))  # of two, one at least is in every sample
            assert collection.is_damaged(ids, cache)


@pytest.fixture
def small(monkeypatch):
    """A collection is large from 500 rows on."""
    monkeypatch.setattr(connection, "EXACT", 500)


def test_beyond_a_size_a_graph_finds_what_comparing_all_finds(tmp_path, small):
    rows, queries, items = clustered(1_500, dim=32), clustered(100, seed=1, dim=32), numbered(1_500)
    with Collection(tmp_path / "a.db", "items", dim=32) as collection:
        collection.upsert(items[:500], rows[:500])
        assert index_of(collection) == "FLAT" and recall(collection, rows[:500], queries) == 1
        for start in range(500, 1_500, 500):
            collection.upsert(items[start : start + 500], rows[start : start + 500], progress=False)
            assert index_of(collection) == "HNSW"
            there = rows[: start + 500]
            assert recall(collection, there, queries) >= 0.99  # also while it is being built
        assert collection.wait_for_index(60)
        assert recall(collection, rows, queries) >= 0.99
        assert not collection.is_damaged(sorted(collection.ids()))
        assert collection.outdated(items) == []
    with Collection(tmp_path / "a.db", "items", dim=32) as collection:
        assert index_of(collection) == "HNSW" and recall(collection, rows, queries) >= 0.99
        assert collection.has_title_with("1499")


def test_a_filter_that_leaves_little_of_a_graph_leaves_nothing_away(tmp_path, small):
    rows, items = clustered(2_000), numbered(2_000)
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(items, rows, progress=False)
        assert collection.wait_for_index(60) and index_of(collection) == "HNSW"
        for low, high, limit in [(10, 12, 3), (10, 12, 9), (0, 99, 20), (1_000, 1_999, 50)]:
            for query in clustered(5, seed=3):
                exact = np.sort(rows[low : high + 1] @ query)[::-1][:limit]
                hits = collection.search(query, limit, where={"price": (low, high)})
                assert [hit.score for hit in hits] == pytest.approx(exact.tolist(), abs=1e-5)
        assert "id00005" not in {hit.item.image_id for hit in collection.search(rows[5], exclude=["id00005"])}
        collection.delete(["id00005"])
        assert "id00005" not in {hit.item.image_id for hit in collection.search(rows[5])}


def test_deletions_that_leave_little_of_a_graph_leave_nothing_away(tmp_path, small):
    items, vectors = numbered(2_000), clustered(2_000)
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(items, vectors, progress=False)
        assert collection.wait_for_index(60) and index_of(collection) == "HNSW"
        kept = items[::200]
        collection.delete([item.image_id for item in items if item not in kept])
        for limit in (5, 10, 20):
            hits = collection.search(vectors[1], limit)
            nearest = sorted(kept, key=lambda item: -float(vectors[int(item.image_id[2:])] @ vectors[1]))[:limit]
            assert [hit.item.image_id for hit in hits] == [item.image_id for item in nearest]


def test_an_index_that_was_named_stays(tmp_path, small):
    for number, name in enumerate(("FLAT", "IVF_FLAT")):
        with Collection(tmp_path / "a.db", f"items{number}", dim=DIM, index=name) as collection:
            collection.upsert(numbered(700), clustered(700), progress=False)
            assert index_of(collection) == name


def test_stopped_between_two_indexes_it_is_finished_at_the_next_writing(tmp_path, small, monkeypatch):
    rows = clustered(700)
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        collection.upsert(numbered(500), rows[:500])
        collection.client.release_collection("items")
        collection.client.drop_index("items", "vector")
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        assert index_of(collection) == "FLAT" and recall(collection, rows[:500], rows[:20]) == 1
        collection.upsert(numbered(700), rows, progress=False)
        assert index_of(collection) == "HNSW" and recall(collection, rows, rows[:20]) >= 0.99


@pytest.mark.parametrize("harm", ["half", "other"])
def test_a_graph_that_is_not_the_one_that_was_written_is_found(tmp_path, small, harm):
    rows = clustered(1_000)
    for name, vectors in (("items", rows), ("others", clustered(1_000, seed=9))):
        with Collection(tmp_path / "a.db", name, dim=DIM) as collection:
            collection.upsert(numbered(1_000), vectors, batch_size=1_000)
            assert collection.wait_for_index(60)
    (file,), (other,) = ([*(tmp_path / "a.db").rglob(f"{name}/**/*.vector.hnsw.idx")] for name in ("items", "others"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if harm == "half" else other.read_bytes())
    with Collection(tmp_path / "a.db", "items", dim=DIM) as collection:
        if harm == "half":
            assert recall(collection, rows, rows[:50], limit=1) == 1  # built anew
        else:
            assert collection.is_damaged(sorted(collection.ids()))


# Opening


def test_all_rows_are_read_where_one_page_ends(tmp_path, samples):
    items, vectors = numbered(16_385), clustered(16_385, dim=2)
    with Collection(tmp_path / "a.db", "items", dim=2, index="FLAT") as collection:
        collection.upsert(items, vectors, batch_size=16_385)
        collection.upsert(items[:1], vectors[:1])
        compared = collection.compare(items)
        assert (compared.outdated, compared.besides, len(compared.stored)) == ([], [], 16_385)
        collection.client.delete("items", ids=["id16384"])  # not flushed: Milvus Lite's own pages
        assert collection.outdated(items) == items[-1:]
        collection.delete(collection.ids() - {"id00000"})
        assert collection.ids() == {"id00000"} and collection.count() == 1
        assert samples.ids(collection.search(vectors[9])) == ["id00000"]

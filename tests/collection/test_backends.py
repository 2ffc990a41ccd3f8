"""What a collection promises, on every backend alike: each test runs on Milvus Lite and on a real Milvus server."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag_lib.errors import RagError
from rag_lib.records import Item

# What is stored and found


def test_search_ranks_by_cosine_and_gives_items_back(filled, samples):
    collection, _ = filled
    items, vectors = samples.items(40), samples.vectors(40)
    query = vectors[7] * 3 + vectors[8]
    expected = vectors @ (query / np.linalg.norm(query))
    hits = collection.search(query, limit=5)
    assert samples.ids(hits) == [items[i].image_id for i in np.argsort(-expected)[:5]]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert [hit.score for hit in hits] == pytest.approx(np.sort(expected)[::-1][:5].tolist(), abs=1e-5)
    item = items[int(np.argmax(expected))]
    assert hits[0].item == replace(item, metadata={k: v for k, v in item.metadata.items() if v is not None})


def test_every_row_can_be_found(filled, samples):
    collection, _ = filled
    assert len(collection.search(samples.vectors(1)[0], limit=1000)) == 40
    assert collection.count() == len(collection) == 40
    assert collection.ids() == {item.image_id for item in samples.items(40)}


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ('category == "toaster" and price < 20', lambda m: m["category"] == "toaster" and m["price"] < 20),
        ({"category": "toaster"}, lambda m: m["category"] == "toaster"),
        ({"theme": ["leopard", "zebra"], "category": "lamp"}, lambda m: m["theme"] and m["category"] == "lamp"),
        ({"price": (10.99, 14.99)}, lambda m: 10.99 <= m["price"] <= 14.99),
        ({"price": (None, 12)}, lambda m: m["price"] <= 12),
        ({"brand": '日本 "x"'}, lambda m: True),
        ({"brand": '" or price > 0 or brand == "'}, lambda m: False),
        ({}, lambda m: True),
        ("  ", lambda m: True),
    ],
)
def test_where(filled, samples, where, holds):
    hits = filled[0].search(samples.vectors(1)[0], limit=100, where=where)
    assert sorted(samples.ids(hits)) == [item.image_id for item in samples.items(40) if holds(item.metadata)]


def test_where_a_value_is_missing(filled, samples):
    collection, backend = filled
    with backend.wanting():
        hits = collection.search(samples.vectors(1)[0], limit=100, where={"theme": None})
        assert sorted(samples.ids(hits)) == [f"id{i:03}" for i in range(40) if i % 3 == 2]


HOSTILE = (
    "plain",
    "it's",
    'say "x"',
    "a\\b",
    'ends with a backslash\\"',
    '" or image_id != "',
    "' or 1 == 1 or '",
    "%_",
    "{brackets} [and] (more)",
    "日本語 ñ 🐆",
    "line\nbreak\ttab",
)


def test_hostile_values_select_their_own_row_and_no_other(backend, samples):
    items = [Item(f"id{i}", Path("a.png"), "", {"color": v, "brand": v}) for i, v in enumerate(HOSTILE)]
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(items, samples.vectors(len(items)))
        for key in ("color", "brand"):  # a column of its own, and a dynamic key
            for item in items:
                found = collection.search(samples.vectors(1)[0], where={key: item.metadata[key]})
                assert samples.ids(found) == [item.image_id], item.metadata
            several = collection.search(samples.vectors(1)[0], limit=99, where={key: [*HOSTILE[1:4], "unknown"]})
            assert sorted(samples.ids(several)) == ["id1", "id2", "id3"]


def test_exclude_leaves_out_the_query_itself(filled, samples):
    collection, _ = filled
    query = samples.vectors(40)[3]
    everything = samples.ids(collection.search(query, limit=4))
    assert everything[0] == "id003"
    assert samples.ids(collection.search(query, limit=3, exclude={"id003", "unknown"})) == everything[1:]
    only = collection.search(query, limit=100, where='price < 11 or theme == "zebra"', exclude=["id003", "id000"])
    assert sorted(samples.ids(only)) == [f"id{i:03}" for i in range(1, 40) if i % 3 == 1]


def test_ties_are_in_order_of_id_whatever_the_order_of_writing(backend, samples):
    same = np.tile(samples.vectors(1), (12, 1))
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(samples.items(12)[::-1], same)
        assert samples.ids(collection.search(same[0], limit=5)) == [f"id{i:03}" for i in range(5)]


def test_upsert_is_idempotent_and_replaces(backend, samples):
    items, vectors = samples.items(10), samples.vectors(10)
    with backend.open(dim=samples.DIM) as collection:
        assert collection.upsert(items, vectors) == 10
        assert collection.upsert(items, vectors) == 10
        assert collection.count() == 10
        assert collection.upsert([replace(items[0], title="new")], vectors[5:6]) == 1
        assert collection.count() == 10
        assert {hit.item.title for hit in collection.search(vectors[5], limit=2)} == {"new", "picture 5"}
        assert collection.upsert([], np.empty((0, samples.DIM), np.float32)) == 0
        assert collection.upsert([items[1], items[1]], vectors[[1, 1]]) == 1
        assert collection.count() == 10


def test_what_is_written_is_seen_at_once(backend, samples):
    items, vectors = samples.items(12), samples.vectors(12)
    with backend.open(dim=samples.DIM) as collection:
        for n, (item, vector) in enumerate(zip(items, vectors, strict=True), start=1):
            collection.upsert([item], vector[None])
            assert samples.ids(collection.search(vector, limit=1)) == [item.image_id]
            assert collection.count() == n


def test_delete_and_drop(backend, samples):
    with backend.open(dim=samples.DIM) as collection:
        assert collection and collection.count() == 0 and collection.search(samples.vectors(1)[0]) == []
        collection.upsert(samples.items(5), samples.vectors(5))
        collection.delete(["id001", "unknown"])
        assert collection.ids() == {"id000", "id002", "id003", "id004"}
        assert "id001" not in samples.ids(collection.search(samples.vectors(5)[1]))
        collection.drop()
    with backend.open(dim=samples.DIM + 1) as collection:
        assert collection.count() == 0


def test_what_is_written_is_there_after_opening_again(backend, samples):
    items, vectors = samples.items(5), samples.vectors(5)
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(items, vectors)
    with backend.open() as collection:
        assert (collection.dim, collection.count(), collection.needs_rebuild) == (samples.DIM, 5, False)
        assert samples.ids(collection.search(vectors[3], limit=1)) == ["id003"]
        assert collection.outdated(items) == []
        changed = [replace(items[1], title="other"), replace(items[2], metadata={"price": 1})]
        assert collection.outdated([items[0], *changed, *samples.items(6)[5:]]) == [*changed, samples.items(6)[5]]


def test_metadata_of_any_kind_survives(backend, samples):
    metadata = {"category": 3, "price": "12.5", "stars": np.float32(4.5), "tags": ["a", "b"], "a key": 1}
    empty = {"color": None, "theme": float("nan"), "maker": None}
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert([Item("a", Path("/a.png"), "", metadata | empty)], samples.vectors(1))
        item = collection.search(samples.vectors(1)[0], where={"stars": (4, None)})[0].item
    assert item.title == "" and item.metadata == metadata | {"category": "3", "price": 12.5, "stars": 4.5}


def test_paths_follow_a_moved_root(backend, samples, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    items = [Item("in", old / "sub" / "a.png"), Item("out", tmp_path / "else" / "b.png")]
    with backend.open(dim=samples.DIM, root=old) as collection:
        collection.upsert(items, samples.vectors(2))
        assert {hit.item.path for hit in collection.search(samples.vectors(1)[0])} == {item.path for item in items}
    with backend.open(root=new) as collection:
        paths = {hit.item.image_id: hit.item.path for hit in collection.search(samples.vectors(1)[0])}
    assert paths == {"in": new / "sub" / "a.png", "out": items[1].path}


# Hybrid search


TITLES = (
    "Leopard phone case",
    "Zebra phone case",
    "Leopard lamp with a shade",
    "Toaster",
    "Leopard phone case, a very long name of it",
)


@pytest.fixture
def titled(backend, samples):
    """Five titles whose pictures lie ever farther from `samples.vectors(1)[0]`."""
    query, other = samples.vectors(1)[0], samples.vectors(1, seed=1)[0]
    rows = np.stack([query + step * other for step in (4, 3, 2, 1, 5)])
    items = [Item(f"id{i}", Path("a.png"), title, {"price": i}) for i, title in enumerate(TITLES)]
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(items, rows / np.linalg.norm(rows, axis=1, keepdims=True))
        assert samples.ids(collection.search(query)) == ["id3", "id2", "id1", "id0", "id4"]
        yield collection


def test_the_words_of_a_title_bring_it_forward(backend, titled, samples):
    query = samples.vectors(1)[0]
    with backend.wanting():
        hits = titled.search(query, text="LEOPARD phone-case!")
        # id0 and id4 hold all three words and share the first place, long or short; the nearer one is named first
        assert samples.ids(hits)[:2] == ["id0", "id4"]
        assert len(hits) == 5 and [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
        cosines = {hit.item.image_id: hit.score for hit in titled.search(query)}
        assert {hit.item.image_id: hit.score for hit in hits} == pytest.approx(cosines, abs=1e-6)
        assert hits[0].item == next(hit.item for hit in titled.search(query) if hit.item.image_id == "id0")


def test_hybrid_search_keeps_filters_and_limit(backend, titled, samples):
    query = samples.vectors(1)[0]
    with backend.wanting():
        assert samples.ids(titled.search(query, text="leopard phone case", limit=1)) == ["id0"]
        found = titled.search(query, text="leopard phone case", where={"price": (1, None)}, exclude=["id4"])
        assert samples.ids(found) == ["id1", "id2", "id3"]  # 1/63 + 1/61, 1/62 + 1/62, 1/61


def test_words_that_no_title_holds_leave_the_search_by_vector(backend, titled, samples):
    query = samples.vectors(1)[0]
    for text in (None, "", "  "):  # no words at all: no hybrid search
        assert titled.search(query, text=text) == titled.search(query)
    with backend.wanting():
        for text in ("?!", "the with a", "unknown"):
            assert samples.ids(titled.search(query, text=text)) == samples.ids(titled.search(query))


def test_words_follow_a_changed_title_and_a_deleted_row(backend, titled, samples):
    query = samples.vectors(1)[0]
    titled.upsert([Item("id3", Path("a.png"), "Leopard toaster")], titled_vector(titled, "id3")[None])
    titled.delete(["id0"])
    with backend.wanting():
        assert samples.ids(titled.search(query, text="leopard toaster", limit=1)) == ["id3"]
        assert "id0" not in samples.ids(titled.search(query, text="phone case"))


def titled_vector(collection, image_id):
    rows = collection.client.query(
        collection.name, filter=f'image_id == "{image_id}"', output_fields=["vector"], consistency_level="Strong"
    )
    return np.asarray(rows[0]["vector"])


# Bad input


def test_bad_vectors_are_named_and_nothing_is_written(backend, samples):
    items, vectors = samples.items(3), samples.vectors(3)
    with backend.open(dim=samples.DIM) as collection:
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
            (Item("z", Path("a"), "", {"title_bm25": 1}), "reserved key 'title_bm25'"),
            (Item("z", Path("a"), "", {"price": "cheap"}), "'cheap'"),
        ]:
            with pytest.raises(RagError, match=reason):
                collection.upsert([*items[:2], item], vectors)
        assert collection.count() == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"vector": np.zeros(8)}, "zero"),
        ({"vector": np.full(8, np.nan)}, "not finite"),
        ({"vector": np.ones(9)}, r"\(9,\).*\(8,\)"),
        ({"limit": 0}, "limit is 0"),
        ({"limit": 20_000}, "16,384"),
        ({"where": 'category = "toaster"'}, "Milvus refused search: .*="),
        ({"where": "price >"}, "Milvus refused search: "),
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
        filled[0].search(**({"vector": np.ones(8)} | options))
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_another_dimension_names_both_and_leaves_the_rows(backend, samples):
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(samples.items(2), samples.vectors(2))
    with pytest.raises(RagError, match="dimension 8, not 16"):
        backend.open(dim=16)
    with backend.open() as collection:
        assert (collection.dim, collection.count()) == (8, 2)
    with pytest.raises(RagError, match="no collection 'other'"):
        backend.open("other")
    with pytest.raises(RagError, match="cannot name"):
        backend.open("bge-base", dim=8)
    with pytest.raises(RagError, match="'strong' is none of .*Did you mean 'Strong'"):
        backend.open(dim=8, consistency="strong")


def test_a_collection_of_something_else_is_left_alone(backend, samples):
    with backend.open(dim=samples.DIM) as collection:
        collection.client.create_collection("foreign", dimension=4)
        with pytest.raises(RagError, match="'foreign' .* was not made by rag_lib: use another name"):
            backend.open("foreign", dim=4)
        assert collection.client.has_collection("foreign")


def test_nothing_is_printed(backend, samples, capfd):
    handlers = logging.getLogger().handlers[:]
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(samples.items(3), samples.vectors(3))
        collection.ids()
        with pytest.raises(RagError):
            collection.search(samples.vectors(1)[0], where="price >")
    assert capfd.readouterr() == ("", "") and logging.getLogger().handlers == handlers

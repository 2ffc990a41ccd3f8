"""What a collection promises, on every backend alike: each test runs on Milvus Lite and on a real Milvus server."""

import logging
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag_lib.collection import UnfoundWords
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


def test_many_queries_in_one_call_find_what_each_finds_alone(filled, samples, monkeypatch):
    collection, _ = filled
    queries = samples.vectors(7, seed=3) * 2
    options = {"limit": 3, "where": {"category": "toaster"}, "exclude": ["id003"]}
    alone = [samples.ids(collection.search(query, **options)) for query in queries]
    for rows in (1, 30, 1_000):
        monkeypatch.setattr("rag_lib.collection.searching.ROWS", rows)
        found = collection.search_many(queries, **options)
        assert [samples.ids(hits) for hits in found] == alone and {hits[0].rank for hits in found} == {1}
    assert collection.search_many(np.empty((0, samples.DIM))) == []
    for bad in (queries[:, :4], queries[0], np.zeros((2, samples.DIM))):
        with pytest.raises(RagError, match="query vector"):
            collection.search_many(bad)


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


ODD = {
    "like": 1,
    "in": "z",
    "is": True,
    "not": "a",
    "exists": 2,
    "AND": 3,
    "json_contains": "f",
    "array_length": 4,
    "a key": "x",
    "日本": 2,
    'a "quoted" key': "q",
    "back\\slash": "b",
    "price or true": 1,
    "Brand": "b",
}


@pytest.fixture
def odd(backend, samples):
    """Two rows: one with a value under each odd key, one without any of them."""
    items = [
        Item("odd", Path("a.png"), "", {**ODD, "tags": ["red", "new"], "stars": "N/A", "sizes": [1, 2], "year": 2020}),
        Item("plain", Path("b.png"), "", {"tags": "red", "stars": "4.5", "brand": "c"}),
    ]
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(items, samples.vectors(2))
        yield lambda where: sorted(samples.ids(collection.search(samples.vectors(1)[0], where=where)))


def test_any_key_that_is_stored_can_be_asked_for(odd):
    for key, value in ODD.items():
        assert odd({key: value}) == ["odd"], key
        assert odd({key: [value, "other"]}) == ["odd"], key
        assert odd({key: None}) == ["plain"], key
    assert odd({"like": (0, 1), "exists": (2, None)}) == ["odd"]
    assert odd({"like": (2, 3)}) == []  # of the right kind, and no such value


def test_a_value_among_those_of_a_list_is_found(odd):
    assert odd({"tags": "red"}) == ["odd", "plain"]
    assert odd({"tags": "new"}) == odd({"tags": ["new", "old"]}) == ["odd"]
    assert odd({"tags": {"new", "red"}}) == ["odd", "plain"]
    assert odd({"sizes": 2}) == ["odd"]
    assert odd({"tags": "old"}) == []


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ({"brnad": "c"}, r"No row has the key 'brnad'\. Did you mean 'brand'\? Known: .*Brand, a \"quoted\" key"),
        ({"brnad": None}, "No row has the key 'brnad'"),
        ({"theme": None, "Catgory": "x"}, "No row has the key 'Catgory'. Did you mean 'category'"),
        ({"stars": (0, 5)}, "No value of 'stars' can be compared with .*: they are texts, such as 'N/A'"),
        ({"year": "2020"}, "No value of 'year' can be compared with '2020': they are numbers, such as 2020"),
        ({"sizes": "1"}, "'sizes' .* they are numbers, such as 1"),
        ({"is": "yes"}, "'is' .* they are true or false, such as True"),
        ({"tags": [["red", "new"]]}, "tags=.* is not one of several: give a list of texts or numbers"),
        ({"tags": []}, "is not one of several"),
        ({"tags": [None, "red"]}, "is not one of several"),
        ({"tags": {"a": 1}}, "is not one of several"),
        ({"brand": 10**30}, "cannot stand in a filter: the number 1000.* has more than 64 bits"),
        ({"brand": "half \ud83d"}, "cannot stand in a filter: .*half of a character"),
        ({" ": 1}, "no name of a value"),
        ({3: 1}, "no name of a value"),
    ],
)
def test_a_filter_that_cannot_hold_says_why(backend, odd, where, reason):
    if where.get("theme", 0) is None and backend.lacks_words:
        reason = "need Milvus 2.5"
    with pytest.raises(RagError, match=reason):
        odd(where)


def test_nothing_is_said_where_there_is_nothing_to_filter(backend, samples):
    with backend.open(dim=samples.DIM) as collection:
        assert collection.search(samples.vectors(1)[0], where={"brand": "x"}) == []
        collection.upsert(samples.items(3), samples.vectors(3))
        assert collection.search(samples.vectors(1)[0], where={"category": "toster"}) == []
        assert collection.search(samples.vectors(1)[0], where="brnad == 3") == []


def test_a_thousand_values_may_be_allowed(odd):
    for key in ("brand", "category"):
        assert odd({key: [f"value {number}" for number in range(1_000)] + ["c"]}) == (
            ["plain"] if key == "brand" else []
        )


def test_exclude_leaves_out_the_query_itself(filled, samples):
    collection, _ = filled
    query = samples.vectors(40)[3]
    everything = samples.ids(collection.search(query, limit=4))
    assert everything[0] == "id003"
    assert samples.ids(collection.search(query, limit=3, exclude={"id003", "unknown"})) == everything[1:]
    assert samples.ids(collection.search(query, limit=3, exclude="id003")) == everything[1:]
    only = collection.search(query, limit=100, where='price < 11 or theme == "zebra"', exclude=["id003", "id000"])
    assert sorted(samples.ids(only)) == [f"id{i:03}" for i in range(1, 40) if i % 3 == 1]


def test_ties_are_in_order_of_id_whatever_the_order_of_writing(backend, samples):
    same = np.tile(samples.vectors(1), (12, 1))
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(samples.items(12)[::-1], same)
        assert samples.ids(collection.search(same[0], limit=5)) == [f"id{i:03}" for i in range(5)]


@pytest.mark.parametrize("limit", [1, 5, 39, 40, 41, 45])
def test_a_tie_longer_than_the_limit_is_cut_in_the_order_of_ids(backend, samples, limit):
    """Sixty equal rows, behind one that is nearer: as many of them as fit, from the first id on."""
    near, far = samples.vectors(1)[0], samples.vectors(1, seed=1)[0]
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(samples.items(61)[::-1], np.stack([near] + [far] * 60))
        collection.upsert([samples.items(61)[60]], near[None])
        expected = ["id060", *(f"id{i:03}" for i in range(60))][:limit]
        assert samples.ids(collection.search(near, limit=limit)) == expected
        assert samples.ids(collection.search(near, limit=limit, exclude=["id060"])) == [
            f"id{i:03}" for i in range(limit)
        ]


def test_a_tie_longer_than_milvus_gives_at_once_ends_there(backend, samples, monkeypatch):
    monkeypatch.setattr("rag_lib.collection.searching.MAX_LIMIT", 20)
    same = np.tile(samples.vectors(1), (30, 1))
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(samples.items(30), same)
        for limit in (11, 12, 13, 19, 20):  # with the eight more that are asked for: below, at and beyond the bound
            assert len(set(samples.ids(collection.search(same[0], limit=limit)))) == limit
        with pytest.raises(RagError, match="from 1 to 20"):
            collection.search(same[0], limit=21)


def test_all_rows_are_read_however_many_come_at_once(backend, samples, monkeypatch):
    items = samples.items(10)
    with backend.open(dim=samples.DIM) as collection:
        for size in (1, 4):
            assert collection.upsert(items, samples.vectors(10), batch_size=size, progress=False) == 10
        for page in (1, 3, 5, 9, 10, 11):
            monkeypatch.setattr("rag_lib.collection.connection.PAGE", page)
            monkeypatch.setattr("rag_lib.collection.milvus.PAGE", page)
            assert collection.ids() == {item.image_id for item in items}
            assert collection.outdated(items) == []
            assert {item.image_id for item in collection.compare(items[:4]).besides} == {
                f"id{i:03}" for i in range(4, 10)
            }
        monkeypatch.setattr("rag_lib.collection.milvus.PAGE", 2)
        collection.delete([f"id{i:03}" for i in range(7)])
        assert collection.ids() == {"id007", "id008", "id009"}


def test_six_at_once_open_a_new_collection(backend, samples):
    opened, failed = [], []

    def open_and_search():
        try:
            collection = backend.open("new", dim=samples.DIM)
            collection.search(samples.vectors(1)[0], limit=1)
            opened.append(collection)
        except Exception as exc:
            failed.append(exc)

    threads = [threading.Thread(target=open_and_search) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and len(opened) == 6
    opened[0].upsert(samples.items(3), samples.vectors(3))
    for collection in opened:
        assert collection.ids() == {"id000", "id001", "id002"}
        assert samples.ids(collection.search(samples.vectors(3)[1], limit=1)) == ["id001"]
        collection.close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"dim": 0}, "dim is 0; it must be a whole number from 1 to 32,768"),
        ({"dim": "8"}, "dim is '8'"),
        ({"dim": True}, "dim is True"),
        ({"dim": 8.0}, "dim is 8.0"),
        ({"dim": 40_000}, "dim is 40000"),
    ],
)
def test_a_dimension_that_no_collection_has(backend, options, reason):
    with pytest.raises(RagError, match=reason) as caught:
        backend.open(**options)
    assert "delete it" not in str(caught.value)


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
        collection.delete("id004")  # one alone
        collection.delete([])
        assert collection.ids() == {"id000", "id002", "id003"}
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
    with warnings.catch_warnings(action="error"):
        for text in (None, "", "  "):  # no words at all: no hybrid search
            assert titled.search(query, text=text) == titled.search(query)
    with backend.wanting():
        for text in ("?!", "the with a", "unknown", "红色手机壳"):
            with warnings.catch_warnings(record=True) as caught:
                found = titled.search(query, text=text)
            assert [(warning.category, warning.filename) for warning in caught] == [(UnfoundWords, __file__)]
            assert str(caught[0].message).startswith(f"No title that was searched holds a word of {text!r}")
            assert samples.ids(found) == samples.ids(titled.search(query))


def deep(samples):
    """Thirty items, ever farther from the query: the thirteenth to the 25th are lamps, and one of them is red."""
    query, other = samples.vectors(1)[0], samples.vectors(1, seed=1)[0]
    rows = np.stack([query + step * other for step in range(1, 31)])
    titles = ["red lamp" if i == 20 else "lamp" if 12 <= i < 25 else "toaster" for i in range(30)]
    items = [Item(f"id{i:03}", Path("a.png"), title) for i, title in enumerate(titles)]
    return query, items, rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_both_rankings_are_read_as_deep_as_the_limit_and_deeper(backend, samples, monkeypatch):
    query, items, rows = deep(samples)
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert(items, rows)
        with backend.wanting():
            # id020, alone with both words: 1/81 + 1/61 = 0.0287; id012, nearest of those with one: 1/73 + 1/62 = 0.0298
            assert samples.ids(collection.search(query, text="red lamp", limit=1)) == ["id012"]
            assert samples.ids(collection.search(query, text="red lamp", limit=3)) == ["id012", "id013", "id014"]
            monkeypatch.setattr("rag_lib.collection.searching.DEPTH", 3)
            assert len(collection.search(query, text="red lamp", limit=25)) == 25
            assert len(collection.search(query, text="red lamp", limit=30)) == 30


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
        with pytest.raises(RagError, match="id000.*length 1.02"):
            collection.upsert(items, 1.02 * vectors)
        with pytest.raises(RagError, match=r"3 items.*\(2, 8\)"):
            collection.upsert(items, vectors[:2])
        with pytest.raises(RagError, match=r"\(3, 4\).*8"):
            collection.upsert(items, vectors[:, :4])
        for size in (0, -1):
            with pytest.raises(RagError, match=f"batch_size is {size}; it must be at least 1"):
                collection.upsert(items, vectors, batch_size=size)
        for item, reason in [
            (Item("x" * 65, Path("a")), "65 bytes"),
            (Item("", Path("a")), "0 bytes"),
            (Item("z", Path("a"), "", {"vector": 1}), "reserved key 'vector'"),
            (Item("z", Path("a"), "", {"title_bm25": 1}), "reserved key 'title_bm25'"),
            (Item("z", Path("a"), "", {"price": "cheap"}), "'cheap'"),
            (
                Item("z", Path("b/lamp.jpg"), "half \ud83d"),
                r"title of 'lamp.jpg' .*'half \\ud83d' holds half of a character",
            ),
            (Item("z", Path("lamp.jpg"), "", {"maker": "half \udc00"}), "maker of 'lamp.jpg' .*half of a character"),
            (Item("z", Path("lamp.jpg"), "", {"half \ud83d": 1}), "half of a character"),
            (
                Item("z", Path("lamp.jpg"), "", {"code": 12345678901234567890123}),
                "'lamp.jpg' .*12345.* 64 bits.*as text",
            ),
            (Item("z", Path("lamp.jpg"), "", {"codes": [1, {"a": -(2**63) - 1}]}), "codes of 'lamp.jpg' .*64 bits"),
            (Item("z", Path("lamp.jpg"), "", {"price": 10**400}), "must be a number"),
            (Item("z", Path("lamp.jpg"), "x" * 65_536), "title of 'lamp.jpg' .*65,536 bytes"),
            (Item("z", Path("lamp.jpg"), "é" * 32_768), "65,536 bytes"),
            (Item("z", Path("lamp.jpg"), "", {"color": "x" * 70_000}), "color of 'lamp.jpg' .*70,000 bytes"),
            (Item("z", Path("lamp.jpg"), "", {"$meta": 1}), r"'\$meta' is reserved"),
            (Item("z", Path("lamp.jpg"), "", {"weight": float("inf")}), "weight of 'lamp.jpg' .*inf.* not finite"),
            (Item("z", Path("lamp.jpg"), "", {"price": "1e400"}), "price of 'lamp.jpg' .*not finite"),
            (Item("z", Path("lamp.jpg"), "", {"weights": [1.0, float("nan")]}), "not finite"),
        ]:
            with pytest.raises(RagError, match=reason):
                collection.upsert([*items[:2], item], vectors)
            if item.image_id == "z":
                with pytest.raises(RagError, match=reason):  # before anything is embedded
                    collection.outdated([item])
        assert collection.count() == 0


def test_rows_that_are_nearly_of_length_1_are_stored_so_and_no_score_is_above_it(backend, samples):
    vectors = samples.vectors(40)
    with backend.open(dim=samples.DIM) as collection:
        for length in (0.992, 1.008):
            collection.upsert(samples.items(40), length * vectors)
            best = [hits[0] for hits in collection.search_many(vectors, 1)]
            assert samples.ids(best) == [item.image_id for item in samples.items(40)]
            assert all(0.99999 < hit.score <= 1 for hit in best)
            stored = np.stack([vector for _, vector in collection.get([hit.item.image_id for hit in best])])
            assert np.linalg.norm(stored, axis=1) == pytest.approx(np.ones(40), abs=1e-6)


def test_what_just_fits_is_stored_and_not_stored_again(backend, samples):
    metadata = {"code": 2**63 - 1, "least": -(2**63), "weight": 1e308, "emoji": "🐆", "color": "x" * 1_000}
    item = Item("a" * 64, Path("/a.png"), "é" * 32_767, metadata)
    with backend.open(dim=samples.DIM) as collection:
        collection.upsert([item], samples.vectors(1))
        assert collection.search(samples.vectors(1)[0])[0].item == item
        assert collection.outdated([item]) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"vector": np.zeros(8)}, "zero"),
        ({"vector": np.full(8, np.nan)}, "not finite"),
        ({"vector": np.ones(9)}, r"\(9,\).*\(8,\)"),
        ({"limit": 0}, "limit is 0"),
        ({"limit": 20_000}, "16,384"),
        ({"limit": 2.5}, "limit is 2.5"),
        ({"limit": True}, "limit is True"),
        ({"where": 'category = "toaster"'}, "Milvus refused search: .*="),
        ({"where": "price >"}, "Milvus refused search: "),
        ({"where": 7}, "int"),
        ({"where": {"price or true": 1}}, "No row has the key 'price or true'"),
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

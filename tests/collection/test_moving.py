"""A collection that takes another one's place, and one that travels as a Parquet file; on every backend."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rag_lib.collection import export_parquet, import_parquet
from rag_lib.errors import RagError
from rag_lib.records import Item


def test_another_encoders_collection_takes_the_place_of_the_old_one_without_a_gap(backend, samples):
    items, vectors = samples.items(6), samples.vectors(6)
    with backend.open("old", dim=samples.DIM) as old, backend.open("new", dim=2) as new:
        old.upsert(items, vectors)
        old.serve_as("shop")
        with backend.open("shop") as reader:
            assert (reader.name, reader.dim) == ("old", samples.DIM)
            new.upsert(items, vectors[:, :2] / (vectors[:, :2] ** 2).sum(axis=1, keepdims=True) ** 0.5)
            new.serve_as("shop")
            new.serve_as("shop")
            assert samples.ids(reader.search(vectors[3], limit=1)) == ["id003"]  # it has the old one open
        with backend.open("shop") as reader:
            assert (reader.name, reader.dim, reader.count()) == ("new", 2, 6)
        old.drop()
        with backend.open("shop") as reader:
            assert samples.ids(reader.search(vectors[3, :2], limit=1)) == ["id003"]
        with pytest.raises(RagError, match="cannot name a collection"):
            new.serve_as("no name")


def test_what_is_exported_is_what_is_imported(backend, samples, tmp_path, monkeypatch):
    monkeypatch.setattr("rag_lib.collection.parquet.CHUNK", 7)
    old, new = tmp_path / "old", tmp_path / "new"
    items, vectors = samples.items(20, root=old), samples.vectors(20)
    items.append(Item("else", tmp_path / "else.png", "", {"tags": ["a", "b"], "color": "red"}))
    with backend.open("one", dim=samples.DIM, root=old) as collection:
        collection.upsert(items[:20], vectors)
        collection.upsert(items[20:], samples.vectors(1, seed=5))
        assert export_parquet(collection, tmp_path / "shop.parquet") == 21
        before = collection.search(vectors[2], limit=30)
    with backend.open("two", dim=samples.DIM, root=new) as collection:
        for _ in range(2):
            assert import_parquet(collection, tmp_path / "shop.parquet") == 21 == collection.count()
        moved = [
            Item(each.image_id, new / each.path.relative_to(old), each.title, each.metadata) for each in items[:20]
        ]
        assert collection.outdated([*moved, items[20]]) == []
        after = collection.search(vectors[2], limit=30)
    assert samples.ids(before) == samples.ids(after)
    assert [hit.score for hit in before] == pytest.approx([hit.score for hit in after], abs=1e-6)


def test_a_file_of_something_else_is_a_sentence(backend, samples, tmp_path):
    pq.write_table(pa.table({"image_id": ["a"], "vector": [[1.0]]}), tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    with backend.open(dim=samples.DIM) as collection:
        for name, reason in [
            ("other", r"other.parquet has no column metadata, path, title"),
            ("text", "text.parquet cannot be read"),
            ("missing", "missing.parquet cannot be read"),
        ]:
            with pytest.raises(RagError, match=reason):
                import_parquet(collection, tmp_path / f"{name}.parquet")
        assert collection.count() == 0

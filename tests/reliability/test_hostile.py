"""Input that nobody would send by accident, found by hypothesis: an answer that holds, or one sentence of ours.

No traceback of another library, nothing that hangs, nothing run or written that was not asked for.
"""

import io
import json
import math
import pickle
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from PIL import Image

from rag_lib.catalog import load_folder
from rag_lib.collection import Collection
from rag_lib.encoders import load_encoder
from rag_lib.errors import LONGEST, RagError
from rag_lib.images import ImageError, open_image
from rag_lib.records import Item
from rag_lib.rerank.permutation import parse_text, repair
from rag_lib.run.parameters import from_text, load_edition

TEXTS = st.text(st.characters(codec=None, categories=None), max_size=60)  # lone surrogates and controls too
ODD = ("\u202eevil", "a\x00b", "\ud800", "e\u0301", "''; drop", '"\\', "👩‍👩‍👧", "%00../..", "A" * 300, "نص", "a\nb")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A small collection: each odd text is the title and the brand of one row."""
    with Collection(tmp_path_factory.mktemp("shelf") / "milvus.db", "shelf", dim=8) as collection:
        texts = [text for text in ODD if "\ud800" not in text and "\x00" not in text]
        items = [Item(f"id{n}", Path(f"{n}.png"), text, {"brand": text, "n": n}) for n, text in enumerate(texts)]
        collection.upsert(items, np.eye(8, dtype=np.float32)[np.arange(len(items)) % 8], progress=False)
        yield collection, items


VALUES = st.one_of(TEXTS, st.sampled_from(ODD), st.integers(), st.floats(), st.booleans(), st.none(), st.binary())


@given(value=VALUES)
def test_filter_values(shelf, value):
    """Hostile filter values: the rows that hold the value and no others, or a sentence"""
    collection, items = shelf
    try:
        found = {hit.item.image_id for hit in collection.search(np.ones(8), 50, where={"brand": value})}
    except RagError:
        return
    right = {item.image_id for item in items if item.metadata["brand"] == value}
    assert found == right


@given(key=st.one_of(TEXTS, st.sampled_from(["in", "like", "$meta", "vector", "n", "N", "brand "])), value=VALUES)
def test_filter_keys(shelf, key, value):
    """Hostile filter keys: never another row's, or a sentence"""
    collection, items = shelf
    try:
        hits = collection.search(np.ones(8), 50, where={key: value})
    except RagError:
        return
    for hit in hits:
        known = {
            **hit.item.metadata,
            "title": hit.item.title,
            "image_id": hit.item.image_id,
            "path": str(hit.item.path),
        }
        assert known.get(key) == value


@given(text=st.one_of(TEXTS, st.sampled_from(ODD)))
def test_titles_asked_for(shelf, text):
    """Hostile words for titles: hits, or a sentence"""
    collection, items = shelf
    with warnings.catch_warnings(action="ignore"):
        try:
            assert len(collection.search(np.ones(8), 5, text=text)) == 5
        except RagError:
            return


@given(rows=st.lists(st.lists(st.floats(width=32), min_size=8, max_size=8), min_size=1, max_size=3))
@example(rows=[[math.nan] * 8])
@example(rows=[[0.0] * 8])
def test_vectors(shelf, rows):
    """NaN, infinite, zero and unnormed vectors: refused before a row is written"""
    collection, items = shelf
    vectors = np.array(rows, np.float32)
    with np.errstate(all="ignore"):
        assume(not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2))
        before = collection.count()
        with pytest.raises(RagError):
            collection.upsert([Item(f"new{n}", Path("x"), "x", {}) for n in range(len(rows))], vectors, progress=False)
        assert collection.count() == before
        try:
            hits = collection.search(vectors[0], 3)
        except RagError:
            return
        assert all(abs(hit.score) <= 1 for hit in hits)


def _pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    for form in ("JPEG", "PNG", "WEBP", "BMP", "GIF"):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, form)
        yield file.getvalue()


PICTURES = list(_pictures())


@given(seed=st.integers(0, 2**32), number=st.integers(0, len(PICTURES) - 1))
def test_pictures(tmp_path, seed, number):
    """Pictures with changed bytes: pixels of the size that they say, or a named skip"""
    chance, content = random.Random(seed), bytearray(PICTURES[number])
    for _ in range(chance.choice((1, 3, 30))):
        content[chance.randrange(len(content))] = chance.randrange(256)
    if chance.random() < 0.3:
        content = content[: chance.randrange(len(content))]
    path = tmp_path / "picture.jpg"
    path.write_bytes(content)
    try:
        image = open_image(path)
    except ImageError as error:
        assert error.reason and str(tmp_path) not in error.reason
    else:
        assert image.mode == "RGB" and image.width * image.height < 10**8
        image.load()


ROWS = st.dictionaries(st.one_of(TEXTS, st.sampled_from(["file", "title", "price"])), st.one_of(VALUES, TEXTS))


def _json(rows):
    return "\n".join(json.dumps({str(k): v for k, v in row.items() if not isinstance(v, bytes)}) for row in rows)


@given(content=st.one_of(st.binary(max_size=300), st.lists(ROWS, max_size=4).map(lambda rows: _json(rows).encode())))
@example(content=b'{"file": "0.png", "title": "\\ud800"}')
@example(content=b'{"file": "../../../outside.png", "title": "x"}')
@example(content=b'{"file": "0.png", "price": 1e999}')
@example(content=b'{"file": "0.png", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}")
@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_metadata(tmp_path, name, content):
    """Metadata of any bytes: the folder's pictures with what was readable, or a sentence with file and line"""
    folder = tmp_path / "pictures"
    folder.mkdir(exist_ok=True)
    if not (folder / "0.png").exists():
        (folder / "0.png").write_bytes(PICTURES[1])
    (folder / name).write_bytes(content)
    try:
        catalog = load_folder(folder)
    except RagError as error:
        assert name in str(error) and len(str(error)) <= LONGEST
        return
    assert [item.path.name for item in catalog.items] == ["0.png"]


LEAVES = st.none() | st.integers() | st.floats() | TEXTS
KEYS = st.sampled_from(["ranking", "reason", "evidence", "x"])
OBJECTS = st.recursive(LEAVES, lambda x: st.lists(x, max_size=5) | st.dictionaries(KEYS, x, max_size=3), max_leaves=9)


@given(reply=st.one_of(TEXTS, st.binary(max_size=200).map(lambda b: b.decode("latin-1")), OBJECTS.map(json.dumps)))
def test_model_replies(reply):
    """Replies of any text: every candidate exactly once"""
    found = parse_text(reply, 5, labels=(11, 22, 33, 44, 55))
    order, mended = repair(found.numbers, 5)
    assert sorted(order) == [1, 2, 3, 4, 5] and all(count >= 0 for count in mended.values())
    found.reason.encode()


@given(text=TEXTS, kind=st.sampled_from(["int", "float", "str", "bool", "list", "None"]))
def test_parameters(text, kind):
    """Parameters of any text: a value of the declared type, or a sentence"""
    try:
        value = from_text("limit", text, kind)
    except RagError:
        return
    if kind in ("int", "float", "str", "bool"):
        assert type(value).__name__ == kind


@given(content=st.one_of(st.binary(max_size=200), TEXTS.map(lambda text: text.encode(errors="replace"))))
@example(content=b"!!python/object/apply:os.system ['touch run_by_yaml']")
@example(content=b"a: &a [*a, *a]")
def test_edition_files(tmp_path, monkeypatch, content):
    """Edition files of any bytes: plain values, or a sentence; nothing is run"""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.yaml").write_bytes(content)
    try:
        assert isinstance(load_edition(tmp_path, "odd").values, dict)
    except RagError:
        pass
    assert not (tmp_path / "run_by_yaml").exists()


@pytest.fixture(scope="module")
def pocket():
    return load_encoder("pocket")


@given(text=st.one_of(TEXTS, st.sampled_from([*ODD, "x" * 100_000, "a " * 50_000, "🎈" * 10_000])))
def test_instructions(pocket, text):
    """Instructions of any text and 100,000 characters: a unit vector, or a sentence"""
    with warnings.catch_warnings(action="ignore"):
        try:
            vector = pocket.encode_query(text=text)
        except RagError:
            return
    assert vector.shape == (pocket.dim,) and abs(np.linalg.norm(vector) - 1) < 1e-4


class Runs:
    def __reduce__(self):
        return open, ("run_by_pickle", "w")


@given(protocol=st.integers(0, pickle.HIGHEST_PROTOCOL), name=st.sampled_from(["model.safetensors", "config.json"]))
def test_checkpoints_that_would_run_code(tmp_path, monkeypatch, protocol, name):
    """Checkpoints that would run code: refused, and nothing was run"""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "weights"
    folder.mkdir(exist_ok=True)
    for file in ("model.safetensors", "config.json", "tokenizer.json"):
        (folder / file).write_text("{}")
    (folder / name).write_bytes(pickle.dumps(Runs(), protocol))
    with pytest.raises(RagError):
        load_encoder("pocket", folder)
    checkpoint = tmp_path / "Visualized_base_en_v1.5.pth"
    torch.save({"x": Runs()}, checkpoint) if protocol == 2 else checkpoint.write_bytes(pickle.dumps(Runs(), protocol))
    (tmp_path / "run_by_pickle").unlink(missing_ok=True)
    with pytest.raises(RagError):
        load_encoder("visualized-bge-base-en-v1.5", checkpoint)
    assert not (tmp_path / "run_by_pickle").exists()

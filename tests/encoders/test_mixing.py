"""More picture, more words, and without something: blends of vectors that are known by construction."""

import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from rag_lib.encoders import load_encoder, mix_query
from rag_lib.encoders.mixing import blend, subtract
from rag_lib.encoders.vocabulary import UnknownWords
from rag_lib.errors import RagError

TINY = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny_models.py"))))
PICTURE, TEXT = "leopard.jpg", "phone case"
WAYS = [(PICTURE, TEXT), (PICTURE, None), (None, TEXT), (None, "stripes"), (None, "against")]


class Table:
    """Vectors looked up by (picture, text); all of them unit rows, `against` the opposite of `TEXT`."""

    def __init__(self):
        rows = np.random.default_rng(0).normal(size=(len(WAYS), 8)).astype(np.float32)
        rows[4] = -rows[2]
        self.known = dict(zip(WAYS, rows / np.linalg.norm(rows, axis=1, keepdims=True), strict=True))

    def encode_query(self, image=None, text=None):
        if image is None and not text:
            raise RagError("The query is empty: give a picture, an instruction, or both.")
        return self.known[image, text or None]


@pytest.fixture
def table():
    return Table()


def unit(vector):
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize(("words", "way"), [(0, (PICTURE, None)), (0.5, (PICTURE, TEXT)), (1, (None, TEXT))], ids=str)
def test_the_ends_and_the_middle_are_the_models_own_vectors(table, words, way):
    np.testing.assert_array_equal(mix_query(table, PICTURE, TEXT, words=words), table.known[way])


@pytest.mark.parametrize(
    ("words", "half", "share"), [(0.25, (PICTURE, None), 0.5), (0.1, (PICTURE, None), 0.8), (0.8, (None, TEXT), 0.6)]
)
def test_between_them_the_unit_vectors_are_blended_linearly(table, words, half, share):
    expected = unit((1 - share) * table.known[PICTURE, TEXT] + share * table.known[half])
    found = mix_query(table, PICTURE, TEXT, words=words)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32 and np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


def test_the_path_from_picture_to_words_has_no_jump(table):
    path = [mix_query(table, PICTURE, TEXT, words=words) for words in np.linspace(0, 1, 201)]
    assert min(float(a @ b) for a, b in zip(path, path[1:], strict=False)) > 0.995


@pytest.mark.parametrize("words", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("half", [(PICTURE, None), (None, TEXT), (PICTURE, " ")], ids=["picture", "words", "blank"])
def test_a_query_of_one_half_is_that_half_whatever_the_weight(table, half, words):
    expected = table.known[PICTURE, None] if half[0] else table.known[None, TEXT]
    np.testing.assert_array_equal(mix_query(table, *half, words=words), expected)


def test_a_negative_is_subtracted_from_the_mixture(table):
    mixed = mix_query(table, PICTURE, TEXT, words=0.7)
    blend = 0.6 * table.known[PICTURE, TEXT] + 0.4 * table.known[None, TEXT]
    found = mix_query(table, PICTURE, TEXT, words=0.7, without="stripes", strength=0.4)
    np.testing.assert_allclose(found, unit(unit(blend) - 0.4 * table.known[None, "stripes"]), atol=1e-6)
    assert found @ table.known[None, "stripes"] < mixed @ table.known[None, "stripes"]


@pytest.mark.parametrize("off", [{"without": None}, {"without": "  "}, {"without": "stripes", "strength": 0}], ids=str)
def test_no_negative_changes_nothing(table, off):
    np.testing.assert_array_equal(mix_query(table, PICTURE, TEXT, **off), table.known[PICTURE, TEXT])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": TEXT, "words": 0}, "picture alone, but there is no picture: give one"),
        ({"image": PICTURE, "words": 1}, "words alone, but there are none"),
        ({"image": PICTURE, "text": TEXT, "words": 1.2}, "words is 1.2; it must be between 0"),
        ({"image": PICTURE, "text": TEXT, "words": float("nan")}, "words is nan"),
        ({"image": PICTURE, "text": TEXT, "strength": -1}, "strength is -1; it must be"),
        ({"image": PICTURE, "text": TEXT, "strength": float("inf")}, "strength is inf"),
        ({}, "The query is empty"),
        ({"text": " ", "words": 0}, "The query is empty"),
        ({"without": "stripes"}, "The query is empty"),
        ({"text": TEXT, "without": TEXT, "strength": 1}, "Nothing is left of the query"),
    ],
)
def test_a_query_that_cannot_be_asked_is_one_clear_sentence(table, given, said):
    with pytest.raises(RagError, match=said):
        mix_query(table, **given)


def test_halves_that_cancel_each_other_are_an_error_and_no_nan():
    table = Table()
    table.known[PICTURE, TEXT] = -table.known[PICTURE, None]
    with pytest.raises(RagError, match="Nothing is left of the query: its parts cancel"):
        mix_query(table, PICTURE, TEXT, words=0.25)


def test_many_queries_are_mixed_as_one_is(table):
    """Evaluations embed in batches, and use the same arithmetic."""
    both, picture, worded = (np.stack([table.known[way]] * 2) for way in WAYS[:3])
    stripes = np.stack([table.known[None, "stripes"]] * 2)
    for words in (0, 0.3, 0.5, 0.9, 1):
        expected = mix_query(table, PICTURE, TEXT, words=words, without="stripes")
        for row in subtract(blend(both, picture, worded, words), stripes):
            np.testing.assert_allclose(row, expected, atol=1e-6)


def test_unknown_words_of_a_negative_are_warned_of():
    pocket = load_encoder("pocket", device="cpu", dtype="float32")
    picture = Image.new("RGB", (40, 30), "orange")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnknownWords)
        mix_query(pocket, picture, "phone case in this style", without="bicycles")
    assert ['does not know "bicycles"' in str(warning.message) for warning in caught] == [True]
    assert caught[0].filename == __file__


def test_a_picture_alone_does_not_warn_of_words_that_are_not_read():
    pocket = load_encoder("pocket", device="cpu", dtype="float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnknownWords)
        mix_query(pocket, Image.new("RGB", (40, 30), "orange"), "a bicycle", words=0)


@pytest.fixture(scope="module")
def looking(tmp_path_factory):
    """Encoders whose image tower stands apart from the words."""
    clip = TINY.clip(tmp_path_factory.mktemp("models") / "clip")
    return {
        "pocket": load_encoder("pocket", device="cpu", dtype="float32"),
        "clip": load_encoder(clip, device="cpu"),
        "BGE-VL-base": load_encoder("BAAI/BGE-VL-base", weights=clip, device="cpu"),
    }


@pytest.mark.parametrize("kind", ["pocket", "clip", "BGE-VL-base"])
def test_a_picture_passes_the_tower_once_however_its_query_is_mixed(looking, kind, monkeypatch):
    encoder, passes = looking[kind], []
    look = encoder._look
    monkeypatch.setattr(encoder, "_look", lambda prepared: passes.append(len(prepared)) or look(prepared))
    picture, other = (Image.new("RGB", (40, 30), color) for color in ("orange", "navy"))
    alone, worded = encoder.encode_query(picture), encoder.encode_query(text="a lamp")
    both = encoder.encode_query(picture, "a lamp")
    for words, expected in ((0, alone), (0.25, unit(alone + both)), (0.5, both), (0.75, unit(worded + both))):
        np.testing.assert_allclose(mix_query(encoder, picture, "a lamp", words=words), expected, atol=1e-6)
    if kind == "pocket":
        encoder.reader().read_images([picture])
    assert passes == [1]
    assert np.abs(encoder.encode_query(other) - alone).max() > 1e-3 and passes == [1, 1]
    np.testing.assert_array_equal(encoder.encode_query(picture), alone)  # what was kept is as it was
    for shade in range(10):
        encoder.encode_query(Image.new("RGB", (40, 30), (shade, 0, 0)))
    assert len(passes) == 12 and len(encoder._recent._results) == 4

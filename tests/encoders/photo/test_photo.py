"""The photo encoder that ships: what it promises to every caller, and that words say what and pictures how."""

import shutil

import numpy as np
import pytest
from PIL import Image

from rag_lib.drawn.drawing import NATURAL, draw_product, draw_query_picture
from rag_lib.encoders import load_encoder
from rag_lib.encoders.photo.loading import FILES, PHOTO_FOLDER
from rag_lib.encoders.vocabulary import UnknownWords
from rag_lib.errors import RagError


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("photo")


@pytest.fixture(scope="module")
def zebra():
    return Image.fromarray(draw_query_picture(np.random.default_rng(5), "zebra", NATURAL))


def product(seed, *look):
    return Image.fromarray(draw_product(np.random.default_rng(seed), *look))


def part(encoder, vector, name):
    sizes = {"thing": 1000, **{part: len(encoder.labels[part]) for part in ("category", "theme", "color")}}
    start = sum(list(sizes.values())[: list(sizes).index(name)])
    return vector[start : start + sizes[name]]


def test_vectors_are_unit_rows_and_a_picture_is_the_same_wherever_it_is_asked(encoder, zebra):
    pictures = [zebra, product(1, "toaster", "dots", "red"), product(2, "lamp", "stripes", "blue")]
    rows = encoder.encode_images(pictures, batch_size=2, progress=False).vectors
    assert rows.shape == (3, encoder.dim) and rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.allclose(rows[0], encoder.encode_query(zebra), atol=1e-4)
    assert np.allclose(rows[1], encoder.encode_queries(pictures, ["", "  ", ""])[1], atol=1e-4)


def test_words_say_what_it_is_and_the_picture_how_it_looks(encoder, zebra):
    alone, composed = encoder.encode_query(zebra), encoder.encode_query(zebra, "a toaster with this pattern")
    worded = encoder.encode_query(text="a toaster")
    theme, thing = (
        [part(encoder, v, name) / np.linalg.norm(part(encoder, v, name)) for v in (composed, alone, worded)[:n]]
        for name, n in (("theme", 2), ("thing", 3))
    )
    assert theme[0].argmax() == theme[1].argmax() and theme[0] @ theme[1] > 0.9
    assert thing[0] @ thing[2] > 0.99 > thing[0] @ thing[1]
    assert not part(encoder, worded, "theme").any()


def test_a_look_that_is_named_is_taken_from_the_words(encoder, zebra):
    color = part(encoder, encoder.encode_query(zebra, "the same in red"), "color")
    assert encoder.labels["color"][color.argmax()] == "red"
    theme = part(encoder, encoder.encode_query(zebra, "a lamp with dots"), "theme")
    assert encoder.labels["theme"][theme.argmax()] == "dots"


def test_words_without_a_thing_leave_the_thing_to_the_picture(encoder, zebra):
    alone, composed = encoder.encode_query(zebra), encoder.encode_query(zebra, "something with this look, in red")
    first, second = part(encoder, alone, "thing"), part(encoder, composed, "thing")
    assert first @ second / np.linalg.norm(first) / np.linalg.norm(second) > 0.99


@pytest.mark.parametrize("text", ["please", "of the", "12", "?"])
def test_a_text_without_any_meaning_still_is_a_unit_vector(encoder, text):
    assert np.linalg.norm(encoder.encode_query(text=text)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "near, far", [("a guitar", "a strawberry"), ("wolves", "a sports car"), ("a wombat", "a trumpet")]
)
def test_words_that_mean_the_same_are_near(encoder, near, far):
    synonyms = {"a guitar": "an acoustic instrument with strings", "wolves": "a wild dog", "a wombat": "a marsupial"}
    query = encoder.encode_query(text=near)
    assert query @ encoder.encode_query(text=synonyms[near]) > query @ encoder.encode_query(text=far) + 0.2


def test_a_word_that_is_none_is_warned_of(encoder):
    assert encoder.unknown_words("a red guitar") == []
    with pytest.warns(UnknownWords, match="xyzzyq"):
        encoder.encode_query(text="a xyzzyq")


@pytest.mark.parametrize("name", FILES)
def test_damaged_or_missing_weights_are_refused(tmp_path, name):
    folder = shutil.copytree(PHOTO_FOLDER, tmp_path / "photo")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(RagError, match="damaged or was changed"):
        load_encoder("photo", weights=folder)
    (folder / name).unlink()
    with pytest.raises(RagError, match=f"lacks {name}"):
        load_encoder("photo", weights=folder)

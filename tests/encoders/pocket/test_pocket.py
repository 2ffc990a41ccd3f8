"""The pocket encoder that ships: what it promises to every caller, and that composing composes."""

import numpy as np
import pytest
from PIL import Image

from rag_lib.drawn.drawing import NATURAL, draw_product, draw_query_picture
from rag_lib.encoders import load_encoder
from rag_lib.errors import RagError
from rag_lib.records import Hit, Item, Query
from rag_lib.rerank.pocket import PocketReranker


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("pocket")


def product(seed, category, theme, color=NATURAL):
    return Image.fromarray(draw_product(np.random.default_rng(seed), category, theme, color))


@pytest.fixture(scope="module")
def leopard():
    return Image.fromarray(draw_query_picture(np.random.default_rng(5), "leopard", NATURAL))


def test_vectors_are_unit_rows_for_what_was_given(encoder, tmp_path):
    paths = []
    for number, category in enumerate(("toaster", "lamp", "camera")):
        paths.append(tmp_path / f"{category}.png")
        product(number, category, "zebra").save(paths[-1])
    encoded = encoder.encode_images(paths, batch_size=2, progress=False)
    assert encoded.vectors.shape == (3, encoder.dim) and encoded.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-5)
    assert encoded.kept == tuple(paths) and encoded.skipped == ()


def test_a_bad_file_is_skipped_and_shifts_nothing(encoder, tmp_path):
    good, bad, other = (tmp_path / name for name in ("a.png", "b.jpg", "c.png"))
    product(0, "toaster", "zebra").save(good)
    bad.write_text("<html>404</html>")
    product(1, "lamp", "dots", "red").save(other)
    encoded = encoder.encode_images([good, bad, other], progress=False)
    assert encoded.kept == (good, other)
    assert [path for path, _ in encoded.skipped] == [bad] and "picture" in encoded.skipped[0].reason
    assert np.allclose(encoded.vectors[1], encoder.encode_query(other), atol=1e-5)


def test_no_pictures_give_no_rows(encoder):
    assert encoder.encode_images([], progress=False).vectors.shape == (0, encoder.dim)


def test_the_batch_changes_nothing(encoder):
    pictures = [product(seed, "mouse", "checks", "blue") for seed in range(5)]
    one = encoder.encode_images(pictures, batch_size=1, progress=False).vectors
    five = encoder.encode_images(pictures, batch_size=5, progress=False).vectors
    assert np.abs(one - five).max() < 1e-5
    texts = ["a lamp", "find a leopard print phone case for my friend please"]
    together = encoder.encode_queries(pictures[:2], texts)
    apart = [encoder.encode_query(picture, text) for picture, text in zip(pictures, texts, strict=False)]
    assert np.abs(together - np.stack(apart)).max() < 1e-5


def test_a_picture_alone_is_a_picture_with_no_words(encoder, leopard):
    alone = encoder.encode_query(leopard)
    assert np.allclose(alone, encoder.encode_query(leopard, "  "), atol=1e-6)
    assert np.allclose(alone, encoder.encode_images([leopard], progress=False).vectors[0], atol=1e-5)


def test_case_and_length_of_the_text_are_no_trouble(encoder, leopard):
    assert np.allclose(encoder.encode_query(text="Phone CASE"), encoder.encode_query(text="phone case"))
    assert np.isfinite(encoder.encode_query(leopard, "phone case " * 500)).all()


def test_queries_of_two_kinds_are_not_mixed(encoder, leopard):
    with pytest.raises(RagError, match="two kinds in two calls"):
        encoder.encode_queries([None, leopard], ["a lamp", "a lamp"])


@pytest.mark.parametrize("text", [None, "", "   "])
def test_an_empty_query_is_refused(encoder, text):
    with pytest.raises(RagError, match="query is empty"):
        encoder.encode_query(text=text)


def test_the_hero_query_needs_both_halves(encoder, leopard):
    """The leopard phone case was never trained on; it must come before what only one half asks for."""
    right = product(1, "phone case", "leopard")
    others = [product(seed, *look) for seed, look in enumerate([
        ("toaster", "leopard"), ("camera", "leopard"), ("power bank", "leopard"), ("phone case", "zebra"),
        ("phone case", "giraffe"), ("phone case", "dots", "orange"), ("phone case", "plain", "brown"),
    ])]  # fmt: skip
    gallery = encoder.encode_images([right, *others], progress=False).vectors
    assert (gallery @ encoder.encode_query(leopard, "phone case with this image theme")).argmax() == 0


def test_the_reader_names_what_it_sees_and_what_is_asked(encoder, leopard):
    reader = encoder.reader()
    seen = reader.read_images([product(3, "toaster", "hearts", "red"), leopard])
    names = {a: [reader.labels[a][i] for i in rows.argmax(1)] for a, rows in seen.items()}
    assert (names["category"][0], names["theme"], names["color"]) == (
        "toaster",
        ["hearts", "leopard"],
        ["red", "natural"],
    )
    asked = reader.read_query(leopard, "a kettle in this style")
    assert reader.labels["category"][asked["category"].argmax()] == "kettle"
    assert reader.labels["theme"][asked["theme"].argmax()] == "leopard"
    assert all(np.allclose(rows.sum(-1), 1, atol=1e-4) for rows in (*seen.values(), *asked.values()))


def test_a_picture_of_no_product_asks_for_no_product(encoder):
    reranker = PocketReranker(encoder.reader())
    hits = [Hit(1, 0.9, Item("a", product(3, "toaster", "zebra"))), Hit(2, 0.8, Item("b", product(4, "lamp", "zebra")))]
    zebra = Image.fromarray(draw_query_picture(np.random.default_rng(2), "zebra", NATURAL, kind="animal"))
    ranking = reranker.rank(Query(zebra), hits)
    assert "zebra theme" in ranking.reason
    assert "toaster" not in ranking.reason and "lamp" not in ranking.reason
    reason = reranker.rank(Query(product(5, "toaster", "tiger")), hits).reason
    assert "a toaster, as in your picture" in reason

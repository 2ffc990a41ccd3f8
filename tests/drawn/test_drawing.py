"""The drawn pictures: every combination can be drawn, keeps its color, its frame and its proportions."""

import cv2
import numpy as np
import pytest

from rag_lib.drawn.drawing import (
    CATEGORIES,
    COLORED_THEMES,
    COLORS,
    LOOKS,
    NATURAL,
    NATURAL_THEMES,
    QUERY_KINDS,
    THEMES,
    draw_product,
    draw_query_picture,
    products,
)
from rag_lib.drawn.drawing.textures import texture
from rag_lib.errors import RagError


def a_color(theme: str, number: int) -> str:
    return NATURAL if theme in NATURAL_THEMES else list(COLORS)[number % len(COLORS)]


def test_the_world_has_the_promised_size():
    assert (len(CATEGORIES), len(THEMES), len(COLORS)) == (24, 17, 12)
    assert len(set(LOOKS)) == len(LOOKS) == 105
    assert set(QUERY_KINDS) == set(THEMES)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_is_drawn_in_every_theme_inside_of_the_frame(category, monkeypatch):
    covers = []
    lay_down = products.lay_down

    def spy(rng, product, back, **options):
        covers.append(product[..., 3])
        return lay_down(rng, product, back, **options)

    monkeypatch.setattr(products, "lay_down", spy)
    for number, theme in enumerate(THEMES):
        picture = draw_product(np.random.default_rng(number), category, theme, a_color(theme, number), size=64)
        assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8
        assert picture.std() > 8
    for cover in covers:
        rim = np.concatenate([cover[0], cover[-1], cover[:, 0], cover[:, -1]])
        assert rim.max() == 0, "cropped by the frame"
        assert (cover > 127).mean() > 0.1, "too small to be seen"


@pytest.mark.parametrize("theme", THEMES)
def test_every_kind_of_query_picture_is_drawn(theme):
    for number, kind in enumerate(QUERY_KINDS[theme]):
        picture = draw_query_picture(np.random.default_rng(number), theme, a_color(theme, number), kind, size=64)
        assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8
        assert picture.std() > 4
    assert draw_query_picture(np.random.default_rng(0), theme, a_color(theme, 0), size=48).shape == (48, 48, 3)


def test_the_random_generator_alone_decides():
    def draw(seed):
        return draw_product(np.random.default_rng(seed), "kettle", "stars", "blue", size=96)

    assert np.array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))


@pytest.mark.parametrize(
    "theme, color", [("leopard", NATURAL), ("checks", "red"), ("galaxy", NATURAL), ("hearts", "grey")]
)
def test_a_small_picture_is_the_large_one_reduced(theme, color):
    for category in ("phone case", "toaster", "headphones"):
        large, small = (draw_product(np.random.default_rng(5), category, theme, color, size) for size in (320, 112))
        reduced = cv2.resize(large, (112, 112), interpolation=cv2.INTER_AREA)
        other = draw_product(np.random.default_rng(6), category, theme, color, 112)
        gap, usual = (np.abs(one.astype(float) - small).mean() for one in (reduced, other))
        assert gap < 10 and gap < usual / 2


@pytest.mark.parametrize("theme", COLORED_THEMES)
def test_the_base_color_covers_most_of_the_surface(theme):
    names, palette = list(COLORS), np.array(list(COLORS.values()), float)
    for color in COLORS:
        for seed in range(2):
            pixels, base = texture(np.random.default_rng(seed), theme, color, 64, period=0.2)
            nearest = np.argmin(((pixels.reshape(-1, 1, 3) - palette) ** 2).sum(-1), axis=1)
            share = np.bincount(nearest, minlength=len(names)) / len(nearest)
            same = (np.abs(pixels - base).max(-1) < 45).mean()
            if theme == "checks":  # half of a gingham is a lighter tint
                assert same > 0.25
            else:
                assert names[int(share.argmax())] == color and same > 0.45
            assert names[int(np.argmin(((base - palette) ** 2).sum(-1)))] == color


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda r: draw_product(r, "phone cas", "leopard", NATURAL),
            ["'phone cas'", "Did you mean 'phone case'", "toaster"],
        ),
        (lambda r: draw_product(r, "lamp", "leopart", NATURAL), ["'leopart'", "Did you mean 'leopard'", "stripes"]),
        (lambda r: draw_product(r, "lamp", "stripes", "gray"), ["'gray'", "Did you mean 'grey'", "turquoise"]),
        (lambda r: draw_product(r, "lamp", "stripes", NATURAL), ["needs a color", "turquoise"]),
        (lambda r: draw_product(r, "lamp", "leopard", "red"), ["its own colors", NATURAL]),
        (lambda r: draw_query_picture(r, "zebra", NATURAL, "umbrela"), ["'umbrela'", "zebra", "portrait"]),
        (lambda r: draw_query_picture(r, "paisley", "red"), ["'paisley'", "floral"]),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(call, words):
    with pytest.raises(RagError) as caught:
        call(np.random.default_rng(0))
    for word in words:
        assert word in str(caught.value)

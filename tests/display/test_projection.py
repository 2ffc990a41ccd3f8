import io

import numpy as np
import pytest
from PIL import Image

from rag_lib.display import embedding_map, projection
from rag_lib.display.pictures import WIDTH
from rag_lib.errors import RagError
from rag_lib.panorama import BLUE
from rag_lib.records import Item

RED, GREEN, OCHRE, PINK = (220, 20, 30), (10, 150, 60), (200, 150, 20), (250, 90, 200)


@pytest.fixture
def painted(tmp_path):
    """colors -> items, each a picture of one color."""

    def paint(colors):
        items = []
        for number, color in enumerate(colors):
            path = tmp_path / f"{bytes(color).hex()}.png"
            if not path.exists():
                Image.new("RGB", (40, 40), color).save(path)
            items.append(Item(f"id{number}", path))
        return items

    return paint


def around(centers, count, *, dim=16, spread=0.05):
    """`count` unit rows near each of `centers` random directions, group after group."""
    random = np.random.default_rng(0)
    rows = np.repeat(random.normal(size=(centers, dim)), count, axis=0)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True) + random.normal(scale=spread, size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pixels(picture, color):
    """(n, 2) the (x, y) of all pixels of this color."""
    return np.argwhere((np.asarray(picture.image) == color).all(axis=2))[:, ::-1]


def test_no_thumbnail_hides_another(painted):
    colors = [(10 * n, 250 - 10 * n, 40) for n in range(1, 25)]
    picture = embedding_map(painted(colors), around(6, 4))
    areas = [len(pixels(picture, color)) for color in colors]
    assert picture.image.width == WIDTH
    assert min(areas) > 0.9 * max(areas) > 5_000


def test_alike_pictures_lie_together(painted):
    colors = (RED, GREEN, OCHRE)
    picture = embedding_map(painted([color for color in colors for _ in range(40)]), around(3, 40))
    places = [pixels(picture, color) for color in colors]
    middles = [place.mean(axis=0) for place in places]
    for place, middle in zip(places, middles, strict=True):
        others = [np.hypot(*(other - middle)) for other in middles if other is not middle]
        assert np.median(np.hypot(*(place - middle).T)) < min(others) / 2


def test_on_a_crowded_map_a_mark_stands_beside_what_is_nearest_to_it(painted):
    vectors = around(3, 100, spread=0.2)
    picture = embedding_map(painted([GREEN] * 150 + [PINK] + [RED] * 149), vectors, marks={"asked": vectors[150]})
    assert len(pixels(picture, GREEN)) / 32**2 < 140  # there is not room for all
    middles = [pixels(picture, color).mean(axis=0) for color in (PINK, BLUE)]
    assert np.hypot(*(middles[0] - middles[1])) < 3 * projection.SMALLEST


def test_of_a_large_catalog_a_sample_is_shown_with_what_is_nearest_to_the_marks(painted, monkeypatch):
    monkeypatch.setattr(projection, "MOST", 60)
    monkeypatch.setattr(projection, "NEAREST", 2)
    vectors = around(4, 100)
    picture = embedding_map(painted([GREEN] * 251 + [PINK] + [RED] * 148), vectors, marks={"asked": vectors[251]})
    assert len(pixels(picture, PINK)) > 100
    assert len(pixels(picture, GREEN)) > 1.2 * len(pixels(picture, RED)) > 10_000


def test_the_same_input_gives_the_same_small_picture(painted):
    items, vectors = painted([RED, GREEN, OCHRE] * 100), around(3, 100)
    marks = {"image only": vectors[0], "composed": vectors[1]}
    first, second = (embedding_map(items, vectors, marks=marks) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    assert Image.open(io.BytesIO(first._repr_jpeg_())).size == first.image.size


@pytest.mark.parametrize("count", [1, 2, 3, 49, 51])
@pytest.mark.parametrize("marks", [0, 3])
def test_few_pictures_are_all_shown(painted, count, marks):
    vectors = around(1, count + marks, spread=0.5)
    picture = embedding_map(
        painted([RED] * count), vectors[:count], marks={f"query {n}": vectors[count + n] for n in range(marks)}
    )
    tile = len(pixels(picture, RED)) / count
    assert tile > 50**2 and picture.image.height < 800
    assert len(pixels(picture, BLUE)) in range(1_000 * marks, 9_000 * marks + 1)


@pytest.mark.parametrize("count", [10, 60])
def test_pictures_that_the_encoder_cannot_tell_apart_are_shown_side_by_side(painted, count):
    colors = [(4 * n, 200, 250 - 4 * n) for n in range(count)]
    picture = embedding_map(painted(colors), np.repeat(around(1, 1), count, axis=0))
    assert all(len(pixels(picture, color)) > 1_000 for color in colors)


def test_a_picture_that_has_gone_leaves_a_grey_tile(painted):
    items = painted([RED, GREEN])
    items[0].path.unlink()
    picture = embedding_map(items, around(1, 2))
    assert len(pixels(picture, RED)) == 0 and len(pixels(picture, (235, 235, 235))) > 5_000


def test_an_empty_catalog_says_so():
    assert embedding_map([], np.empty((0, 16), np.float32), marks={"asked": around(1, 1)[0]}).image.height < 100


def test_a_long_label_is_cut_and_accents_are_drawn(painted):
    vectors = around(1, 3)
    picture = embedding_map(painted([RED] * 2), vectors[:2], marks={"étui léopard " * 20: vectors[2]})
    x = pixels(picture, BLUE)[:, 0]
    assert 150 < x.max() - x.min() < 230


def test_counts_and_dimensions_that_do_not_agree_are_refused(painted):
    with pytest.raises(RagError, match="3 vectors for 2 items"):
        embedding_map(painted([RED] * 2), around(1, 3))
    with pytest.raises(RagError, match="8 dimensions and the pictures 16"):
        embedding_map(painted([RED] * 2), around(1, 2), marks={"asked": around(1, 1, dim=8)[0]})

import colorsys

import numpy as np
import pytest
from PIL import Image

from rag_lib.errors import RagError
from rag_lib.images import ImageError
from rag_lib.panorama import BLUE, layout, panorama


def color(index: int) -> tuple[int, int, int]:
    return tuple(round(255 * value) for value in colorsys.hsv_to_rgb(index / 26, 0.9, 0.6 + 0.4 * (index % 2)))


def solid(rgb, size=(120, 120)) -> Image.Image:
    return Image.new("RGB", size, rgb)


def center(box) -> tuple[int, int]:
    return (box[0] + box[2]) // 2, (box[1] + box[3]) // 2


QUERY = solid((255, 140, 0))


@pytest.mark.parametrize("count", [1, 2, 3, 9, 10, 25])
@pytest.mark.parametrize("columns", [1, 3, 5])
def test_every_candidate_stands_in_its_place(count, columns):
    image = panorama(QUERY, [solid(color(index)) for index in range(count)], columns, tile=60)
    places = layout(count, columns=columns, tile=60)
    assert image.size == places.size and image.mode == "RGB"
    assert image.getpixel(center(places.query)) == (255, 140, 0)
    for index, box in enumerate(places.tiles):
        assert image.getpixel(center(box)) == color(index)
        assert (box[2] - box[0], box[3] - box[1]) == (60, 60)
        assert all(0 <= edge <= limit for edge, limit in zip(box, image.size * 2, strict=True))


def test_rows_are_filled_from_left_to_right():
    boxes = layout(10, columns=3, tile=60).tiles
    lefts, tops = sorted({box[0] for box in boxes}), sorted({box[1] for box in boxes})
    assert (len(lefts), len(tops)) == (3, 4)
    assert [(lefts.index(box[0]), tops.index(box[1])) for box in boxes[:5]] == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    assert boxes[9][:2] == (lefts[0], tops[3])
    # No two overlap, and none overlaps the query.
    query = layout(10, columns=3, tile=60).query
    assert query[2] < lefts[0] and all(b - a > 60 for a, b in zip(lefts, lefts[1:], strict=False))


def test_the_size_for_nine():
    assert layout(9).size == (466 + 8 + 4 + 3 * 304, 4 + 3 * 304)
    assert layout(9, query=False).size == (4 + 3 * 304, 4 + 3 * 304)
    assert layout(2, columns=3).size[0] < layout(3, columns=3).size[0]


def test_the_query_has_a_blue_border_and_its_label_inside_of_the_canvas():
    image = panorama(QUERY, [solid(color(0))] * 4)
    left, top, right, bottom = layout(4).query
    x, y = center((left, top, right, bottom))
    for pixel in ((left - 2, y), (right + 2, y), (x, bottom + 2), (x, 1)):
        assert image.getpixel(pixel) == BLUE
    bar = np.asarray(image)[:top, left:right]
    assert (bar == 255).all(axis=2).sum() > 100  # the word "query", white on blue
    assert (bar == BLUE).all(axis=2).mean() > 0.7


def test_aspect_ratios_are_kept():
    image = panorama(solid((0, 128, 0), (50, 400)), [solid((200, 0, 0), (400, 100))], tile=200)
    pixels = np.asarray(image).astype(int)
    red = np.argwhere((abs(pixels - (200, 0, 0)) < 30).all(axis=2))
    height, width = red.max(axis=0) - red.min(axis=0) + 1
    assert (width, height) == (200, 50)
    green = np.argwhere((abs(pixels - (0, 128, 0)) < 30).all(axis=2))
    height, width = green.max(axis=0) - green.min(axis=0) + 1
    assert (width, height) == (25, 200)


@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), (128, 128, 128)])
def test_the_number_stands_out_on_any_ground(ground):
    box = layout(1, tile=300).tiles[0]
    corner = np.asarray(panorama(None, [solid(ground, (300, 300))]))[box[1] : box[1] + 65, 4 : 4 + 65]
    assert (corner == 0).all(axis=2).sum() > 500 and (corner == 255).all(axis=2).sum() > 150


def test_numbers_start_at_one_and_differ():
    tiles = [solid((90, 90, 90), (60, 60))] * 25
    image = np.asarray(panorama(None, tiles, 5, tile=60))
    boxes = layout(25, columns=5, tile=60, query=False).tiles
    assert len({image[top:bottom, left:right].tobytes() for left, top, right, bottom in boxes}) == 25
    one = np.asarray(panorama(None, tiles[:1], tile=60))
    assert (one[1:61, 1:61] == image[1:61, 1:61]).all()


def test_a_label_of_ones_own_is_drawn_in_place_of_the_number():
    tiles = [solid((90, 90, 90))] * 3
    plain, labelled = (np.asarray(panorama(None, tiles, labels=labels)) for labels in (None, (1, 47, "3")))
    boxes = layout(3, query=False).tiles
    same = [
        np.array_equal(plain[top:bottom, left:right], labelled[top:bottom, left:right])
        for left, top, right, bottom in boxes
    ]
    assert same == [True, False, True]


def test_every_candidate_needs_a_label():
    with pytest.raises(RagError, match="2 labels for 3 candidates"):
        panorama(None, [QUERY] * 3, labels=(47, 83))


def test_an_unreadable_candidate_keeps_its_place(tmp_path):
    (tmp_path / "bad.jpg").write_text("no picture")
    image = panorama(QUERY, [solid(color(0)), tmp_path / "bad.jpg", "missing.png", solid(color(3))], tile=100)
    boxes = layout(4, tile=100).tiles
    assert image.getpixel((boxes[1][0] + 90, boxes[1][1] + 90)) == (160, 160, 160)
    assert image.getpixel((boxes[2][0] + 90, boxes[2][1] + 90)) == (160, 160, 160)
    assert image.getpixel(center(boxes[3])) == color(3)


def test_an_unreadable_query_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="gone.jpg"):
        panorama(tmp_path / "gone.jpg", [solid(color(0))])


def test_it_takes_paths_and_is_the_same_each_time(tmp_path):
    solid(color(5)).save(tmp_path / "a.png")
    first = panorama(tmp_path / "a.png", [tmp_path / "a.png", QUERY])
    assert first.tobytes() == panorama(str(tmp_path / "a.png"), (str(tmp_path / "a.png"), QUERY)).tobytes()


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ([], {}, "candidates = 0; expected a whole number from 1 to 25"),
        ([QUERY] * 26, {}, "candidates = 26"),
        ([QUERY], {"columns": 0}, "columns = 0"),
        ([QUERY], {"columns": 2.5}, "columns = 2.5"),
        ([QUERY], {"tile": 8}, "tile = 8; expected a whole number from 32 to 1024"),
        ([QUERY], {"tile": "300"}, "tile = '300'"),
        ([QUERY], {"tile": True}, "tile = True"),
    ],
)
def test_wrong_values_are_refused(images, options, message):
    with pytest.raises(RagError, match=message):
        panorama(QUERY, images, **options)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (9, 3), (10, 5), (25, 5)])
def test_without_a_word_there_are_three_columns_and_from_ten_candidates_on_five(count, columns):
    assert len({box[0] for box in layout(count, tile=60).tiles}) == columns
    image = panorama(QUERY, [solid(color(index)) for index in range(count)], tile=60)
    assert image.size == layout(count, columns=columns, tile=60).size
    assert image.getpixel(center(layout(count, columns=columns, tile=60).tiles[-1])) == color(count - 1)

"""Queries beside their answers: each picture in the frame that says what it is."""

import numpy as np
import pytest
from PIL import Image

from rag_lib.display import show_examples, show_failures
from rag_lib.display.answers import describe
from rag_lib.display.pictures import AMBER, GREEN, RED, WIDTH
from rag_lib.evaluation.drawn.benchmark import Benchmark
from rag_lib.evaluation.drawn.failures import Failure
from rag_lib.evaluation.drawn.plan import NOTHING, DrawnQuery, Picture, Plan
from rag_lib.panorama import BLUE

PINK, TEAL, OLIVE, BROWN = (250, 90, 200), (0, 140, 140), (140, 140, 0), (110, 60, 20)
PAINTED = {
    "kite": (Picture("kite", (None, "dots", "red"), "kite"), PINK),
    "mug": (Picture("mug", ("mug", "dots", "red")), TEAL),
    "lamp": (Picture("lamp", ("lamp", "dots", "red")), OLIVE),  # fits the picture only
    "cup": (Picture("cup", ("mug", "stars", "natural")), BROWN),  # fits the words only
}
QUERY = DrawnQuery("q", "category swap", "kite", "this on a mug", (None, "dots", "red"), ("mug", None, None))
FAILURE = Failure(QUERY, PAINTED["lamp"][0], PAINTED["mug"][0], 2, ("category",))


@pytest.fixture
def benchmark(tmp_path):
    for name, (_, color) in PAINTED.items():
        Image.new("RGB", (64, 64), color).save(tmp_path / f"{name}.jpg", quality=100, subsampling=0)
    pictures = {name: picture for name, (picture, _) in PAINTED.items()}
    return Benchmark(Plan("validation", pictures, {"standard": tuple(sorted(pictures))}, (QUERY,)), tmp_path)


def places(picture, color):
    """(n, 2) the (x, y) of all pixels of about this color."""
    return np.argwhere((abs(np.asarray(picture.image).astype(int) - color) <= 4).all(axis=2))[:, ::-1]


def is_framed(picture, color, frame):
    """Whether there is `color`, as large as a tile, and `frame` at its left and at its right."""
    inside, around = places(picture, color), places(picture, frame)
    middle = np.median(inside, axis=0)
    row = around[abs(around[:, 1] - middle[1]) < 3, 0]
    reach = 0.6 * np.sqrt(len(inside))
    near = row[abs(row - middle[0]) < reach]
    return len(inside) > 5_000 and bool((near < middle[0]).any() and (near > middle[0]).any())


def test_the_first_hit_is_red_and_the_right_answer_green(benchmark):
    picture = show_failures([FAILURE], benchmark)
    assert is_framed(picture, PINK, BLUE) and is_framed(picture, OLIVE, RED) and is_framed(picture, TEAL, GREEN)
    assert not is_framed(picture, TEAL, RED) and not is_framed(picture, OLIVE, GREEN)


def test_without_failures_it_says_so(benchmark):
    picture = show_failures([], benchmark)
    assert picture.image.width == WIDTH and picture.image.height < 80
    assert (np.asarray(picture.image) < 200).any()


def test_of_many_failures_as_many_as_asked_for_are_shown_and_the_families_take_turns(benchmark):
    other = Failure(
        DrawnQuery("r", "text only", None, "a lamp", NOTHING, ("lamp", None, None)), PAINTED["cup"][0],
        PAINTED["lamp"][0], None, ("category",),
    )  # fmt: skip
    one, four = (show_failures([FAILURE] * 9 + [other], benchmark, most=most) for most in (1, 4))
    assert not len(places(one, BROWN))  # the first turn is the first family's
    assert is_framed(four, BROWN, RED)
    assert len(places(four, PINK)) > 2.9 * len(places(one, PINK))
    assert four.image.width <= WIDTH


def test_an_example_has_its_right_answer_and_a_hard_negative_of_each_kind(benchmark):
    picture = show_examples(benchmark, [QUERY])
    assert is_framed(picture, PINK, BLUE) and is_framed(picture, TEAL, GREEN)
    assert is_framed(picture, OLIVE, AMBER) and is_framed(picture, BROWN, AMBER)
    assert picture.image.width <= WIDTH


@pytest.mark.parametrize(
    ("name", "text"), [("kite", "red dots, kite"), ("mug", "red dots, mug"), ("cup", "stars, mug")]
)
def test_a_picture_is_described_by_what_it_shows(name, text):
    assert describe(PAINTED[name][0]) == text

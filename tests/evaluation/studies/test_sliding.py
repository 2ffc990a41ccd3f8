"""Sliding from the picture to the words, in a world whose vectors are the attributes themselves."""

import numpy as np
import pytest

from rag_lib.evaluation.drawn.benchmark import Benchmark
from rag_lib.evaluation.drawn.plan import DrawnQuery, Picture, Plan
from rag_lib.evaluation.studies.sliding import FIGURES, slide

SHOP = [(c, t, k) for c in ("fan", "lamp", "iron") for t in ("dots", "waves", "checks") for k in ("red", "blue")]
VALUES = ["fan", "lamp", "iron", "dots", "waves", "checks", "red", "blue"]


def row(words):
    found = np.array([value in words for value in VALUES], np.float32)
    return found / np.linalg.norm(found)


class Perfect:
    """Composes by replacing: the words' category for the picture's."""

    dim = len(VALUES)

    def encode_queries(self, images, texts, *, batch_size):
        looks = [image.stem.split("-")[1:] if image else [] for image in images]
        return np.stack([row([*look, text]) for look, text in zip(looks, texts, strict=True)])


@pytest.fixture
def benchmark(tmp_path):
    pictures = {"-".join(shown): Picture("-".join(shown), shown) for shown in SHOP}
    swap = DrawnQuery("q", "category swap", "fan-dots-red", "lamp", (None, "dots", "red"), ("lamp", None, None))
    alone = DrawnQuery("r", "text only", None, "lamp", (None, None, None), ("lamp", None, None))
    return Benchmark(Plan("validation", pictures, {"standard": tuple(sorted(pictures))}, (swap, alone)), tmp_path)


def test_the_middle_finds_the_answer_and_the_ends_show_one_half_each(benchmark):
    gallery = np.stack([row(image_id.split("-")) for image_id in benchmark.plan.galleries["standard"]])
    queries, figures = slide(Perfect(), benchmark, gallery)
    assert [query.query_id for query in queries] == ["q"] and figures.shape == (5, 1, len(FIGURES))
    recall, pictured, worded = figures[:, 0].T
    assert recall[2] == 1 and recall[0] == 0
    # A red dotted lamp and iron are all there is of the look beside the query's own fan; of lamps there are six.
    assert pictured.max() == pytest.approx(2 / 9) and worded[-1] == pytest.approx(6 / 9)
    assert pictured[0] == pytest.approx(2 / 9) and worded[0] < worded[2] <= worded[-1]


def test_other_positions_can_be_asked_for(benchmark):
    gallery = np.stack([row(image_id.split("-")) for image_id in benchmark.plan.galleries["standard"]])
    _, five = slide(Perfect(), benchmark, gallery)
    _, one = slide(Perfect(), benchmark, gallery, words=[0.5])
    np.testing.assert_array_equal(one[0], five[2])

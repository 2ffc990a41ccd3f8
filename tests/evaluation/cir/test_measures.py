"""Average precision and Recall on rankings worked out by hand."""

import numpy as np
import pytest

from rag_lib.evaluation.cir.measures import average_precision, recall, target_ranks
from rag_lib.evaluation.cir.ranking import best, rank
from rag_lib.evaluation.cir.records import CirQuery


def test_average_precision_with_several_ground_truths():
    # right at ranks 1, 3 and 6: (1/1 + 2/3) / 3 in the first five, (1/1 + 2/3 + 3/6) / 3 in the first ten
    ids, targets = list("axbyzc"), ["a", "b", "c"]
    assert average_precision(ids, targets, 5) == pytest.approx((1 + 2 / 3) / 3)
    assert average_precision(ids, targets, 10) == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)


def test_more_ground_truths_than_ranks_can_still_be_perfect():
    assert average_precision(list("abcdefg"), list("abcdefg"), 5) == 1


def test_no_ranking_has_no_precision():
    assert average_precision([], ["a"], 5) == 0


def test_a_target_that_was_not_found_is_a_miss_at_every_depth():
    queries = [CirQuery("1", "r", "", ("a",)), CirQuery("2", "r", "", ("b",))]
    places = target_ranks(queries, [["x", "a"], ["x", "y"]])
    assert [recall(places, k) for k in (1, 2, 50)] == [0, 50, 50]


def test_the_best_are_those_of_a_full_stable_sort():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (50, 30)).astype(np.float32)  # full of ties
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    assert np.array_equal(best(scores, 7), expected)


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    queries, gallery = rng.normal(size=(23, 5)).astype(np.float32), rng.normal(size=(40, 5)).astype(np.float32)
    ids = [f"p{n:02}" for n in range(40)]
    whole = rank(queries, gallery, ids, 10)
    monkeypatch.setattr("rag_lib.evaluation.cir.ranking.BLOCK", 100)  # two queries at a time
    assert rank(queries, gallery, ids, 10) == whole


def test_a_gallery_smaller_than_the_depth_is_ranked_whole():
    assert rank(np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32), ["a", "b"], 50) == [["a", "b"]]

"""Average precision and Recall on rankings worked out by hand."""

import pytest

from rag_lib.evaluation.cir.measures import average_precision, recall, target_ranks
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

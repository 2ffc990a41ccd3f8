"""Reciprocal rank fusion against the paper's formula, done by hand."""

from rag_lib.collection.fusion import fuse


def test_an_id_counts_by_its_ranks_in_both():
    # b: 1/62 + 1/61, a: 1/61 + 1/63, c: 1/63 + 1/62, d: 1/64
    assert fuse([("a", 0.9), ("b", 0.8), ("c", 0.7)], [("b", 5), ("c", 4), ("a", 3), ("d", 2)]) == list("bacd")


def test_one_ranking_alone_stays_as_it_is():
    assert fuse([("b", 0.9), ("a", 0.8)], []) == ["b", "a"]
    assert fuse([], []) == []


def test_equal_scores_share_a_rank_so_that_the_other_ranking_decides():
    nearest = [("c", 0.9), ("b", 0.8), ("a", 0.7)]
    assert fuse(nearest, [("a", 2.0), ("b", 2.0), ("c", 2.0000001)]) == ["c", "b", "a"]
    for step, order in ((1e-6, "cab"), (1e-7, "cba")):  # equal is what is so to six digits
        best = 2.1234568
        assert fuse(nearest, [("a", best), ("b", best - step), ("c", best - 2 * step)]) == list(order)
    # after two that share rank 1 comes rank 3, with small k worth far less than the first
    assert fuse([("z", 1.0), ("b", 0.5)], [("a", 2.0), ("y", 2.0), ("b", 1.0)], k=0) == ["z", "a", "y", "b"]


def test_ids_that_are_equal_after_all_come_in_the_order_of_the_first_ranking():
    assert fuse([("b", 2), ("a", 1)], [("a", 2), ("b", 1)]) == ["b", "a"]

"""Failures by hand: three products, a kite, and what is wrong when the wrong one comes first."""

import pytest

from rag_lib.evaluation.drawn.failures import failures
from rag_lib.evaluation.drawn.meter import Asked
from rag_lib.evaluation.drawn.plan import NOTHING, DrawnQuery, Picture, Plan

PICTURES = {
    "mug": Picture("mug", ("mug", "dots", "red")),
    "mug2": Picture("mug2", ("mug", "dots", "red")),
    "lamp": Picture("lamp", ("lamp", "stars", "red")),
    "fan": Picture("fan", ("fan", "dots", "blue")),
    "kite": Picture("kite", (None, "dots", "red"), "kite"),
}
PLAN = Plan("validation", PICTURES, {"standard": tuple(PICTURES)}, ())
MUG = DrawnQuery("q", "category swap", "kite", "this on a mug", (None, "dots", "red"), ("mug", None, None))
ANY_COLOR = DrawnQuery("q", "text only", None, "mug with dots", NOTHING, ("mug", "dots", None))


def found(query, *ranked, right=("mug", "mug2")):
    run = {query.query_id: {image_id: 1 - place / 10 for place, image_id in enumerate(ranked)}}
    return failures(
        Asked("standard", "kept", "composed", [query], run, {query.query_id: dict.fromkeys(right, 1)}), PLAN
    )


def test_a_right_first_hit_is_no_failure_whichever_right_answer_it_is():
    assert found(MUG, "mug", "lamp") == found(MUG, "mug2", "lamp") == []


def test_the_first_hit_and_the_right_answer_that_came_highest_are_named():
    (failure,) = found(MUG, "lamp", "fan", "mug2", "mug")
    assert (failure.first, failure.right, failure.rank) == (PICTURES["lamp"], PICTURES["mug2"], 3)
    assert failure.query is MUG


@pytest.mark.parametrize(
    ("query", "first", "wrong"),
    [
        (MUG, "lamp", ("category", "theme")),
        (MUG, "fan", ("category", "color")),
        (MUG, "kite", ("category",)),  # no product at all
        (ANY_COLOR, "fan", ("category",)),  # the color was left open
    ],
)
def test_only_what_was_wanted_can_be_wrong(query, first, wrong):
    (failure,) = found(query, first, "mug")
    assert failure.wrong == wrong


def test_a_right_answer_below_the_run_has_no_rank():
    (failure,) = found(MUG, "lamp", "fan")
    assert (failure.rank, failure.right) == (None, PICTURES["mug"])


def test_a_query_that_found_nothing_is_left_out():
    assert found(MUG) == []

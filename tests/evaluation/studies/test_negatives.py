"""Queries that say what they do not want: exact answers, and shares that are known by hand."""

from collections import Counter

import numpy as np
import pytest

from rag_lib.drawn.drawing import CATEGORIES, COLORS, NATURAL
from rag_lib.drawn.language import COLOR_NAMES, THEME_NOUNS
from rag_lib.evaluation.drawn.benchmark import Benchmark, make_plan
from rag_lib.evaluation.drawn.plan import Picture, Plan, answers
from rag_lib.evaluation.studies.negatives import KINDS, SHARES, Negative, embed_negatives, make_negatives, shares

TOASTERS = [("toaster", "stripes", "red"), ("toaster", "stripes", "blue"), ("toaster", "dots", "red")]
FANS = [("fan", "stripes", "red"), ("fan", "dots", "red"), ("fan", "dots", "blue")]


def tiny_plan(combinations, split="validation"):
    pictures = [Picture("-".join(c), c) for c in combinations]
    ids = tuple(sorted(picture.image_id for picture in pictures))
    return Plan(split, {picture.image_id: picture for picture in pictures}, {"standard": ids}, ())


@pytest.fixture(scope="module")
def plan():
    return make_plan("validation")


@pytest.fixture(scope="module")
def queries(plan):
    return make_negatives(plan)


def test_every_kind_asks_every_category_equally_often(queries):
    assert Counter((query.kind, query.wanted[0]) for query in queries) == {
        (kind, category): 4 for kind in KINDS for category in CATEGORIES
    }


def test_they_are_the_same_on_every_call(plan, queries):
    assert make_negatives(plan) == queries


def test_the_gallery_holds_something_allowed_and_something_unwanted_for_each(plan, queries):
    shelf = plan.shelf("standard")
    for query in queries:
        fitting, unwanted = shelf.showing(query.wanted), shelf.showing(query.unwanted)
        assert fitting & unwanted and fitting - unwanted - {query.image_id}, query


def test_what_is_not_wanted_is_one_attribute_that_the_words_name(queries):
    for query in queries:
        place = 1 if query.kind.endswith("theme") else 2
        value = query.unwanted[place]
        assert query.unwanted.count(None) == 2 and query.wanted[place] is None and value != NATURAL
        assert query.without in (THEME_NOUNS[value] if place == 1 else COLOR_NAMES.get(value, (value,)))


def test_a_composed_query_starts_from_another_product_that_shows_what_it_does_not_want(plan, queries):
    for query in queries:
        assert (query.image_id is not None) == query.kind.startswith("composed")
        if query.image_id:
            category, *look = plan.pictures[query.image_id].shown
            assert category != query.wanted[0]
            assert [a or b for a, b in zip(query.wanted[1:], query.unwanted[1:], strict=True)] == look


def test_a_tiny_world_is_asked_what_can_be_asked():
    asked = make_negatives(tiny_plan([*TOASTERS, *FANS]), per_category=9)
    composed = {(q.image_id, q.wanted, q.unwanted) for q in asked if q.kind == "composed, not its theme"}
    # There is a red striped and a red dotted toaster, so a red striped or dotted fan can ask for the other one.
    assert {("fan-stripes-red", ("toaster", None, "red"), (None, "stripes", None))} <= composed
    assert not any(image_id == "fan-dots-blue" for image_id, *_ in composed)  # no blue dotted toaster to avoid


def test_the_shares_of_the_first_hits_by_hand():
    plan = tiny_plan([*TOASTERS, *FANS])
    query = Negative("q", KINDS[0], None, "toaster", "stripes", ("toaster", None, None), (None, "stripes", None))
    ids = plan.galleries["standard"]
    gallery = np.eye(len(ids), dtype=np.float32)
    found = shares([query], np.ones((1, len(ids)), np.float32), gallery, plan)
    # All six are among the first nine: three of them striped, one a toaster without stripes, three toasters.
    assert dict(zip(SHARES, found[0], strict=True)) == {"unwanted": 0.5, "allowed": 1.0, "category": 0.5}


def test_the_first_nine_count_and_the_querys_own_picture_does_not():
    combinations = [("toaster", f"theme-{n}", "red") for n in range(12)] + [("fan", "theme-0", "red")]
    plan = tiny_plan(combinations)
    ids = plan.galleries["standard"]
    query = Negative("q", KINDS[2], "fan-theme-0-red", "", "", ("toaster", None, "red"), (None, "theme-0", None))
    order = ["fan-theme-0-red", "toaster-theme-0-red", *(f"toaster-theme-{n}-red" for n in range(1, 12))]
    vector = np.array([[len(order) - order.index(image_id) for image_id in ids]], np.float32)
    found = shares([query], vector, np.eye(len(ids), dtype=np.float32), plan)[0]
    np.testing.assert_allclose(found, [1 / 9, 8 / 9, 1])


def test_answers_are_those_of_the_benchmark_less_the_unwanted(plan, queries):
    """The oracle: the benchmark's own rule, asked with the attribute left open, less what shows it."""
    shelf = plan.shelf("standard")
    perfect = np.array([_row(plan.pictures[image_id].shown) for image_id in plan.galleries["standard"]], np.float32)
    for query in queries[::29]:
        right = answers(query, shelf) - shelf.showing(query.unwanted)
        vector = np.array([[image_id in right for image_id in plan.galleries["standard"]]], np.float32)
        found = shares([query], vector, np.eye(len(perfect), dtype=np.float32), plan)[0]
        assert found[1] == 1 and found[0] <= 1 - min(9, len(right)) / 9


class Reader:
    """Reads attributes from texts and file names without a mistake, and reads past 'not', as embeddings do."""

    dim = 60

    def encode_queries(self, images, texts, *, batch_size):
        seen = [image.stem.split("-")[1:] if image else [] for image in images]
        return np.stack([_row([*words, *text.split()]) for words, text in zip(seen, texts, strict=True)])


def _row(words):
    values = [*CATEGORIES, *COLORS, "stripes", "dots"]
    row = np.array([value in words for value in values] + [True] + [False] * (59 - len(values)), np.float32)
    return row / np.linalg.norm(row)


def test_subtracting_removes_what_asking_in_words_brings(tmp_path):
    plan = tiny_plan([*TOASTERS, *FANS])
    query = Negative("q", KINDS[0], None, "toaster", "stripes", ("toaster", None, None), (None, "stripes", None))
    swap = Negative("r", KINDS[2], "fan-stripes-red", "toaster", "stripes", ("toaster", None, "red"), query.unwanted)
    ways = embed_negatives(Reader(), Benchmark(plan, tmp_path), [query, swap], strengths=(0, 1))
    assert list(ways) == ["no negative", "as words", "subtracted, 0", "subtracted, 1"]
    np.testing.assert_allclose(ways["no negative"], ways["subtracted, 0"], atol=1e-6)
    gallery = np.stack([_row(plan.pictures[image_id].shown) for image_id in plan.galleries["standard"]])
    stripes = [column for column, value in enumerate([*CATEGORIES, *COLORS, "stripes", "dots"]) if value == "stripes"]
    assert (ways["as words"][:, stripes] > 0.3).all() and (ways["subtracted, 1"][:, stripes] < 0).all()
    best = [plan.galleries["standard"][int(row.argmax())] for row in ways["subtracted, 1"] @ gallery.T]
    assert best == ["toaster-dots-red", "toaster-dots-red"]

"""Questions for hybrid search: exact answers, and a tiny shop in which one can say beforehand who finds what."""

from collections import Counter

import numpy as np
import pytest

from rag_lib.drawn.drawing import CATEGORIES
from rag_lib.drawn.wares import special_names
from rag_lib.evaluation.drawn.benchmark import Benchmark, make_plan
from rag_lib.evaluation.drawn.plan import Picture, Plan
from rag_lib.evaluation.studies.titles import EVERY, KINDS, WAYS, TitleQuery, first_right, make_questions, write_titles


@pytest.fixture(scope="module")
def plan():
    return make_plan("validation")


@pytest.fixture(scope="module")
def titles(plan):
    return write_titles(plan)


@pytest.fixture(scope="module")
def questions(plan, titles):
    return make_questions(plan, titles)


def test_products_have_titles_that_name_their_color_and_scenes_have_none(plan, titles):
    assert tuple(titles) == plan.galleries["standard"] and titles == write_titles(plan)
    for image_id, title in titles.items():
        category, _, color = plan.pictures[image_id].shown
        assert bool(title) == bool(category)
        assert not category or color == "natural" or color.capitalize() in title.split()


def test_every_sort_is_asked_and_the_same_every_time(plan, titles, questions):
    assert make_questions(plan, titles) == questions
    counts = Counter(question.kind for question in questions)
    names = sum(len(special_names(category)) for category in CATEGORIES)
    assert counts == dict(zip(KINDS, (504 // EVERY, 168 // EVERY, names, names), strict=True))


def test_every_question_has_an_answer_and_its_own_picture_is_none(questions):
    assert all(question.right and question.image_id not in question.right for question in questions)


def test_a_special_name_is_in_the_titles_of_its_answers_and_of_not_all_of_their_kind(plan, titles, questions):
    shelf = plan.shelf("standard")
    for question in (q for q in questions if q.kind.startswith("special")):
        name = next(n for c in CATEGORIES for n in special_names(c) if n.lower() in question.text)
        assert all(titles[image_id].endswith(f" {name}") for image_id in question.right)
        shown = np.array([plan.pictures[image_id].shown for image_id in question.right])
        place = 2 if question.image_id is None else 1  # the words give the color, the picture the motif
        assert len({*shown[:, 0]}) == len({*shown[:, place]}) == 1
        wanted = [shown[0, 0], None, None]
        wanted[place] = shown[0, place]
        assert any(not titles[image_id].endswith(f" {name}") for image_id in shelf.showing(tuple(wanted)))
        if question.image_id:
            category, theme, _ = plan.pictures[question.image_id].shown
            assert theme == shown[0, 1] and category != shown[0, 0]


class Reader:
    """Knows the words "toaster" and "red", and reads past all others."""

    dim = 4

    def encode_queries(self, images, texts, *, batch_size):
        rows = np.array([[word in text for word in ("toaster", "red")] + [True, False] for text in texts], np.float32)
        rows = rows.reshape(-1, self.dim)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def unknown_words(self, text):
        return [word for word in text.split() if word not in ("toaster", "red")]


def test_titles_find_what_no_vector_holds_and_mislead_where_it_knows_better(tmp_path):
    shop = {
        "a": ("toaster", "stripes", "red"),
        "b": ("toaster", "dots", "red"),
        "c": ("toaster", "checks", "red"),
        "d": ("fan", "dots", "red"),
    }
    titles = dict(a="Plaid Bread Griller", b="Toaster with Bun Warmer", c="Toaster", d="Red Fan")
    plan = Plan("validation", {i: Picture(i, shown) for i, shown in shop.items()}, {"standard": tuple(shop)}, ())
    pictures = np.array([[1, 1, 1, 0.1], [1, 1, 1, 0.2], [1, 1, 1, 0.3], [0, 1, 1, 0]], np.float32)
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    asked = [
        TitleQuery(KINDS[2], None, "red toaster with bun warmer", frozenset("b")),
        TitleQuery(KINDS[1], None, "red toaster", frozenset("a")),
        TitleQuery(KINDS[1], None, "red toaster", frozenset("z")),
    ]
    found = first_right(Reader(), Benchmark(plan, tmp_path), asked, titles, pictures)
    assert list(found) == list(WAYS)
    assert found["vector"].tolist() == [2, 1, np.inf]
    assert found["hybrid"][0] == 1 and found["hybrid"][1] > 1
    assert found["hybrid, unknown words"].tolist() == [1, 1, np.inf]

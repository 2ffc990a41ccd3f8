"""The drawn benchmark: exact answers, hard negatives for every query, cells of one size, the same every time."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from rag_lib.drawn.combinations import HELD_OUT_KINDS, HERO, is_held_out, query_kinds
from rag_lib.drawn.drawing import CATEGORIES, LOOKS, NATURAL, QUERY_KINDS
from rag_lib.errors import RagError
from rag_lib.evaluation.drawn.asking import HARD
from rag_lib.evaluation.drawn.benchmark import PHRASINGS, SEEDS, draw_pictures, make_benchmark, make_plan
from rag_lib.evaluation.drawn.plan import (
    COMPOSED,
    FAMILIES,
    GALLERIES,
    DrawnQuery,
    Picture,
    Shelf,
    answers,
    hard_negatives,
)


@pytest.fixture(scope="module", params=["validation", "test"])
def plan(request):
    return make_plan(request.param)


def test_the_galleries_have_their_sizes_and_every_query_picture(plan):
    products = {
        name: [plan.pictures[image_id].shown for image_id in ids if plan.pictures[image_id].shown[0]]
        for name, ids in plan.galleries.items()
    }
    assert len(products["standard"]) == 900
    assert set(products["full"]) == {(category, *look) for category in CATEGORIES for look in LOOKS}
    assert len(products["full"]) == 2520 + 42 * len(
        PHRASINGS[plan.split]
    )  # and the pictures of products that image-only queries ask with
    for name in GALLERIES:
        assert {query.image_id for query in plan.queries if query.image_id} <= set(plan.galleries[name])


def test_image_ids_can_stand_in_a_trec_file(plan):
    for name in [*plan.pictures, *(query.query_id for query in plan.queries)]:
        assert name.isascii() and not set(name) & set(" \t/")


@pytest.mark.parametrize("gallery", GALLERIES)
def test_right_answers_are_those_whose_attributes_fit_and_no_others(plan, gallery):
    qrels = plan.qrels(gallery)
    assert list(qrels) == [query.query_id for query in plan.asked(gallery)]
    ids = np.array(plan.galleries[gallery])
    shown = np.array([plan.pictures[image_id].shown for image_id in ids], dtype=object)
    for query in plan.asked(gallery):
        right = ids != (query.image_id or "")
        for place, value in enumerate(query.wanted):
            if value is not None:
                right &= shown[:, place] == value
        assert right.any() and qrels[query.query_id] == dict.fromkeys(ids[right].tolist(), 1), query


def test_the_full_gallery_has_one_answer_and_the_standard_one_sometimes_several(plan):
    assert {len(right) for right in plan.qrels("full").values()} == {1}
    qrels = plan.qrels("standard")
    several = {query.family for query in plan.queries if len(qrels[query.query_id]) > 1}
    assert several == set(FAMILIES)


@pytest.mark.parametrize("gallery", GALLERIES)
def test_every_query_has_hard_negatives_that_half_of_it_would_take(plan, gallery):
    shelf = plan.shelf(gallery)
    for query in plan.asked(gallery):
        found = hard_negatives(query, shelf)
        assert set(found) == ({"picture", "words"} if query.family in COMPOSED else {"near"})
        assert min(map(len, found.values())) >= HARD, query


def test_hard_negatives_by_hand():
    query = DrawnQuery("q", "attribute edit", "own", "in blue", ("fan", "dots", None), (None, None, "blue"))
    shown = {
        "own": ("fan", "dots", "red"),
        "right": ("fan", "dots", "blue"),
        "kept": ("fan", "dots", "pink"),
        "changed": ("fan", "stars", "blue"),
        "neither": ("fan", "stars", "pink"),
        "scene": (None, "dots", "blue"),
    }
    shelf = Shelf(Picture(name, attributes) for name, attributes in shown.items())
    assert query.wanted == ("fan", "dots", "blue") and answers(query, shelf) == {"right"}
    assert hard_negatives(query, shelf) == {"picture": {"kept"}, "words": {"changed"}}
    alone = DrawnQuery("q", "text only", None, "blue dotted fan", (None, None, None), ("fan", "dots", "blue"))
    assert hard_negatives(alone, shelf) == {"near": {"own", "kept", "changed"}}


def test_the_words_give_what_the_picture_lacks(plan):
    for query in plan.queries:
        assert not any(a and b for a, b in zip(query.from_picture, query.from_words, strict=True))
        if query.family in COMPOSED:
            shown = plan.pictures[query.image_id].shown
            given = [have in (None, show) for have, show in zip(query.from_picture, shown, strict=True)]
            said = [say is None or say != show for say, show in zip(query.from_words, shown, strict=True)]
            assert all(given) and query.text
            assert all(said[:2]) and (said[2] or query.from_words[2] == NATURAL)


def test_every_cell_has_the_same_number_of_queries(plan):
    phrasings = len(PHRASINGS[plan.split])
    assert Counter(query.family for query in plan.queries) == dict.fromkeys(FAMILIES, 84 * phrasings)
    for family in FAMILIES:
        cells = Counter(tuple(query.tags.items()) for query in plan.queries if query.family == family)
        whole = [count for tags, count in cells.items() if ("asks for", "one product") in tags]
        assert len({count for tags, count in cells.items() if ("asks for", "one product") not in tags}) <= 1
        assert len(set(whole)) <= 1
        for name, values in {"combination": 2, "phrasing": phrasings, "picture kind": 2}.items():
            counts = Counter(
                tags[name] for tags in (q.tags for q in plan.queries if q.family == family) if name in tags
            )
            assert len(set(counts.values())) <= 1 and len(counts) in (0, values)


def test_tags_say_what_training_has_seen(plan):
    for query in plan.queries:
        own = plan.pictures.get(query.image_id)
        if "combination" in query.tags:
            assert is_held_out(*query.wanted) == (query.tags["combination"] == "unseen")
        if query.tags.get("combination") == "seen" and own and own.shown[0]:
            assert not is_held_out(*own.shown)
        if "picture kind" in query.tags:
            assert (own.kind in HELD_OUT_KINDS) == (query.tags["picture kind"] == "held-out")
    hero = [name for name, picture in plan.pictures.items() if picture.shown == HERO]
    assert len(hero) == 2 and set(hero) <= set(plan.galleries["standard"])


def test_kinds_of_query_pictures_are_held_out_whole():
    for theme, color in LOOKS:
        trained, held_out = (set(query_kinds(theme, color, held_out=part)) for part in (False, True))
        assert trained and not trained & set(HELD_OUT_KINDS) and held_out <= set(HELD_OUT_KINDS)
        assert (trained | held_out) >= set(QUERY_KINDS[theme]) - {"flower field"}
        assert bool(held_out) == (theme != "brick")


def test_what_image_only_queries_want_no_other_query_wants(plan):
    asked = plan.asked("full")
    alone = {query.wanted for query in asked if query.family == "image only"}
    assert len(alone) == 42 * len(PHRASINGS[plan.split])
    assert not alone & {query.wanted for query in asked if query.family != "image only"}


def test_the_same_split_is_planned_again(plan):
    assert make_plan(plan.split) == plan


def test_splits_ask_for_other_things_and_only_the_test_is_free_form():
    validation, test = make_plan("validation"), make_plan("test")
    questions = [{(q.image_id, q.text) for q in plan.queries if q.text and q.image_id} for plan in (validation, test)]
    assert len(questions[0] & questions[1]) < 5
    assert validation.galleries["standard"] != test.galleries["standard"]
    assert SEEDS["validation"] != SEEDS["test"]
    tags = [{query.tags.get("phrasing") for query in plan.queries} for plan in (validation, test)]
    assert tags == [{None, "seen", "held-out"}, {None, "seen", "held-out", "free-form"}]


def test_pictures_depend_on_id_and_seed_alone_and_are_drawn_once(tmp_path):
    pictures = [
        Picture("toaster.leopard.natural.1", ("toaster", "leopard", NATURAL)),
        Picture("toaster.leopard.natural.2", ("toaster", "leopard", NATURAL)),
        Picture("scene.gift.dots.red.000", (None, "dots", "red"), "gift"),
    ]
    draw_pictures(pictures, tmp_path / "a", seed=1)
    draw_pictures(pictures[::-1], tmp_path / "b", seed=1)
    draw_pictures(pictures[:1], tmp_path / "c", seed=2)

    def digest(path):
        return hashlib.sha256(np.asarray(Image.open(path)).tobytes()).hexdigest()

    names = [f"{picture.image_id}.jpg" for picture in pictures]
    first = [digest(tmp_path / "a" / name) for name in names]
    assert first == [digest(tmp_path / "b" / name) for name in names] and len(set(first)) == 3
    assert digest(tmp_path / "c" / names[0]) != first[0]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(names)

    kept = (tmp_path / "a" / names[0]).stat().st_mtime_ns
    (tmp_path / "a" / names[1]).unlink()
    draw_pictures(pictures, tmp_path / "a", seed=1)
    assert digest(tmp_path / "a" / names[1]) == first[1]
    assert (tmp_path / "a" / names[0]).stat().st_mtime_ns == kept


def test_an_unknown_split_is_named():
    with pytest.raises(RagError, match="Unknown split 'train'; expected one of validation, test"):
        make_plan("train")


def test_a_world_that_is_too_small_is_refused():
    with pytest.raises(RagError, match="105 combinations do not fit 900 pictures and 168 queries a family"):
        make_plan("validation", categories=["toaster"])


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "benchmark").write_text("")
    with pytest.raises(RagError, match=r"cannot be kept in data/benchmark \(.*\): make room there, or set RAG_HOME"):
        make_benchmark("validation")

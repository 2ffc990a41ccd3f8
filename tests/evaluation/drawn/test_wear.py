"""Worn queries: changed, but by little, and the same for the same seed."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from rag_lib.evaluation.drawn.benchmark import SEEDS, make_plan
from rag_lib.evaluation.drawn.plan import COMPOSED
from rag_lib.evaluation.drawn.wear import wear_picture, wear_text


def test_a_worn_picture_is_another_picture_of_the_same():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    sizes = set()
    for seed in range(30):
        worn = wear_picture(np.random.default_rng(seed), image)
        again = wear_picture(np.random.default_rng(seed), image)
        assert worn.mode == "RGB" and (np.asarray(worn) == np.asarray(again)).all()
        assert worn.size != image.size or (np.asarray(worn) != pixels).any()
        assert 40 <= min(worn.size) and max(worn.size) <= 90
        sizes.add(worn.size == image.size)
    assert sizes == {True, False}  # crops and frames change the size, the others do not


def is_typo(word, worn):
    """Two inner letters that differ are exchanged, or an inner one is left out."""
    inner = range(1, len(word) - 2)
    exchanged = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inner} - {word}
    return len(word) >= 5 and worn in exchanged | {word[:i] + word[i + 1 :] for i in inner}


@pytest.mark.parametrize("split", SEEDS)
def test_every_composed_query_is_worn_by_capitals_or_one_typo(split):
    ways = Counter()
    for number, query in enumerate(query for query in make_plan(split).queries if query.family in COMPOSED):
        worn = wear_text(np.random.default_rng(number), query.text)
        if worn == query.text.upper() != query.text:
            ways["capitals"] += 1
        elif worn == query.text.lower() != query.text:
            ways["small letters"] += 1
        else:
            ((word, typo),) = [(a, b) for a, b in zip(query.text.split(), worn.split(), strict=True) if a != b]
            assert is_typo(word, typo), (query.text, worn)
            ways["exchanged" if len(typo) == len(word) else "left out"] += 1
    assert ways["capitals"] > ways["exchanged"] > 100 < ways["left out"]


@pytest.mark.parametrize("text", ["tattoo", "green", "pattern", "abbcd", "aaaaa", "THIS PRINT PLEASE"])
def test_letters_that_are_exchanged_differ(text):
    found = {wear_text(np.random.default_rng(seed), text) for seed in range(60)}
    assert text not in found and all(worn == text.upper() or is_typo_of_one(text, worn) for worn in found)
    assert any(len(worn) == len(text) and worn != text.upper() for worn in found) or text == "aaaaa"


def is_typo_of_one(text, worn):
    return sum(a != b and is_typo(a, b) for a, b in zip(text.split(), worn.split(), strict=True)) == 1


@pytest.mark.parametrize(("text", "worn"), [("in red", "IN RED"), ("ANY IN RED", "any in red")])
def test_words_too_short_for_a_typo_change_their_case(text, worn):
    assert wear_text(np.random.default_rng(0), text) == worn

"""The instructions that training writes: every one says what it asks for, and the held-out ones stay held out."""

import itertools

import numpy as np
import pytest

from rag_lib.drawn.drawing import CATEGORIES, COLORS, THEMES
from rag_lib.drawn.language import (
    COLOR_NAMES,
    HELD_OUT_PHRASINGS,
    PHRASINGS,
    PRODUCT_NAMES,
    THEME_ADJECTIVES,
    THEME_NOUNS,
    _mistype,
    add_noise,
    write_instruction,
)
from rag_lib.training.tokenizer import train_tokenizer


def test_every_attribute_has_a_name():
    assert PRODUCT_NAMES.keys() == set(CATEGORIES)
    assert THEME_NOUNS.keys() == THEME_ADJECTIVES.keys() == set(THEMES)
    assert COLOR_NAMES.keys() <= set(COLORS)


def test_no_name_means_two_things():
    names = [name for choices in (PRODUCT_NAMES, THEME_NOUNS) for v in choices.values() for name in set(v)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("family", HELD_OUT_PHRASINGS)
def test_an_instruction_says_what_it_asks_for(family, held_out):
    rng = np.random.default_rng(0)
    for _ in range(200):
        text = write_instruction(
            rng, family, category="refrigerator", theme="hearts", color="turquoise", held_out=held_out
        )
        phrasing = " ".join((HELD_OUT_PHRASINGS if held_out else PHRASINGS)[family])
        assert "{" not in text and text == text.lower()
        if "{k}" in phrasing:
            assert any(name in text for name in PRODUCT_NAMES["refrigerator"])
        if "{c}" in phrasing:
            assert any(name in text for name in COLOR_NAMES["turquoise"])


def test_held_out_phrasings_are_never_trained_on():
    for family, phrasings in HELD_OUT_PHRASINGS.items():
        assert not set(phrasings) & set(itertools.chain(*PHRASINGS.values())), family
    assert any("with this image theme" in phrasing for phrasing in HELD_OUT_PHRASINGS["theme transfer"])


def test_noise_keeps_every_word_that_carries_an_attribute():
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(300):
        noisy = add_noise(rng, "please show me a turquoise toaster with polka dots for my friend", 1.0, mistyped=0)
        changed += noisy != "please show me a turquoise toaster with polka dots for my friend"
        assert [word for word in noisy.split() if word in ("turquoise", "toaster", "polka", "dots")] == [
            "turquoise", "toaster", "polka", "dots",
        ]  # fmt: skip
    assert changed > 250


def test_a_mistyped_text_differs_in_one_longer_word():
    rng, text = np.random.default_rng(0), "find me a charger with polka dots"
    found = set()
    for _ in range(200):
        mistyped = _mistype(rng, text)
        changed = [(a, b) for a, b in zip(text.split(), mistyped.split(), strict=True) if a != b]
        assert len(changed) == 1 and len(changed[0][0]) > 4
        found.add((changed[0][0], len(changed[0][1]) - len(changed[0][0])))
    assert found == {("charger", -1), ("charger", 0), ("charger", 1), ("polka", -1), ("polka", 0), ("polka", 1)}


def test_a_text_without_longer_words_is_not_mistyped():
    assert _mistype(np.random.default_rng(0), "a red fan") == "a red fan"


def test_some_texts_are_mistyped_where_noise_is_added():
    rng, text = np.random.default_rng(0), "turquoise toaster"
    changed = sum(add_noise(rng, text, 0) != text for _ in range(1000))
    assert 60 < changed < 200


def test_the_tokenizer_is_the_same_every_time():
    first, second = (train_tokenizer(1200, n_texts=2000) for _ in range(2))
    assert first.to_str() == second.to_str()


def test_the_tokenizer_knows_the_words_and_marks_the_empty_text():
    tokenizer = train_tokenizer(1200, n_texts=3000)
    assert tokenizer.encode("").tokens == ["[CLS]", "[SEP]"]
    assert tokenizer.encode("Phone CASE").tokens == ["[CLS]", "phone", "case", "[SEP]"]
    assert tokenizer.encode("café 北京").tokens.count("[UNK]") >= 1
    for word in ("leopard", "toaster", "turquoise", "hearts"):
        assert tokenizer.token_to_id(word) is not None, word

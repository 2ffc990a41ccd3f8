"""Free-form phrasings: many, written for this alone, unknown to training, and they say what they ask for."""

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest

from rag_lib.drawn.language import COLOR_NAMES, HELD_OUT_PHRASINGS, PHRASINGS, PRODUCT_NAMES, THEME_NOUNS
from rag_lib.evaluation.drawn.phrasings import FREE_FORM, is_shouted, with_article, write_free_form

PACKAGE = Path(__file__).resolve().parents[3] / "rag_lib"
SENTENCES = [sentence for sentences in FREE_FORM.values() for sentence in sentences]


def plain(template):
    """Without case, articles and punctuation: what training would take for the same phrasing."""
    letters = "".join(c if c.isalnum() or c in "{} " else " " for c in template.lower().replace("{ak}", "{k}"))
    return " ".join(word for word in letters.split() if word not in ("a", "an", "the"))


def test_there_are_more_than_a_hundred_and_no_two_are_the_same():
    assert len(SENTENCES) >= 100
    for sentences in FREE_FORM.values():
        assert len({plain(sentence) for sentence in sentences}) == len(sentences)


def test_none_is_a_phrasing_of_training_or_a_held_out_one():
    known = {plain(p) for p in itertools.chain(*PHRASINGS.values(), *HELD_OUT_PHRASINGS.values())}
    assert not known & {plain(sentence) for sentence in SENTENCES}


def test_training_cannot_see_them():
    for path in PACKAGE.rglob("*.py"):
        if "evaluation" in path.relative_to(PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = getattr(node, "module", None) or ""
            assert "phrasings" not in module and not any("phrasings" in name for name in names), path.name


@pytest.mark.parametrize("family", FREE_FORM)
def test_a_sentence_names_what_it_asks_for(family):
    rng = np.random.default_rng(0)
    slots = {
        "theme transfer": "k",
        "category swap": "k",
        "color edit": "c",
        "theme edit": "t",
        "look edit": "tc",
        "text only": "ktc",
        "text only, no color": "kt",
        "text only, no theme": "kc",
    }[family]
    names = {"k": PRODUCT_NAMES["iron"], "t": THEME_NOUNS["checks"], "c": COLOR_NAMES["purple"]}
    for _ in range(200):
        text = write_free_form(rng, family, category="iron", theme="checks", color="purple")
        assert "{" not in text
        for slot, choices in names.items():
            assert any(name in text.lower() for name in choices) == (slot in slots) or slot not in slots, text


def test_articles_fit_their_names():
    assert with_article("toaster") == "a toaster"
    assert with_article("electric kettle") == "an electric kettle"
    assert with_article("wireless earbuds") == "wireless earbuds"


def test_a_shouted_sentence_shouts_its_names():
    assert is_shouted("ANY IN {c}") and not is_shouted("{k} {c} {t}") and not is_shouted("I want {k}")
    rng = np.random.default_rng(0)
    texts = {write_free_form(rng, "color edit", category="fan", theme="dots", color="red") for _ in range(300)}
    assert "ANY IN RED" in texts

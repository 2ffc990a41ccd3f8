"""Free-form instructions, written by hand as people type them: the split that nothing is ever trained or chosen on.

In: a random generator, a family and the attributes that are asked for; out: one instruction. Only the names of
products, themes and colors come from the vocabulary that training knows; every sentence around them is new.
No module of `rag_lib.training` may import this one; a test holds that.
"""

from pathlib import Path

import numpy as np
import yaml

from rag_lib.drawn.language import COLOR_NAMES, PRODUCT_NAMES, THEME_NOUNS

FREE_FORM = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
_PLURAL = ("earbuds", "earphones", "headphones")


def write_free_form(rng: np.random.Generator, family: str, *, category=None, theme=None, color=None) -> str:
    """One instruction of `family` (a key of `FREE_FORM`) that asks for the given attributes.

    A sentence in capitals gets its names in capitals.
    """

    def pick(options):
        return options[int(rng.integers(len(options)))]

    sentence, names = pick(FREE_FORM[family]), {}
    if category:
        names["k"] = pick(PRODUCT_NAMES[category])
        names["ak"] = with_article(names["k"])
    if theme:
        names["t"] = pick(THEME_NOUNS[theme])
    if color:
        names["c"] = pick(COLOR_NAMES.get(color, (color,)))
    if is_shouted(sentence):
        names = {slot: name.upper() for slot, name in names.items()}
    return sentence.format(**names)


def with_article(name: str) -> str:
    """ "toaster" -> "a toaster", "iron" -> "an iron", "earbuds" stay as they are."""
    if name.endswith(_PLURAL):
        return name
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def is_shouted(sentence: str) -> bool:
    """Whether all of a sentence but its slots is in capitals, and there is something besides the slots."""
    words = sentence.format(k="", ak="", t="", c="")
    return words.isupper() and len(words.split()) > 1

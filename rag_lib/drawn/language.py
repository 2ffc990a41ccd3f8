"""The instructions that the pocket model learns to read: families of phrasings, filled with names and synonyms.

The words themselves stand in language.yaml.
In: a random generator, a family and the attributes of the wanted product; out: a lower-case instruction. Some
phrasings are held out: training never sees them, the report asks them.
"""

from pathlib import Path

import numpy as np
import yaml

_WORDS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
PRODUCT_NAMES, COLOR_NAMES = _WORDS["product_names"], _WORDS["color_names"]
THEME_NOUNS, THEME_ADJECTIVES = _WORDS["theme_nouns"], _WORDS["theme_adjectives"]
PHRASINGS, HELD_OUT_PHRASINGS = _WORDS["phrasings"], _WORDS["held_out_phrasings"]
OPENINGS, CLOSINGS, FILLERS = _WORDS["openings"], _WORDS["closings"], tuple(_WORDS["fillers"].split())
ATTRIBUTE_WORDS = frozenset(
    word
    for names in (PRODUCT_NAMES, THEME_NOUNS, THEME_ADJECTIVES, COLOR_NAMES)
    for choices in names.values()
    for name in choices
    for word in name.split()
) - {"a", "of", "in", "no"}


def _pick(rng: np.random.Generator, options):
    return options[int(rng.integers(len(options)))]


def write_instruction(
    rng: np.random.Generator,
    family: str,
    *,
    category: str | None = None,
    theme: str | None = None,
    color: str | None = None,
    held_out: bool = False,
) -> str:
    """One instruction of `family` (a key of `PHRASINGS`) that asks for the given attributes.

    `held_out`: use the phrasings that training never sees (and none of its openings and closings).
    """
    phrasing = _pick(rng, (HELD_OUT_PHRASINGS if held_out else PHRASINGS)[family])
    names = {
        "k": _pick(rng, PRODUCT_NAMES[category]) if category else "",
        "t": _pick(rng, THEME_NOUNS[theme]) if theme else "",
        "a": _pick(rng, THEME_ADJECTIVES[theme]) if theme else "",
        "c": _pick(rng, COLOR_NAMES.get(color, (color,))) if color else "",
    }
    text = phrasing.format(**names)
    if held_out:
        return text
    if phrasing.startswith(("{k}", "{a}", "{c} {a}", "{c} {k}")):
        text = _pick(rng, OPENINGS) + text
    return text + _pick(rng, CLOSINGS)


def add_noise(rng: np.random.Generator, text: str, probability: float = 0.35, *, mistyped: float = 0.12) -> str:
    """Drop, blank or add words that carry no attribute, as people's own phrasings would; mistype any of the words.

    `probability`, `mistyped`: shares of the texts to which the one and the other happens.
    """
    if rng.random() < mistyped:
        text = _mistype(rng, text)
    if rng.random() >= probability:
        return text
    words = []
    for word in text.split():
        if word not in ATTRIBUTE_WORDS and rng.random() < 0.15:
            if rng.random() < 0.5:
                continue
            word = "[UNK]"
        words.append(word)
        if rng.random() < 0.08:
            junk = "".join(chr(97 + int(i)) for i in rng.integers(0, 26, int(rng.integers(2, 8))))
            words.append(_pick(rng, (_pick(rng, FILLERS), _pick(rng, FILLERS), "[UNK]", junk)))
    return " ".join(words)


def _mistype(rng: np.random.Generator, text: str) -> str:
    """One letter of one word of five or more doubled, left out, or exchanged with the next."""
    words = text.split()
    long = [place for place, word in enumerate(words) if len(word) > 4]
    if not long:
        return text
    place = _pick(rng, long)
    word = words[place]
    at = int(rng.integers(len(word) - 1))
    one, two = word[at], word[at + 1]
    words[place] = word[:at] + _pick(rng, (one + one + two, two, two + one)) + word[at + 2 :]
    return " ".join(words)

"""From attribute readings to a score and to phrases in plain English.

In: probabilities per attribute (category, theme, color) of what a query asks for, of what its picture shows and of
what the candidates show. Out: how well each candidate agrees, and what it keeps, changes and violates. Pure NumPy.
A reading is attribute -> (names,) for one thing, attribute -> (n, names) for many; rows sum to 1.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from rag_lib.records import Evidence

Reading = Mapping[str, np.ndarray]
Labels = Mapping[str, Sequence[str]]

PINNED = 0.3  # confidence from which a query counts as asking for an attribute at all
PRODUCT = 0.92  # confidence from which a picture shows a product; the reader has no name for a zebra or a sea
SURE = 0.6  # probability from which a label is said without "probably"
_NATURAL = "natural"  # the color of themes such as leopard, which leave no color to choose
_DOUBT = 0.05  # share of an even reading that is mixed into a certain one: words and pictures can be misread
_FLOOR = 1e-3  # of an agreement, so that one misread attribute cannot decide everything


class Wish(NamedTuple):
    """One attribute that the query pins down.

    `label`: the most probable name; `probability`: of it; `weight`: 0..1, how firmly it is asked; `source`: which
    side of the query asks for it.
    """

    attribute: str
    label: str
    probability: float
    weight: float
    source: Literal["image", "text"]


def confidence(probabilities: np.ndarray) -> float:
    """1 for a certain reading, 0 for an even one: 1 - entropy / log(names)."""
    p = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-12, 1)
    return float(max(0.0, 1 + (p * np.log(p)).sum() / np.log(len(p))))


def wishes(
    asked: Reading, labels: Labels, *, text: str | None, pictured: Reading | None, written: Reading | None
) -> list[Wish]:
    """What the query pins down, in the order of `labels`.

    `asked`: by the whole query; `pictured`: what its picture shows, `written`: what its text alone asks for (None
    where the query has none). A label is kept from the picture if the picture shows it more clearly than the text
    asks for it; a label that the text names is asked by the text. A picture alone that shows no product asks for none.
    """
    found = []
    for attribute, names in labels.items():
        best = int(np.argmax(asked[attribute]))
        weight, label = confidence(asked[attribute]), str(names[best])
        if attribute == "color" and _NATURAL in names:
            weight *= 1 - float(asked[attribute][list(names).index(_NATURAL)])
        if weight < PINNED or (attribute == "color" and label == _NATURAL):
            continue
        shown = 0.0 if pictured is None else float(pictured[attribute][best])
        wanted = 0.0 if written is None else float(written[attribute][best])
        by_text = pictured is None or (written is not None and (_is_named(text, label) or wanted > shown))
        if attribute == "category" and written is None and confidence(pictured[attribute]) < PRODUCT:
            continue
        probability = float(asked[attribute][best])
        found.append(Wish(attribute, label, probability, weight, "text" if by_text else "image"))
    return found


def compose(
    asked: Reading, labels: Labels, *, pictured: Reading | None, meant: Mapping[str, Collection[str]]
) -> dict[str, np.ndarray]:
    """What the query asks for: what the words name takes the place of what the picture shows, the rest is kept.

    `asked`: the model's own reading of the whole query, `pictured`: of its picture, `meant`: attribute -> the labels
    that the words name. The model's reading stays where this rule does not reach: where the words name nothing (they
    may say it in a way that only the model understands) or leave a choice, for the product where the picture shows
    none, and for the color where a new theme brings its own or one has to be chosen.
    """
    found = dict(asked)
    if not meant:
        return found
    for attribute, names in labels.items():
        said = meant.get(attribute, ())
        if said:
            if len(said) > 1:
                continue
            (label,) = said
            reading = np.eye(len(names))[list(names).index(label)]
        elif pictured is None or (attribute == "category" and confidence(pictured[attribute]) < PRODUCT):
            continue
        elif attribute == "color" and "theme" in meant and _NATURAL in names and _natural(asked, pictured, names):
            continue
        else:
            reading = pictured[attribute]
        found[attribute] = (1 - _DOUBT) * np.asarray(reading, np.float64) + _DOUBT / len(names)
    return found


def _natural(asked: Reading, pictured: Reading, names: Sequence[str]) -> bool:
    """Whether one of the two themes has natural colors: then the picture's color is not the one to keep."""
    place = list(names).index(_NATURAL)
    return max(float(asked["color"][place]), float(pictured["color"][place])) > 0.5


def agreement(asked: Reading, shown: Reading, pinned: Sequence[Wish]) -> np.ndarray:
    """(n,) float64, at most 0: the log probability that a candidate has what is asked, weighted by how firmly.

    `asked`: (names,) per attribute; `shown`: (n, names) per attribute.
    """
    count = len(next(iter(shown.values())))
    total = np.zeros(count)
    for wish in pinned:
        match = np.asarray(shown[wish.attribute], dtype=np.float64) @ np.asarray(asked[wish.attribute], np.float64)
        total += wish.weight * np.log(np.clip(match, _FLOOR, 1))
    return total


def evidence(pinned: Sequence[Wish], shown: Reading, labels: Labels) -> Evidence:
    """What one candidate keeps, changes and violates. `shown`: (names,) per attribute."""
    keeps, changes, violates = [], [], []
    for wish in pinned:
        best = int(np.argmax(shown[wish.attribute]))
        label, sure = str(labels[wish.attribute][best]), float(shown[wish.attribute][best]) >= SURE
        maybe = "" if sure else "probably "
        if label == wish.label and wish.source == "image":
            keeps.append(f"{maybe}{_describe_kept(wish)}")
        elif label == wish.label:
            changes.append(f"{maybe}{_describe(wish.attribute, label)}, as asked")
        else:
            violates.append(f"{maybe}{_describe(wish.attribute, label)}, {_describe_missed(wish)}")
    return Evidence(tuple(keeps), tuple(changes), tuple(violates))


def _is_named(text: str | None, label: str) -> bool:
    """Whether the instruction names the label, in singular or plural."""
    stem = re.escape(_spell(label)).removesuffix("s")
    return bool(text) and re.search(rf"\b{stem}(?:s|es)?\b", text.lower()) is not None


def _spell(label: str) -> str:
    return label.replace("_", " ").lower()


def _describe(attribute: str, label: str) -> str:
    label = _spell(label)
    if attribute == "category":
        return _add_article(label)
    if attribute == "color":
        return "natural colors" if label == _NATURAL else f"color {label}"
    return f"{label} {attribute}"


def _describe_kept(wish: Wish) -> str:
    if wish.attribute == "category":
        return f"{_add_article(_spell(wish.label))}, as in your picture"
    if wish.attribute == "color":
        return f"the {_spell(wish.label)} of your picture"
    return f"the {_spell(wish.label)} {wish.attribute} of your picture"


def _describe_missed(wish: Wish) -> str:
    label = _add_article(_spell(wish.label)) if wish.attribute == "category" else _spell(wish.label)
    maybe = "" if wish.probability >= SURE else "probably "
    return f"{maybe}asked for {label}" if wish.source == "text" else f"your picture {maybe}has {label}"


def _add_article(noun: str) -> str:
    if noun.endswith("s") and not noun.endswith("ss"):
        return noun  # earbuds, headphones
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"

"""Batches of training queries: which picture and which words ask for which product, made to be hard.

In: the labels of a `PictureSet`; out: `QueryBatch`. Most batches are drawn from few categories and looks, so that
their candidates differ in one attribute; the source picture of an edit is always among the negatives.
"""

from dataclasses import dataclass

import numpy as np

from rag_lib.catalog.drawing import CATEGORIES, COLORED_THEMES, COLORS, NATURAL, NATURAL_THEMES, THEMES
from rag_lib.training.language import add_noise, write_instruction
from rag_lib.training.pictures import COLOR_LABELS, is_held_out

ANY = -1  # an attribute that a query leaves open


@dataclass(frozen=True)
class QueryBatch:
    """`sources`, `targets`: (n,) positions of pictures; `texts`: instructions; `wanted`: (n, 3) labels of the targets.

    `descriptions`: a text-only query for each target, `described`: (n, 3) what it names, `ANY` where it is silent.
    `twins`: (m,) another picture of the product in `sources[twin_of]`.
    """

    sources: np.ndarray
    texts: list[str]
    targets: np.ndarray
    wanted: np.ndarray
    descriptions: list[str]
    described: np.ndarray
    twins: np.ndarray
    twin_of: np.ndarray


class QuerySampler:
    """Draws batches from labelled pictures. `labels`: (n, 3) int, as in `PictureSet`."""

    def __init__(self, labels: np.ndarray):
        self.pictures: dict[tuple, list[int]] = {}
        for position, label in enumerate(labels.tolist()):
            self.pictures.setdefault(tuple(label), []).append(position)

    def batch(self, rng: np.random.Generator, size: int, max_twins: int) -> QueryBatch:
        """`size` queries; up to `max_twins` of those that start from a product also get a twin."""
        world = _World(rng, hard=rng.random() < 0.6)
        sources, texts, targets, wanted, descriptions, described, starts = [], [], [], [], [], [], []
        while len(targets) < size:
            family, start, target = world.sample()
            if is_held_out(*target) or (start[0] and is_held_out(*start)):
                continue
            if _label(start) not in self.pictures or _label(target) not in self.pictures:
                continue
            names = dict(zip(("category", "theme", "color"), target, strict=True))
            texts.append(add_noise(rng, write_instruction(rng, family, **names)))
            sources.append(self._picture(rng, start))
            targets.append(self._picture(rng, target))
            starts.append(start)
            wanted.append(_label(target))
            family, names = world.describe(target)
            descriptions.append(add_noise(rng, write_instruction(rng, family, **names)))
            described.append(_label((names.get("category"), names.get("theme"), names.get("color"))))
        twin_of = np.array([i for i, start in enumerate(starts) if start[0]], dtype=np.int64)[:max_twins]
        twins = np.array([self._picture(rng, starts[i]) for i in twin_of], dtype=np.int64)
        return QueryBatch(
            np.array(sources), texts, np.array(targets), np.array(wanted), descriptions, np.array(described),
            twins, twin_of,
        )  # fmt: skip

    def _picture(self, rng, spec) -> int:
        choices = self.pictures[_label(spec)]
        return choices[int(rng.integers(len(choices)))]


class _World:
    """The categories and looks that one batch is drawn from, and the families of its queries."""

    def __init__(self, rng: np.random.Generator, *, hard: bool):
        def some(names, low, high):
            names = list(names)
            return list(rng.choice(names, int(rng.integers(low, high)), replace=False)) if hard else names

        self.rng = rng
        self.categories = some(CATEGORIES, 3, 9)
        self.natural = some(NATURAL_THEMES, 3, 7)
        self.colored = some(COLORED_THEMES, 2, 6)
        self.colors = some(COLORS, 3, 8)

    def pick(self, options) -> str:
        return str(options[int(self.rng.integers(len(options)))])

    def look(self) -> tuple[str, str]:
        if self.rng.random() < 0.4:
            return self.pick(self.natural), NATURAL
        return self.pick(self.colored), self.pick(self.colors)

    def sample(self) -> tuple[str, tuple, tuple]:
        """A family, the (category, theme, color) of the source picture and that of the target."""
        while True:
            category, (theme, color) = self.pick(self.categories), self.look()
            target, dice = (category, theme, color), self.rng.random()
            if dice < 0.42:
                return "theme transfer", (None, theme, color), target
            if dice < 0.63:
                other = self.pick(self.categories)
                if other != category:
                    return "category swap", (other, theme, color), target
            elif dice < 0.76:
                other = self.pick(self.colors)
                if color not in (NATURAL, other):
                    return "color edit", (category, theme, other), target
            else:
                other_theme, other_color = self.look()
                if other_theme == theme:
                    continue
                if color == NATURAL:
                    return "theme edit", (category, other_theme, other_color), target
                if dice < 0.92 and other_color != NATURAL:
                    return "theme edit", (category, other_theme, color), target
                return "look edit", (category, other_theme, other_color), target

    def describe(self, target: tuple[str, str, str]) -> tuple[str, dict[str, str]]:
        """A text-only family and the attributes that it names."""
        category, theme, color = target
        dice = self.rng.random()
        if color == NATURAL:
            if dice < 0.85:
                return "text only, no color", {"category": category, "theme": theme}
        elif dice < 0.6:
            return "text only", {"category": category, "theme": theme, "color": color}
        elif dice < 0.75:
            return "text only, no color", {"category": category, "theme": theme}
        elif dice < 0.9:
            return "text only, no theme", {"category": category, "color": color}
        return "text only, product", {"category": category}


def _label(spec) -> tuple[int, int, int]:
    category, theme, color = spec
    return (
        CATEGORIES.index(category) if category else ANY,
        THEMES.index(theme) if theme else ANY,
        COLOR_LABELS.index(color) if color else ANY,
    )

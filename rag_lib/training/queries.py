"""Batches of training queries: which picture and which words ask for which product, made to be hard.

In: the labels of a `PictureSet`; out: `QueryBatch`. Most batches are drawn from few categories and looks, so that
their candidates differ in one attribute; the source picture of an edit is always among the negatives.
"""

from dataclasses import dataclass

import numpy as np

from rag_lib.drawn.combinations import COLOR_LABELS, is_held_out
from rag_lib.drawn.drawing import CATEGORIES, COLORED_THEMES, COLORS, NATURAL, NATURAL_THEMES, THEMES
from rag_lib.drawn.language import add_noise, write_instruction
from rag_lib.errors import RagError

ANY = -1  # an attribute that a query leaves open
PATIENCE = 1000  # draws in a row that the pictures cannot show; in the whole world a few
TOO_SMALL = "The pictures show too little to ask for: give more of them, or of fewer categories and looks."


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
    """Draws batches from labelled pictures, of the whole drawn world or a part of it.

    `labels`: (n, 3) int, as in `PictureSet`; `hard`: the share of batches from few categories and looks; `noise`:
    whether words are dropped, blanked, added and mistyped.
    """

    def __init__(self, labels: np.ndarray, *, hard: float = 0.6, noise: bool = True):
        self.hard, self.noise = hard, noise
        self.pictures: dict[tuple, list[int]] = {}
        for position, label in enumerate(labels.tolist()):
            self.pictures.setdefault(tuple(label), []).append(position)
        categories, themes, colors = ({label[place] for label in self.pictures} for place in range(3))
        self.names = {
            "categories": [name for place, name in enumerate(CATEGORIES) if place in categories],
            "natural": [name for name in NATURAL_THEMES if THEMES.index(name) in themes],
            "colored": [name for name in COLORED_THEMES if THEMES.index(name) in themes],
            "colors": [name for place, name in enumerate(COLORS) if place in colors],
        }
        if not self.names["categories"]:
            raise RagError(TOO_SMALL)

    def batch(self, rng: np.random.Generator, size: int, max_twins: int) -> QueryBatch:
        """`size` queries; up to `max_twins` of those that start from a product also get a twin.

        Raises RagError if the pictures show too little to ask for.
        """
        world, misses = _World(rng, self.names, hard=rng.random() < self.hard), 0
        sources, texts, targets, wanted, descriptions, described, starts = [], [], [], [], [], [], []
        while len(targets) < size:
            family, start, target = world.sample()
            if not (self._has(start) and self._has(target)):
                misses += 1
                if misses == PATIENCE and not world.hard:
                    raise RagError(TOO_SMALL)
                if misses == PATIENCE:  # the few that were drawn have nothing to do with each other
                    world, misses = _World(rng, self.names, hard=False), 0
                continue
            misses = 0
            names = dict(zip(("category", "theme", "color"), target, strict=True))
            texts.append(self._write(rng, family, **names))
            sources.append(self._picture(rng, start))
            targets.append(self._picture(rng, target))
            starts.append(start)
            wanted.append(_label(target))
            family, names = world.describe(target)
            descriptions.append(self._write(rng, family, **names))
            described.append(_label((names.get("category"), names.get("theme"), names.get("color"))))
        twin_of = np.array([i for i, start in enumerate(starts) if start[0]], dtype=np.int64)[:max_twins]
        twins = np.array([self._picture(rng, starts[i]) for i in twin_of], dtype=np.int64)
        return QueryBatch(
            np.array(sources), texts, np.array(targets), np.array(wanted), descriptions, np.array(described),
            twins, twin_of,
        )  # fmt: skip

    def _has(self, spec) -> bool:
        return _label(spec) in self.pictures and not (spec[0] and is_held_out(*spec))

    def _picture(self, rng, spec) -> int:
        choices = self.pictures[_label(spec)]
        return choices[int(rng.integers(len(choices)))]

    def _write(self, rng, family: str, **names) -> str:
        text = write_instruction(rng, family, **names)
        return add_noise(rng, text) if self.noise else text


class _World:
    """The categories and looks that one batch is drawn from, and the families of its queries."""

    def __init__(self, rng: np.random.Generator, names: dict[str, list[str]], *, hard: bool):
        def some(names, low, high):
            if not hard or not names:
                return names
            return list(rng.choice(names, min(int(rng.integers(low, high)), len(names)), replace=False))

        self.rng, self.hard = rng, hard
        self.categories = some(names["categories"], 3, 9)
        self.natural = some(names["natural"], 3, 7)
        self.colored = some(names["colored"], 2, 6)
        self.colors = some(names["colors"], 3, 8)

    def pick(self, options) -> str:
        return str(options[int(self.rng.integers(len(options)))])

    def look(self) -> tuple[str, str]:
        if not self.colored or (self.natural and self.rng.random() < 0.4):
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
            elif dice < 0.76 and self.colors:
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

"""What the drawn catalog offers: which of the 2,520 combinations, under which titles, at which prices.

In: a seed and the number of products. Out: `Picture` records, one for each file to be drawn; nothing is drawn here.
"""

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from rag_lib.drawn.drawing import CATEGORIES, COLORED_THEMES, COLORS, NATURAL, NATURAL_THEMES
from rag_lib.errors import RagError

COUNT = 900  # products of the catalog


class Picture(NamedTuple):
    """A file to draw. `file`: POSIX path below the catalog's folder. `index`: with the seed, it fixes the drawing.

    `kind`: of a query picture; None for a product. `values`: title, theme, color and, for a product, category, price.
    """

    index: int
    file: str
    kind: str | None
    values: dict[str, Any]


_PAIRS = len(CATEGORIES)  # one natural theme of every category comes twice, in another pose
LARGEST = len(CATEGORIES) * (len(NATURAL_THEMES) + len(COLORED_THEMES) * len(COLORS)) + _PAIRS

_WARES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
_PHRASES, _GOODS, _QUERIES = _WARES["phrases"], _WARES["goods"], _WARES["queries"]
_SHOWN = ("title", "theme", "color")  # of a query picture, beside its name


@lru_cache(maxsize=8)
def plan(seed: int, count: int = COUNT) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """The products and the query pictures of a catalog.

    Every category gets the same number of products (or one more), every natural theme one of each category, the
    colored themes and the colors share the rest evenly. The first two are leopard phone cases; only the pairs repeat
    a combination. A smaller `count` takes the first of a mixed order.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= LARGEST:
        raise RagError(f"The drawn catalog cannot have {count!r} products: give a number from 2 to {LARGEST}.")
    rng = np.random.default_rng([seed, 1])
    combinations = _combinations(rng, count)
    numbers: Counter = Counter()
    products = []
    for index, (category, theme, color) in enumerate(combinations):
        numbers[category, theme, color] += 1
        number = numbers[category, theme, color]
        slug = "-".join((category, theme, color)).replace(" ", "-")
        (low, high), names = _GOODS[category]["price"], _GOODS[category]["names"]
        title = write_title(rng, category, theme, color)
        if index < 2:
            title = f"{_PHRASES[theme][0]} {names[index]}"
        price = round(float(low + (high - low) * rng.beta(1.6, 2.6)), 0) + float(rng.choice([-0.01, -0.05, 0.49]))
        values = {"title": title, "price": round(price, 2), "category": category, "theme": theme, "color": color}
        products.append(Picture(index, f"products/{slug}-{number}.jpg", None, values))
    queries = [
        # far behind the products' indexes, so that the pictures stay the same when their number changes
        Picture(100_000 + k, f"query/{name}.jpg", shown["kind"], {"name": name, **{key: shown[key] for key in _SHOWN}})
        for k, (name, shown) in enumerate(_QUERIES.items())
    ]
    return tuple(products), tuple(queries)


def write_title(rng: np.random.Generator, category: str, theme: str, color: str) -> str:
    """A title as the shop writes it, with what pictures show and what they do not: "Red Dotted Two-Slice Toaster"."""
    names, phrases = _GOODS[category]["names"], _PHRASES[theme]
    name, phrase = names[rng.integers(len(names))], rng.choice(phrases)
    return f"{phrase.format(color.capitalize())} {name}"


def special_names(category: str) -> tuple[str, ...]:
    """What titles end with and pictures do not show: ("Two-Slice Toaster", "Toaster with Bun Warmer")."""
    names = _GOODS[category]["names"]
    plain = {min(names, key=len), *(name for name in names if any(other.endswith(f" {name}") for other in names))}
    return tuple(name for name in names if name not in plain)


def _combinations(rng: np.random.Generator, count: int) -> list[tuple[str, str, str]]:
    """`count` triples (category, theme, color), the leopard phone cases first, the others mixed."""
    first = [("phone case", "leopard", NATURAL)]
    natural = [(category, theme, NATURAL) for category in CATEGORIES for theme in NATURAL_THEMES]
    pairs = [(category, NATURAL_THEMES[k % len(NATURAL_THEMES)], NATURAL) for k, category in enumerate(CATEGORIES)]
    colored = _colored(rng, max(0, count - len(natural) - len(pairs)))
    rest = [one for one in natural + pairs[1:] + colored if one not in first]
    mixed = [rest[k] for k in rng.permutation(len(rest))]
    return (first * 2 + mixed)[:count]


def _colored(rng: np.random.Generator, count: int) -> list[tuple[str, str, str]]:
    """`count` different triples of the colored themes, as even as can be over categories, themes and colors."""
    cells = [(category, theme) for category in CATEGORIES for theme in COLORED_THEMES]
    by_category, by_theme, by_color = Counter(), Counter(), Counter()
    cell_color: Counter = Counter()  # how often a theme, or a category, already has a color
    taken: dict[tuple[str, str], set[str]] = {cell: set() for cell in cells}
    chosen = []
    while len(chosen) < count:
        order = (cells[k] for k in rng.permutation(len(cells)))
        cell = min(order, key=lambda one: (len(taken[one]), by_category[one[0]], by_theme[one[1]]))
        free = [color for color in COLORS if color not in taken[cell]]
        free = [free[k] for k in rng.permutation(len(free))]
        color = min(free, key=lambda one: (cell_color[cell[1], one] + cell_color[cell[0], one], by_color[one]))
        taken[cell].add(color)
        by_category[cell[0]] += 1
        by_theme[cell[1]] += 1
        by_color[color] += 1
        cell_color[cell[1], color] += 1
        cell_color[cell[0], color] += 1
        chosen.append((*cell, color))
    return chosen

"""What the drawn catalog offers: which of the 2,520 combinations, under which titles, at which prices.

In: a seed and the number of products. Out: `Picture` records, one for each file to be drawn; nothing is drawn here.
"""

from collections import Counter
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

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

_PHRASES = {
    "leopard": ("Leopard Print",),
    "zebra": ("Zebra Print", "Zebra Stripe"),
    "tiger": ("Tiger Print", "Tiger Stripe"),
    "giraffe": ("Giraffe Print", "Giraffe Pattern"),
    "camouflage": ("Camouflage", "Camo Print"),
    "wood": ("Wood Grain", "Wood Look"),
    "brick": ("Brick Pattern", "Brick Wall"),
    "marble": ("Marble", "White Marble Look"),
    "galaxy": ("Galaxy Print", "Galaxy"),
    "plain": ("{}", "Plain {}", "Solid {}"),
    "stripes": ("{} Striped", "{} Stripe"),
    "dots": ("{} Polka Dot", "{} Dotted"),
    "checks": ("{} Checked", "{} Checkered"),
    "floral": ("{} Floral", "{} Flower Print"),
    "waves": ("{} Wave Pattern", "{} Wavy"),
    "hearts": ("{} Hearts", "{} Heart Print"),
    "stars": ("{} Star Print", "{} Stars"),
}
# category -> (lowest price, highest price, names)
_GOODS = {
    "phone case": (9, 30, ("Phone Case", "Slim Phone Case", "Shockproof Phone Case")),
    "power bank": (18, 60, ("Power Bank", "Power Bank 10,000 mAh", "Fast Charging Power Bank")),
    "earbuds": (25, 150, ("Wireless Earbuds", "Earbuds with Charging Case", "Bluetooth Earbuds")),
    "smartwatch": (60, 280, ("Smartwatch", "Fitness Smartwatch", "Smartwatch with Heart Rate Sensor")),
    "headphones": (30, 220, ("Headphones", "Over-Ear Headphones", "Wireless Headphones")),
    "laptop": (380, 1300, ("Laptop", "14-Inch Laptop", "Lightweight Laptop")),
    "tablet": (120, 600, ("Tablet", "10-Inch Tablet", "Tablet with Sleeve")),
    "camera": (150, 800, ("Camera", "Compact Camera", "Digital Camera")),
    "speaker": (40, 240, ("Speaker", "Bookshelf Speaker", "Bluetooth Speaker")),
    "television": (180, 700, ("Television", "Retro Television", "Television with Antenna")),
    "keyboard": (20, 110, ("Keyboard", "Mechanical Keyboard", "Compact Keyboard")),
    "mouse": (10, 60, ("Computer Mouse", "Optical Mouse", "Quiet Computer Mouse")),
    "game controller": (25, 80, ("Game Controller", "Wireless Game Controller", "Game Controller with Rumble")),
    "refrigerator": (320, 1400, ("Refrigerator", "Family Refrigerator", "Energy-Saving Refrigerator")),
    "washing machine": (280, 900, ("Washing Machine", "Front-Loading Washing Machine", "Quiet Washing Machine")),
    "microwave": (60, 200, ("Microwave", "Microwave Oven", "Countertop Microwave")),
    "toaster": (20, 80, ("Toaster", "Two-Slice Toaster", "Toaster with Bun Warmer")),
    "kettle": (20, 90, ("Electric Kettle", "Kettle", "Kettle 1.7 Liters")),
    "blender": (30, 160, ("Blender", "Smoothie Blender", "Blender with Glass Jar")),
    "vacuum cleaner": (70, 320, ("Vacuum Cleaner", "Bagless Vacuum Cleaner", "Canister Vacuum Cleaner")),
    "fan": (20, 90, ("Table Fan", "Quiet Desk Fan", "Oscillating Fan")),
    "lamp": (18, 90, ("Table Lamp", "Bedside Lamp", "Lamp with Pull Switch")),
    "iron": (20, 90, ("Steam Iron", "Iron", "Iron with Non-Stick Soleplate")),
    "hair dryer": (18, 120, ("Hair Dryer", "Ionic Hair Dryer", "Foldable Hair Dryer")),
}
# name -> (theme, color, kind, title)
_QUERIES = {
    "leopard": ("leopard", NATURAL, "animal", "A leopard in the savanna"),
    "leopard-portrait": ("leopard", NATURAL, "portrait", "A leopard's face"),
    "zebra": ("zebra", NATURAL, "animal", "A zebra in the savanna"),
    "tiger": ("tiger", NATURAL, "animal", "A tiger on the prowl"),
    "giraffe": ("giraffe", NATURAL, "animal", "A giraffe in the savanna"),
    "camouflage-tent": ("camouflage", NATURAL, "tent", "A camouflage tent in a meadow"),
    "log": ("wood", NATURAL, "log", "A log"),
    "brick-house": ("brick", NATURAL, "house", "A small brick house"),
    "marble-column": ("marble", NATURAL, "column", "A marble column"),
    "night-sky": ("galaxy", NATURAL, "night sky", "The Milky Way over dark hills"),
    "poppy-field": ("floral", "red", "flower field", "A field of poppies"),
    "sea": ("waves", "blue", "sea", "Waves on the sea"),
    "umbrella": ("stripes", "red", "umbrella", "A striped umbrella"),
    "vase": ("floral", "blue", "vase", "A vase with painted flowers"),
    "balloon": ("dots", "yellow", "balloon", "A dotted balloon"),
    "flag": ("checks", "black", "flag", "A checked flag"),
    "pennants": ("stripes", "turquoise", "pennants", "Strings of striped pennants"),
    "t-shirt": ("stars", "purple", "t-shirt", "A T-shirt with stars"),
    "heart-pillow": ("hearts", "pink", "heart pillow", "A pillow in the shape of a heart"),
    "kite": ("waves", "green", "kite", "A kite with waves"),
    "mug": ("checks", "orange", "mug", "A checked mug"),
    "ball": ("plain", "green", "ball", "A green ball"),
}


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
        low, high, names = _GOODS[category]
        title = write_title(rng, category, theme, color)
        if index < 2:
            title = f"{_PHRASES[theme][0]} {names[index]}"
        price = round(float(low + (high - low) * rng.beta(1.6, 2.6)), 0) + float(rng.choice([-0.01, -0.05, 0.49]))
        values = {"title": title, "price": round(price, 2), "category": category, "theme": theme, "color": color}
        products.append(Picture(index, f"products/{slug}-{number}.jpg", None, values))
    queries = [
        # far behind the products' indexes, so that the pictures stay the same when their number changes
        Picture(100_000 + k, f"query/{name}.jpg", kind, {"name": name, "title": title, "theme": theme, "color": color})
        for k, (name, (theme, color, kind, title)) in enumerate(_QUERIES.items())
    ]
    return tuple(products), tuple(queries)


def write_title(rng: np.random.Generator, category: str, theme: str, color: str) -> str:
    """A title as the shop writes it, with what pictures show and what they do not: "Red Dotted Two-Slice Toaster"."""
    names, phrases = _GOODS[category][2], _PHRASES[theme]
    name, phrase = names[rng.integers(len(names))], rng.choice(phrases)
    return f"{phrase.format(color.capitalize())} {name}"


def special_names(category: str) -> tuple[str, ...]:
    """What titles end with and pictures do not show: ("Two-Slice Toaster", "Toaster with Bun Warmer")."""
    names = _GOODS[category][2]
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

"""The names that the drawn world knows: categories, themes and colors, and the looks that they combine to.

In: names and a random generator. Out: RGB colors as float32 arrays of 3 (0..255), slightly different each time.
"""

from collections.abc import Iterable

import numpy as np

from rag_lib.errors import RagError, did_you_mean

CATEGORIES = (
    "phone case",
    "power bank",
    "earbuds",
    "smartwatch",
    "headphones",
    "laptop",
    "tablet",
    "camera",
    "speaker",
    "television",
    "keyboard",
    "mouse",
    "game controller",
    "refrigerator",
    "washing machine",
    "microwave",
    "toaster",
    "kettle",
    "blender",
    "vacuum cleaner",
    "fan",
    "lamp",
    "iron",
    "hair dryer",
)
NATURAL_THEMES = ("leopard", "zebra", "tiger", "giraffe", "camouflage", "wood", "brick", "marble", "galaxy")
COLORED_THEMES = ("plain", "stripes", "dots", "checks", "floral", "waves", "hearts", "stars")
THEMES = NATURAL_THEMES + COLORED_THEMES

COLORS = {
    "red": (208, 34, 40),
    "orange": (243, 128, 24),
    "yellow": (247, 212, 48),
    "green": (44, 148, 68),
    "turquoise": (48, 194, 192),
    "blue": (38, 84, 206),
    "purple": (124, 56, 172),
    "pink": (246, 128, 178),
    "brown": (116, 70, 40),
    "black": (30, 30, 33),
    "white": (243, 243, 240),
    "grey": (124, 127, 133),
}
NATURAL = "natural"  # the color name of every natural theme: a leopard has one color of its own

LOOKS = [(theme, NATURAL) for theme in NATURAL_THEMES] + [
    (theme, color) for theme in COLORED_THEMES for color in COLORS
]

CREAM = (250, 248, 242)
_AMBER = (146, 90, 20)
_WHITE_INKS = ((168, 173, 180), (160, 166, 174))
_WHITE_PETALS = ((232, 138, 156), (138, 160, 220), (164, 169, 177))


def check_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return `name` if it is known; else raise RagError that lists the known ones and suggests the nearest."""
    known = tuple(known)
    if name in known:
        return name
    raise RagError(f"Unknown {kind} {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}.")


def check_look(theme: str, color: str) -> None:
    """Raise RagError unless (theme, color) is one of LOOKS."""
    check_name("theme", theme, THEMES)
    if theme in NATURAL_THEMES:
        if color != NATURAL:
            raise RagError(f"The theme {theme!r} has its own colors, not {color!r}: give the color {NATURAL!r}.")
        return
    if color == NATURAL:
        raise RagError(f"The theme {theme!r} needs a color, not {NATURAL!r}: one of {', '.join(COLORS)}.")
    check_name("color", color, COLORS)


def vary(rng: np.random.Generator, rgb, amount: float = 9.0) -> np.ndarray:
    """A color near `rgb`: every channel moves by up to `amount`, the brightness by 6 percent."""
    color = np.asarray(rgb, np.float32) * rng.uniform(0.94, 1.06) + rng.uniform(-amount, amount, 3)
    return np.clip(color, 0, 255).astype(np.float32)


def ink_for(rng: np.random.Generator, color: str, *, light: bool = False) -> np.ndarray:
    """The color in which a motif is printed on `color`: always in clear contrast to it; `light`: never a dark tone."""
    cream = rng.random() < 0.8
    if color == "white":
        return vary(rng, _WHITE_INKS[int(cream)], 4)
    if color == "yellow":
        return vary(rng, _AMBER if cream else CREAM, 4)
    if light or color not in ("orange", "turquoise", "pink"):
        return vary(rng, CREAM, 4)
    return vary(rng, CREAM if cream else np.multiply(COLORS[color], 0.42), 4)


def petals_for(rng: np.random.Generator, color: str) -> np.ndarray:
    """The color of the flowers printed on `color`."""
    if color == "white":
        return vary(rng, _WHITE_PETALS[rng.integers(3)], 5)
    return vary(rng, CREAM, 4) if color != "yellow" else vary(rng, (255, 253, 248), 2)

"""The drawn world: product pictures and query pictures from a random generator and the names of a look.

draw_product(rng, "toaster", "leopard", "natural")      a toaster with leopard print
draw_query_picture(rng, "leopard", "natural")           a leopard, no product
"""

import numpy as np

from rag_lib.drawn.drawing.palette import (
    CATEGORIES,
    COLORED_THEMES,
    COLORS,
    LOOKS,
    NATURAL,
    NATURAL_THEMES,
    THEMES,
)
from rag_lib.drawn.drawing.products import draw_product
from rag_lib.drawn.drawing.scenes import NO_FLOWERS, QUERY_KINDS, draw_query_picture

DRAWING_VERSION = 1  # raise it when the drawings change: older folders are then drawn again

__all__ = [
    "CATEGORIES",
    "COLORED_THEMES",
    "COLORS",
    "DRAWING_VERSION",
    "LOOKS",
    "NATURAL",
    "NATURAL_THEMES",
    "NO_FLOWERS",
    "QUERY_KINDS",
    "THEMES",
    "draw_picture",
    "draw_product",
    "draw_query_picture",
]


def draw_picture(
    rng: np.random.Generator, category: str | None, theme: str, color: str, kind: str | None, size: int
) -> np.ndarray:
    """A product, or without a category a query picture of a kind."""
    if category:
        return draw_product(rng, category, theme, color, size)
    return draw_query_picture(rng, theme, color, kind, size)

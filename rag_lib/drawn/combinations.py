"""What can be drawn, under which labels, and which of it training never sees.

A combination is (category, theme, color). Those that are held out, and the held-out kinds of query pictures, are what
the evaluation asks of a model to see whether it has learned to combine.
"""

import hashlib

from rag_lib.drawn.drawing import CATEGORIES, COLORS, LOOKS, NATURAL, NO_FLOWERS, QUERY_KINDS, THEMES

COLOR_LABELS = (*COLORS, NATURAL)
LABELS = {"category": CATEGORIES, "theme": THEMES, "color": COLOR_LABELS}
HERO = ("phone case", "leopard", NATURAL)


def is_held_out(category: str, theme: str, color: str) -> bool:
    """Whether training never sees this combination: about one in ten, by hash, and the hero's leopard phone case."""
    if (category, theme, color) == HERO:
        return True
    return hashlib.sha256(f"{category}|{theme}|{color}".encode()).digest()[0] % 10 == 0


COMBINATIONS = tuple((category, *look) for category in CATEGORIES for look in LOOKS)
SEEN = tuple(combination for combination in COMBINATIONS if not is_held_out(*combination))
HELD_OUT = tuple(combination for combination in COMBINATIONS if is_held_out(*combination))
# Whole kinds of query pictures that training never sees, for the evaluation to ask with; every theme but brick has one.
HELD_OUT_KINDS = ("t-shirt", "floor", "gift")


def query_kinds(theme: str, color: str, *, held_out: bool) -> tuple[str, ...]:
    """The kinds of query pictures that show this look: those of `HELD_OUT_KINDS`, or all others.

    No meadow blooms in black, grey, brown or green.
    """
    return tuple(
        kind
        for kind in QUERY_KINDS[theme]
        if (kind in HELD_OUT_KINDS) == held_out and not (kind == "flower field" and color in NO_FLOWERS)
    )

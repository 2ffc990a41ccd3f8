"""The seventeen motifs, printed large: what makes a leopard case a leopard case (the natural ones: `natural`).

In: a look (theme, color) and a period, the length after which the motif repeats, as a part of the side.
Out: (side, side, 3) float32 RGB, and the base color that covers most of it.
"""

import numpy as np

from rag_lib.drawn.drawing.fields import (
    lattice,
    mix,
    place,
    print_shapes,
    sheet,
    step,
    turned_grid,
)
from rag_lib.drawn.drawing.natural import NATURAL_MOTIFS
from rag_lib.drawn.drawing.palette import COLORS, NATURAL, check_look, ink_for, petals_for, vary
from rag_lib.drawn.drawing.shapes import DISC, FLOWER, HEART, STAR, oval

# how long a motif's repeat is beside the others': what is intricate is printed larger
_REPEAT = {
    "dots": 1.1,
    "hearts": 1.28,
    "stars": 1.3,
    "floral": 1.3,
    "leopard": 1.16,
    "tiger": 1.3,
    "giraffe": 1.15,
    "checks": 1.05,
}
TAU = np.float32(2 * np.pi)


def texture(
    rng: np.random.Generator, theme: str, color: str, side: int, *, period: float = 0.16
) -> tuple[np.ndarray, np.ndarray]:
    """Print one motif; returns the picture and its dominant RGB."""
    check_look(theme, color)
    period = period * rng.uniform(0.88, 1.12) * _REPEAT.get(theme, 1.0)
    if color == NATURAL:
        motif, usual = NATURAL_MOTIFS[theme]
        base = vary(rng, usual, 5)
        return motif(rng, side, period, base).astype(np.float32), base
    base = vary(rng, COLORS[color], 8 if color not in ("black", "white", "grey") else 4)
    ink = petals_for(rng, color) if theme == "floral" else ink_for(rng, color, light=theme == "checks")
    return _MOTIFS[theme](rng, side, period, base, ink).astype(np.float32), base


def _plain(rng, side, period, base, ink):
    return sheet(side, base)


def _stripes(rng, side, period, base, ink):
    """Straight bands, the base color the wider."""
    direction = rng.choice([0, 90, 45, -45]) + rng.normal(0, 4)
    along, _ = turned_grid(side, direction)
    wave = np.sin(along * (TAU / np.float32(period * 0.9)) + np.float32(rng.uniform(0, 6)))
    return mix(step(wave - np.float32(0.46), side, 5.8 / period), base, ink)


def _checks(rng, side, period, base, ink):
    """Gingham (crossing bands) or a checkerboard: square and upright, so that nothing else looks like it."""
    along, across = turned_grid(side, rng.normal(0, 3))
    scale = TAU / np.float32(period)
    u, v = np.sin(along * scale + np.float32(rng.uniform(0, 6))), np.sin(across * scale + np.float32(rng.uniform(0, 6)))
    slope = 6.3 / period
    if rng.random() < 0.5:
        bands = (step(u - np.float32(0.25), side, slope) + step(v - np.float32(0.25), side, slope)) * np.float32(0.5)
        return mix(bands * bands * np.float32(0.45) + bands * np.float32(0.55), base, ink)
    return mix(step(u * v - np.float32(0.07), side, slope * 0.8), base, ink)


def _waves(rng, side, period, base, ink):
    """Parallel lines that swing widely and regularly."""
    along, across = turned_grid(side, rng.choice([0, 90]) + rng.normal(0, 6))
    swing = np.sin(across * (TAU / np.float32(period * 2.1)) + np.float32(rng.uniform(0, 6)))
    wave = np.sin(along * (TAU / np.float32(period)) + swing * np.float32(1.75))
    return mix(step(wave - np.float32(0.48), side, 9.0 / period), base, ink)


def _stamped(shape, size, turn):
    """A motif of one unit shape, repeated."""

    def motif(rng, side, period, base, ink):
        image = sheet(side, base)
        at = lattice(rng, period, 0.03, rng.normal(0, 6))
        sizes = rng.uniform(0.92, 1.08, len(at)) * (size * period)
        degrees = rng.normal(0, turn, len(at))
        print_shapes(image, [place(shape, p, s, d) for p, s, d in zip(at, sizes, degrees, strict=True)], ink)
        return image

    return motif


def _floral(rng, side, period, base, ink):
    """Five petals, a golden heart and two leaves."""
    image = sheet(side, base)
    at = lattice(rng, period * 1.12, 0.05, rng.normal(0, 8))
    size = 0.38 * period
    degrees = rng.uniform(0, 360, len(at))
    leaf = oval(1.12, 0, 0.42, 0.2)
    green = vary(rng, (52, 118, 62)) if base[1] < 1.2 * base[0] else vary(rng, (30, 84, 52))
    for turn in (10, 130):
        print_shapes(image, [place(leaf, p, size, d + turn) for p, d in zip(at, degrees, strict=True)], green)
    print_shapes(image, [place(FLOWER, p, size, d) for p, d in zip(at, degrees, strict=True)], ink)
    print_shapes(image, [place(DISC, p, size * 0.32) for p in at], vary(rng, (242, 178, 30), 6))
    return image


_MOTIFS = {
    "plain": _plain,
    "stripes": _stripes,
    "dots": _stamped(DISC, 0.29, 0),
    "checks": _checks,
    "floral": _floral,
    "waves": _waves,
    "hearts": _stamped(HEART, 0.37, 7),
    "stars": _stamped(STAR, 0.37, 9),
}

"""Building blocks of the motifs: coordinates, soft noise, and patterns printed from stamps.

A field is a (side, side) float32 array; coordinates run from 0 to 1, lengths are parts of the side. Random numbers
are drawn on grids that do not depend on `side`, so that one seed gives one picture at every resolution.
"""

import cmath
import math
from functools import lru_cache

import cv2
import numpy as np

from rag_lib.drawn.drawing.canvas import SUBPIXEL, to_pixels
from rag_lib.drawn.drawing.shapes import turned


@lru_cache(maxsize=16)
def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every pixel."""
    steps = (np.arange(side, dtype=np.float32) + 0.5) / side
    return np.broadcast_to(steps[None, :], (side, side)), np.broadcast_to(steps[:, None], (side, side))


def turned_grid(side: int, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along and across a direction."""
    x, y = grid(side)
    cos, sin = np.float32(np.cos(np.radians(degrees))), np.float32(np.sin(np.radians(degrees)))
    return x * cos + y * sin, y * cos - x * sin


def noise(rng: np.random.Generator, side: int, size: float, octaves: int = 2) -> np.ndarray:
    """Soft random hills about `size` wide, of mean 0 and deviation near 0.7."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        n = int(np.ceil(2**octave / size)) + 3
        hills = rng.standard_normal((n, n)).astype(np.float32)
        total += cv2.resize(hills, (side, side), interpolation=cv2.INTER_CUBIC) / 2**octave
    return total


def step(field: np.ndarray, side: int, slope: float) -> np.ndarray:
    """0 below, 1 above zero, with an edge about two pixels soft; `slope`: how fast the field changes per unit."""
    return np.clip(field * (side / (2.0 * slope)) + 0.5, 0, 1)


def mix(amount: np.ndarray, low, high) -> np.ndarray:
    """`low` where amount is 0, `high` where it is 1: (side, side, 3)."""
    low = np.asarray(low, np.float32)
    return low + (np.asarray(high, np.float32) - low) * amount[..., None]


def lattice(rng: np.random.Generator, period: float, jitter: float = 0.0, tilt: float = 0.0) -> np.ndarray:
    """Centers of a pattern on offset rows, (n, 2), reaching a little over the edges of the unit square."""
    rows, columns = int(np.ceil(1.5 / (period * 0.9))) + 1, int(np.ceil(1.5 / period)) + 1
    row, column = np.mgrid[0:rows, 0:columns]
    x = (column + 0.5 * (row % 2)) * period
    y = row * period * 0.9
    at = np.stack([x, y], -1).reshape(-1, 2) - 0.25 + rng.uniform(-0.5, 0.5, 2) * period
    at = at + rng.normal(0, 1, at.shape) * (jitter * period)
    at = turned(at.astype(np.float32), tilt, 0.5, 0.5)
    return at[((at > -0.6 * period) & (at < 1 + 0.6 * period)).all(1)]


def print_shapes(image: np.ndarray, outlines: list[np.ndarray], color) -> None:
    """Fill outlines that do not overlap each other (overlaps would be holes), in unit coordinates."""
    if outlines:
        side = image.shape[0]
        fixed = [to_pixels(outline, side) for outline in outlines]
        cv2.fillPoly(image, fixed, tuple(float(v) for v in color), cv2.LINE_AA, SUBPIXEL)


def sheet(side: int, color) -> np.ndarray:
    """A plain (side, side, 3) uint8 picture to print on."""
    image = np.empty((side, side, 3), np.uint8)
    image[:] = np.rint(color).astype(np.uint8)
    return image


def place(shape: np.ndarray, at, size: float, degrees: float = 0.0) -> np.ndarray:
    """A unit shape of `shapes`, scaled, turned clockwise and moved (in complex numbers: fast for many stamps)."""
    flat = np.ascontiguousarray(shape, np.float32).view(np.complex64)
    moved = flat * np.complex64(cmath.rect(size, math.radians(degrees))) + np.complex64(complex(at[0], at[1]))
    return moved.view(np.float32)

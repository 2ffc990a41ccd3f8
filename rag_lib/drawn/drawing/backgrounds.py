"""What lies behind and under a product: walls, tables, studio paper, light and shadow.

In: a random generator and the size in pixels. Out: (size, size, 3) float32 RGB; `lay_down` gives the final uint8.
"""

import cv2
import numpy as np

from rag_lib.drawn.drawing.fields import grid

_WALLS = (
    (236, 232, 226),
    (226, 231, 236),
    (214, 224, 216),
    (232, 220, 210),
    (220, 214, 226),
    (208, 220, 228),
    (238, 226, 206),
    (196, 204, 210),
    (176, 190, 186),
    (188, 178, 186),
    (150, 160, 172),
    (118, 126, 138),
    (84, 92, 106),
)
_TABLES = ((226, 208, 184), (202, 176, 146), (236, 234, 230), (170, 148, 128), (196, 202, 206), (132, 116, 106))


def room(rng: np.random.Generator, size: int, base: np.ndarray, *, table: bool) -> np.ndarray:
    """A quiet background whose brightness differs from the product's `base` color."""
    x, y = grid(size)
    glow = rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.5)
    light = 1.05 - 0.26 * ((x - np.float32(glow[0])) ** 2 + (y - np.float32(glow[1])) ** 2)
    wall = _contrasting(rng, _WALLS, base)
    board = _contrasting(rng, _TABLES, base)
    horizon = rng.uniform(0.6, 0.76)
    strength = rng.uniform(0.03, 0.1)
    back = wall * light[..., None]
    if table:
        below = np.clip((y - np.float32(horizon)) * size + 0.5, 0, 1)[..., None]
        fade = (1.06 - strength * 3 * np.abs(y - np.float32(horizon)))[..., None]
        back += (board * fade * (0.6 + 0.4 * light[..., None]) - back) * below
        rim = np.exp(-np.abs(y - np.float32(horizon)) * 26)[..., None]
        back *= 1 - np.float32(0.13) * rim
    return back


def _contrasting(rng: np.random.Generator, colors, base: np.ndarray) -> np.ndarray:
    """The first of three random colors that is clearly lighter or darker than `base`, else the farthest."""
    weights = np.float32([0.3, 0.59, 0.11])
    tries = [np.float32(colors[rng.integers(len(colors))]) + rng.uniform(-9, 9, 3).astype(np.float32) for _ in range(3)]
    far = [abs(float((one - base) @ weights)) for one in tries]
    return next((one for one, gap in zip(tries, far, strict=True) if gap > 45), tries[int(np.argmax(far))])


def lay_down(rng: np.random.Generator, product: np.ndarray, back: np.ndarray, *, stands: bool) -> np.ndarray:
    """Put a posed product, (size, size, 4) premultiplied, onto a background, with its shadow and a lamp's color."""
    size = len(back)
    cover = product[..., 3].astype(np.float32) / 255
    dx, dy = rng.uniform(-0.035, 0.035), rng.uniform(0.015, 0.04)
    blur, depth = rng.uniform(0.02, 0.035), rng.uniform(0.22, 0.42)
    small = cv2.resize(cover, (64, 64), interpolation=cv2.INTER_AREA)
    if stands:  # the shadow gathers where the product touches the table
        small = _squash(small)
    shift = np.float32([[1, 0, dx * 64], [0, 1, (0.006 if stands else dy) * 64]])
    shadow = cv2.GaussianBlur(cv2.warpAffine(small, shift, (64, 64)), (0, 0), blur * 64)
    shadow = cv2.resize(shadow, (size, size), interpolation=cv2.INTER_LINEAR)
    picture = back * (1 - np.float32(depth * (1.5 if stands else 1)) * np.minimum(shadow, 0.66))[..., None]
    light = rng.uniform(0.93, 1.06) * (1 + rng.uniform(-0.025, 0.025, 3))
    grain = rng.uniform(0.2, 2.2)
    picture = (picture * (1 - cover[..., None]) + product[..., :3]) * light.astype(np.float32)
    picture += rng.standard_normal((size, size, 1), dtype=np.float32) * np.float32(grain)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _squash(cover: np.ndarray) -> np.ndarray:
    """The shadow on the table: the product's outline pressed flat onto its lowest line, beside a faint full one."""
    rows = np.flatnonzero(cover.max(1) > 0.3)
    if not len(rows):
        return cover
    bottom, height = float(rows[-1] + 1), 0.2
    press = np.float32([[1, 0, 0], [0, height, bottom * (1 - height) + 0.5]])
    flat = cv2.warpAffine(cover, press, cover.shape[::-1])
    return np.maximum(flat, 0.35 * cover)

"""How a thing looks: the share of each category, theme and color in a picture, read by small linear models.

In: what the tower saw of a picture, and its pixels; out: one number between 0 and 1 for each label.
"""

from collections.abc import Mapping

import numpy as np

HUES, GREYS = 12, 4
COLORS = 2 * HUES + GREYS  # every hue pale and full, and greys from black to white
EDGE = 56  # pixels of the square that is counted
_WHITE = 246  # of 255: where all three channels are above it, it is the margin or a shop's background


class Reader:
    """Multinomial logistic regression, one label for each row of `weight`: (labels, d), `bias`: (labels,)."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray):
        self.weight, self.bias = weight, bias

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, d) -> (n, labels) float32, shares that sum to 1."""
        scores = features @ self.weight.T + self.bias
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def count_colors(squares: np.ndarray) -> np.ndarray:
    """(n, S, S, 3) uint8 RGB -> (n, 28) float32: square roots of the shares of hues and greys, white left out.

    Roots, because a few pixels of a color say more than their share. A picture that is white has the last grey alone.
    """
    step = squares.shape[1] // EDGE
    pixels = squares[:, ::step, ::step].reshape(len(squares), -1, 3)
    counts = np.stack([_count(rows) for rows in pixels])
    return np.sqrt(counts).astype(np.float32)


def _count(pixels: np.ndarray) -> np.ndarray:
    pixels = pixels[(pixels <= _WHITE).any(axis=1)].astype(np.float32) / 255
    if not len(pixels):
        return np.eye(COLORS)[-1]
    high, low = pixels.max(axis=1), pixels.min(axis=1)
    spread = high - low
    red, green, blue = pixels.T
    span = np.where(spread > 0, spread, 1)
    sector = np.select(
        [high == red, high == green], [((green - blue) / span) % 6, (blue - red) / span + 2], (red - green) / span + 4
    )
    hue = np.round(sector * HUES / 6).astype(int) % HUES
    grey = np.minimum((high * GREYS).astype(int), GREYS - 1)
    colored = (spread > 0.2 * high) & (high > 0.15)
    full = spread > 0.55 * high
    place = np.where(colored, hue + HUES * full, 2 * HUES + grey)
    return np.bincount(place, minlength=COLORS) / len(pixels)


def read_looks(readers: Mapping[str, Reader], features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Attribute -> (n, labels), the square roots of the shares: unit rows, whose dot product compares two pictures.

    (Bhattacharyya 1943.) The last label of "category" is that there is none of them; it is left out, so that what is
    no product has a short row.
    """
    roots = {name: np.sqrt(reader(features[name])) for name, reader in readers.items()}
    return {name: rows[:, :-1] if name == "category" else rows for name, rows in roots.items()}

"""How a thing looks: the share of each category and theme by small linear models, and its colors by their names.

In: what the tower saw of a picture, and its pixels; out: one number between 0 and 1 for each label.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from rag_lib.encoders.photo.words import unit

HUES = ("red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "red")
HUE_ENDS = (12, 40, 68, 160, 195, 255, 300, 340)  # degrees of the color wheel
COLORS = (*HUES[:8], "brown", "black", "white", "grey")
EDGE = 56  # pixels of the square that is named
_WHITE = 246  # of 255: where all three channels are above it, it is the margin or a shop's background
# Chosen on 68 photographs that have a color (the model card says which).
SPREAD = 0.45  # of the middle that counts, in halves of the thing's edges
SURROUNDED, LIKE = 100, 15  # how far a pixel gives way that is like the picture's border, and how near that is in Lab
# Chosen on 66 photographs that have a theme, so that the drawings' own themes stay what they are.
STRENGTH, FAINT = 20, 0.1  # how much a thing's name counts for its theme, and the cosine below which it says nothing
# Of 66 photographs with a theme, two of three are this sure of one, and 0.88 of these right; of 40 without, 0.08 are.
SURE = {"theme": 0.7, "color": 0.4}
SHARP = 4  # the power of colors that are not sure: a product has one, a photograph many. Chosen on 75 photographs
# Themes that have colors of their own: to ask for a leopard's would ask for another one.
OWN = ("leopard", "zebra", "tiger", "giraffe", "camouflage", "wood", "brick", "marble", "galaxy")
GREY = 0.15  # what a pixel without color counts, beside 1 for a full one


class Reader:
    """Multinomial logistic regression, one label for each row of `weight`: (labels, d), `bias`: (labels,)."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray):
        self.weight, self.bias = weight, bias

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, d) -> (n, labels) float32, shares that sum to 1."""
        scores = features @ self.weight.T + self.bias
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def name_colors(squares: np.ndarray) -> np.ndarray:
    """(n, S, S, 3) uint8 RGB -> (n, 12) float32, rows sum to 1: how much of the thing has each of `COLORS`.

    What counts is the middle, what is unlike the picture's border, and what has a color: most photographs show more of
    what is around a thing than of the thing.
    """
    step = squares.shape[1] // EDGE
    return np.stack([_name(np.ascontiguousarray(square[::step, ::step])) for square in squares])


def _name(square: np.ndarray) -> np.ndarray:
    there = (square <= _WHITE).any(axis=2)
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    if not len(rows):
        return np.eye(len(COLORS), dtype=np.float32)[COLORS.index("white")]
    inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    square, there = square[inside].astype(np.float32) / 255, there[inside]
    hue, saturation, value = np.moveaxis(cv2.cvtColor(square, cv2.COLOR_RGB2HSV), 2, 0)
    y, x = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in there.shape)
    weights = there * np.exp(-(y[:, None] ** 2 + x**2) / (2 * SPREAD**2)) * (GREY + saturation * value)
    if there.mean() > 0.85:  # else it is a cut-out on white, whose border is its own
        weights /= 1 + SURROUNDED * _bordering(cv2.cvtColor(square, cv2.COLOR_RGB2LAB))
    counts = np.bincount(_names(hue, saturation, value).ravel(), weights.ravel(), minlength=len(COLORS))
    return (counts / counts.sum()).astype(np.float32)


def _bordering(lab: np.ndarray) -> np.ndarray:
    """(h, w): the share of the border that each pixel is like."""
    band = np.ones(lab.shape[:2], bool)
    band[5:-5, 5:-5] = False
    border = lab[band]
    border = border[:: max(1, len(border) // 70)]
    distances = (lab**2).sum(axis=2, keepdims=True) + (border**2).sum(axis=1) - 2 * lab @ border.T  # squared
    return np.exp(-distances / (2 * LIKE**2)).mean(axis=2)


def _names(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The place in `COLORS` of each pixel. `hue`: degrees; `saturation`, `value`: 0 to 1."""
    red, orange, yellow = (
        (hue < HUE_ENDS[0]) | (hue >= HUE_ENDS[-1]),
        *((low <= hue) & (hue < high) for low, high in zip(HUE_ENDS, HUE_ENDS[1:3], strict=False)),
    )
    found = np.array([COLORS.index(name) for name in HUES])[np.digitize(hue, HUE_ENDS)]
    for name, where in (
        ("pink", red & (saturation < 0.5) & (value > 0.6)),
        ("brown", orange & ((value < 0.72) | (saturation < 0.5)) | red & (value < 0.4)),
        ("green", yellow & (value < 0.5)),
        ("grey", (saturation < 0.17) | (saturation * value < 0.1)),
    ):
        found[where] = COLORS.index(name)
    grey = found == COLORS.index("grey")
    found[grey & (value > 0.8)] = COLORS.index("white")
    found[(grey & (value < 0.3)) | (value < 0.18)] = COLORS.index("black")
    return found


def lean(shares: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """(n, themes) shares as drawings taught them, moved towards the themes that the thing itself speaks for.

    `evidence`: (n, themes) cosine between what the network takes the picture for and the things of each theme. A tiger
    has stripes even where the light makes other ones.
    """
    moved = shares * np.exp(STRENGTH * np.maximum(evidence - FAINT, 0))
    return moved / moved.sum(axis=1, keepdims=True)


def read_looks(shares: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Attribute -> (n, labels), the square roots of the shares: unit rows, whose dot product compares two pictures.

    (Bhattacharyya 1943.) The last label of "category" is that there is none of them; it is left out, so that what is
    no product has a short row.
    """
    roots = {name: np.sqrt(rows) for name, rows in shares.items()}
    return {name: rows[:, :-1] if name == "category" else rows for name, rows in roots.items()}


def settle(theme: np.ndarray, color: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What pictures ask for beside words: the theme that is sure or none, and the color, but beside a theme of `own`.

    `theme`, `color`: (n, labels) as `read_looks` gives them, and so are those that come back; `own`: (themes,) bool.
    Shares that are spread over labels would choose what is a little like all of them: for tigers stripes in orange.
    """
    theme = _best(theme) * _sure(theme, "theme")
    color = np.where(_sure(color, "color"), _best(color), unit(color**SHARP))
    return theme, color * ~theme[:, own].any(axis=1, keepdims=True)


def _sure(roots: np.ndarray, part: str) -> np.ndarray:
    return roots.max(axis=1, keepdims=True) ** 2 >= SURE[part]


def _best(roots: np.ndarray) -> np.ndarray:
    return np.eye(roots.shape[1], dtype=roots.dtype)[roots.argmax(axis=1)]

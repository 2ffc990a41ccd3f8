"""Whether a picture is like the drawings that the small readers learned from: drawn or photographed, in one number.

In: what the tower saw of pictures; out: how strange they are among drawings. It is made of drawings alone: a Gaussian
whose rarer directions share one variance (probabilistic principal components, Tipping and Bishop 1999), so that no
photograph had to be chosen to stand for all others.
"""

import numpy as np


class Typical:
    """`middle`, `scale`: (d,) of the features; `axes`: (k, d) orthonormal rows, `spread`: (k,) variances along them.

    `rest`: the variance in each of the other directions; `limit`: the strangeness up to which a picture is a drawing.
    """

    def __init__(self, middle, scale, axes, spread, *, rest: float, limit: float):
        self.middle, self.scale, self.axes, self.spread = middle, scale, axes, spread
        self.rest, self.limit = rest, limit

    def __call__(self, surfaces: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """(n,) the squared Mahalanobis distance for each dimension: about 1 for a drawing."""
        rows = (join(surfaces, logits) - self.middle) / self.scale
        along = rows @ self.axes.T
        beside = (rows**2).sum(axis=1) - (along**2).sum(axis=1)
        return ((along**2 / self.spread).sum(axis=1) + beside / self.rest) / rows.shape[1]


def join(surfaces: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """(n, 304) and (n, 1000) as the tower gives them -> (n, 1304), each picture's scores standardized."""
    scores = logits - logits.mean(axis=1, keepdims=True)
    return np.concatenate([surfaces, scores / scores.std(axis=1, keepdims=True)], axis=1)

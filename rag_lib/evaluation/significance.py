"""How sure a figure is: bootstrap intervals of a mean, and a paired test between two runs.

In: values per query, (n,) or (n, measures); out: intervals and p-values. Seeded: the same values give the same figures.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

RESAMPLES = 2000
PERMUTATIONS = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """`difference`: mean of a - b over `n` queries, `low` to `high` its 95% interval; `p`: two-sided."""

    n: int
    difference: float
    low: float
    high: float
    p: float


def interval(values: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """The percentile bootstrap's 95% interval of the mean over queries (Efron 1979): (2, ...) low and high.

    `values`: (n, ...). Where all values are equal the interval is that point: a bootstrap cannot see beyond its sample.
    """
    n = len(values)
    means = _resamples(n, seed) @ values.reshape(n, -1) / n
    tail = 50 * (1 - LEVEL)
    return np.percentile(means, [tail, 100 - tail], axis=0).reshape(2, *values.shape[1:])


@lru_cache(maxsize=32)
def _resamples(n: int, seed: int) -> np.ndarray:
    """(RESAMPLES, n) float64: how often each of `n` queries is drawn when `n` are drawn with replacement."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)


def permutation_p(difference: np.ndarray, *, seed: int = 0) -> float:
    """The two-sided p-value of a paired randomization test (Fisher; for retrieval: Smucker et al., CIKM 2007).

    `difference`: (n,) a - b for every query. If the two runs were the same system, each sign could as well be the
    other: p is the share of random signs whose mean is at least as far from 0, the observed signs counted among them.
    """
    difference = difference[difference != 0]  # those keep their 0 under any sign
    if not len(difference):
        return 1.0
    signs = np.random.default_rng(seed).integers(0, 2, (PERMUTATIONS, len(difference))) * 2.0 - 1
    observed = abs(difference.sum())
    as_far = np.abs(signs @ difference) >= observed - 1e-9 * max(1.0, observed)
    return float((as_far.sum() + 1) / (PERMUTATIONS + 1))


def compare(a: np.ndarray, b: np.ndarray, *, seed: int = 0) -> Comparison:
    """Two runs on the same queries by one measure; `a`, `b`: (n,) values, row for row of the same query."""
    difference = np.asarray(a, float) - np.asarray(b, float)
    low, high = interval(difference, seed=seed)
    return Comparison(len(a), float(difference.mean()), float(low), float(high), permutation_p(difference, seed=seed))

"""How sure a figure is: 95% intervals over queries, and a paired test of two runs on the same queries.

In: values of queries, as `measures.per_query` gives them; out: plain numbers, the same for the same values.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

LEVEL = 0.95
Z = float(stats.norm.ppf((1 + LEVEL) / 2))
RESAMPLES = 9999  # where values are not only 0 and 1
INTERVAL = f"{LEVEL:.0%}, Wilson's score interval over queries; of a difference Tango's, which is paired"
TEST = "paired randomization test over queries, exact"


@dataclass(frozen=True)
class Comparison:
    """`difference`: mean of a - b over `n` queries, `low` to `high` its 95% interval; `p`: two-sided."""

    n: int
    difference: float
    low: float
    high: float
    p: float

    def as_row(self) -> dict[str, float]:
        """Its fields to four digits, as reports keep them; p to four that count, because it is never 0."""
        return {name: round(value, 4) for name, value in vars(self).items()} | {"p": float(f"{self.p:.4g}")}


def interval(values: np.ndarray) -> np.ndarray:
    """The 95% score interval of the mean over queries (Wilson 1927): (2, ...) low and high.

    `values`: (n, ...) between 0 and 1. Where they are not only 0 and 1, n is the number of queries that would give a
    share the same variance (Korn and Graubard 1998). Unlike a bootstrap's it covers the truth also near 0 and 1, and
    is no point where all values are equal: no failure among 252 queries may be one in a hundred.
    """
    mean, variance = values.mean(axis=0), values.var(axis=0)
    n = np.divide(
        len(values) * mean * (1 - mean), variance, out=np.full_like(mean, len(values)), where=variance > 1e-12
    )
    shrink = Z**2 / n
    middle, reach = mean + shrink / 2, np.sqrt(shrink * (mean * (1 - mean) + shrink / 4))
    return np.clip(np.stack([middle - reach, middle + reach]) / (1 + shrink), 0, 1)


def compare(a: np.ndarray, b: np.ndarray) -> Comparison:
    """Two runs on the same queries by one measure; `a`, `b`: (n,) values, row for row of the same query.

    p is that of the paired randomization test (Fisher; for retrieval: Smucker et al., CIKM 2007): were the two runs the
    same system, each difference could as well have the other sign, and p is the share of all signs whose mean is as
    far from 0 as the observed one. Of differences of 0 and 1 that is the exact McNemar test.
    """
    difference = np.asarray(a, float) - np.asarray(b, float)
    n, disagree = len(difference), difference[difference != 0]  # the others keep their 0 under any sign
    if np.isin(disagree, (-1, 1)).all():
        better, worse = int((disagree > 0).sum()), int((disagree < 0).sum())
        low, high = _paired_interval(better, worse, n), -_paired_interval(worse, better, n)
        p = stats.binomtest(better, better + worse).pvalue if len(disagree) else 1.0
    else:
        options = dict(n_resamples=RESAMPLES, rng=0, vectorized=True)
        low, high = stats.bootstrap((difference,), np.mean, method="percentile", **options).confidence_interval
        p = stats.permutation_test((disagree,), np.mean, permutation_type="samples", **options).pvalue
    return Comparison(n, float(difference.mean()), float(low), float(high), float(p))


def _paired_interval(better: int, worse: int, n: int) -> float:
    """The lower end of the 95% score interval of (better - worse) / n (Tango 1998, Statistics in Medicine 17, 891).

    It is the least difference that a score test does not reject, `worse` having its most likely share under it.
    """

    def excess(difference: float) -> float:
        b = (2 * n - better + worse) * difference - better - worse
        share = (np.sqrt(b * b + 8 * n * worse * difference * (1 - difference)) - b) / (4 * n)
        return better - worse - n * difference - Z * np.sqrt(max(0, n * (2 * share + difference * (1 - difference))))

    observed = (better - worse) / n
    return -1.0 if worse == n else brentq(excess, -1, observed - 1e-9)

"""Intervals and tests against closed forms, SciPy and simulation."""

import numpy as np
import pytest
from scipy import stats

from rag_lib.evaluation.significance import compare, interval, permutation_p


def test_the_interval_of_equal_values_is_a_point_and_of_others_holds_the_mean():
    values = np.column_stack([np.ones(40), np.arange(40) % 2])
    low, high = interval(values)
    assert low[0] == high[0] == 1
    assert low[1] < 0.5 < high[1]
    assert high[1] - low[1] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 40), abs=0.05)  # the normal approximation


def test_the_interval_agrees_with_scipy():
    values = np.random.default_rng(1).exponential(size=80)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert interval(values) == pytest.approx([theirs.low, theirs.high], abs=0.02)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        low, high = interval((rng.random(80) < 0.7).astype(float))
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 400 <= 0.985


def test_a_p_value_by_hand():
    # All eight differences point one way: 2 of the 2^8 sign patterns are as far from 0.
    assert permutation_p(np.ones(8)) == pytest.approx(2 / 2**8, abs=0.003)
    assert permutation_p(np.array([1.0, -1.0])) == 1
    assert permutation_p(np.zeros(5)) == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_p_value_agrees_with_scipys_exact_test(seed):
    difference = np.random.default_rng(seed).normal(0.4, 1, 12)
    exact = stats.permutation_test((difference,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert permutation_p(difference) == pytest.approx(exact.pvalue, abs=0.015)


def test_under_no_difference_p_values_are_even():
    rng = np.random.default_rng(0)
    ps = np.array([permutation_p(rng.normal(size=30), seed=i) for i in range(200)])
    assert 0.02 <= (ps < 0.1).mean() <= 0.18 and 0.4 <= ps.mean() <= 0.6


def test_comparing_is_paired_and_seeded():
    rng = np.random.default_rng(0)
    hard = rng.random(200)  # what queries share is far larger than the difference
    a, b = hard + 0.01 + rng.normal(0, 0.01, 200), hard
    found = compare(a, b)
    assert found == compare(a, b)
    assert found.n == 200 and found.low < found.difference < found.high
    assert found.difference == pytest.approx(0.01, abs=0.003) and found.low > 0 and found.p < 0.001
    back = compare(b, a)
    assert back.difference == -found.difference and back.p == found.p

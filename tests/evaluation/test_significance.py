"""Intervals and tests against SciPy, closed forms, other ways to the same number, and simulation."""

import numpy as np
import pytest
from scipy import optimize, stats

from rag_lib.evaluation.significance import Z, compare, interval


def covers(bounds, truth):
    low, high = bounds
    return (low <= truth) & (truth <= high)


@pytest.mark.parametrize(("right", "n"), [(252, 252), (0, 252), (21, 21), (250, 252), (20, 21), (28, 40), (1, 1)])
def test_the_interval_of_a_share_is_wilsons(right, n):
    theirs = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert interval(np.arange(n) < right) == pytest.approx([theirs.low, theirs.high], abs=1e-9)
    assert theirs.low < theirs.high


def test_the_intervals_of_several_measures_are_those_of_each():
    values = np.random.default_rng(0).random((30, 2)) ** 0.2
    both = interval(values)
    assert both.shape == (2, 2)
    np.testing.assert_allclose(both.T, [interval(column) for column in values.T])
    assert (both[0] < values.mean(axis=0)).all() and (values.mean(axis=0) < both[1]).all()


def test_between_0_and_1_the_interval_is_a_large_samples_usual_one():
    values = np.random.default_rng(1).random(5000)
    usual = values.mean() + np.array([-1.96, 1.96]) * values.std() / np.sqrt(5000)
    assert interval(values) == pytest.approx(usual, abs=1e-4)


POPULATIONS = {
    "0.99 right": ([1, 0], [0.99, 0.01]),
    "0.98 right": ([1, 0], [0.98, 0.02]),
    "0.7 right": ([1, 0], [0.7, 0.3]),
    "reciprocal ranks near 1": ([1, 1 / 2, 1 / 3, 0.1, 0], [0.97, 0.015, 0.007, 0.005, 0.003]),
    "reciprocal ranks": ([1, 1 / 2, 1 / 3, 0.1, 0], [0.6, 0.15, 0.1, 0.1, 0.05]),
}


@pytest.mark.parametrize("n", [21, 252])
@pytest.mark.parametrize("population", POPULATIONS)
def test_the_interval_covers_the_truth_about_as_often_as_it_says(population, n):
    values, chances = POPULATIONS[population]
    samples = np.random.default_rng(0).choice(values, (n, 4000), p=chances)
    share = covers(interval(samples.astype(float)), np.dot(values, chances)).mean()
    assert 0.925 <= share <= 0.985


@pytest.mark.parametrize(("better", "worse", "n"), [(12, 4, 168), (0, 6, 21), (1, 1, 252), (30, 2, 40), (1, 0, 3)])
def test_the_interval_of_a_difference_ends_where_its_score_test_begins_to_reject(better, worse, n):
    """The share of `worse` that is likeliest under a difference, found by search, not by Tango's formula."""

    def score(difference):
        def unlikeliness(share):
            chances = np.array([share + difference, share, 1 - 2 * share - difference])
            return -np.dot([better, worse, n - better - worse], np.log(np.maximum(chances, 1e-300)))

        bounds = max(0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12
        share = optimize.minimize_scalar(unlikeliness, bounds=bounds, options={"xatol": 1e-12}).x
        return (better - worse - n * difference) / np.sqrt(n * (2 * share + difference - difference**2))

    found = compare(np.arange(n) < better, (np.arange(n) >= better) & (np.arange(n) < better + worse))
    assert found.low < found.difference < found.high
    assert score(found.low) == pytest.approx(Z, abs=1e-3) and score(found.high) == pytest.approx(-Z, abs=1e-3)


@pytest.mark.parametrize(("better", "worse", "n"), [(0.01, 0.01, 252), (0.02, 0, 21), (0.05, 0.02, 84), (0.3, 0.1, 40)])
def test_the_interval_of_a_difference_covers_the_truth_about_as_often_as_it_says(better, worse, n):
    """Exactly: over all counts of disagreements that `n` queries can have, by their chances."""
    share = 0
    for plus in range(n + 1):
        for minus in range(n + 1 - plus):
            chance = stats.multinomial.pmf([plus, minus, n - plus - minus], n, [better, worse, 1 - better - worse])
            if chance > 1e-5:
                found = compare(np.arange(n) < plus, (np.arange(n) >= plus) & (np.arange(n) < plus + minus))
                share += chance * covers((found.low, found.high), better - worse)
    assert share >= 0.93


def test_two_runs_that_agree_everywhere_may_still_differ_a_little():
    found = compare(np.ones(252), np.ones(252))
    assert (found.difference, found.p) == (0, 1) and found.high == -found.low == pytest.approx(Z**2 / (252 + Z**2))
    whole = compare(np.ones(5), np.zeros(5))
    assert 0 < whole.low < whole.difference == whole.high == 1 and compare(np.zeros(5), np.ones(5)).low == -1


def test_the_p_value_by_hand():
    # All eight differences point one way: 2 of the 2^8 sign patterns are as far from 0.
    assert compare(np.ones(8), np.zeros(8)).p == pytest.approx(2 / 2**8)
    assert compare(np.array([1, 0]), np.array([0, 1])).p == 1
    # Three of four: 1 + 4 patterns at each end, of 16.
    assert compare(np.array([1, 1, 1, 0, 1]), np.array([0, 0, 0, 1, 1])).p == pytest.approx(10 / 16)


@pytest.mark.parametrize("seed", range(3))
def test_the_p_value_of_shares_is_that_of_flipped_signs(seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.random((2, 60)) < [[0.8], [0.6]]).astype(float)
    signs = rng.choice([-1, 1], (40_000, 60))
    flipped = np.mean(np.abs(signs @ (a - b)) >= abs((a - b).sum()))
    assert compare(a, b).p == pytest.approx(flipped, abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_other_values_are_compared_by_scipys_bootstrap_and_permutations(seed):
    difference = np.random.default_rng(seed).normal(0.4, 1, 12)
    found = compare(difference, np.zeros(12))
    exact = stats.permutation_test((difference,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert found.p == pytest.approx(exact.pvalue)
    usual = stats.ttest_1samp(difference, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(usual), abs=0.35) and found == compare(
        difference, np.zeros(12)
    )


def test_under_no_difference_p_values_are_even():
    rng = np.random.default_rng(0)
    ps = np.array([compare(rng.normal(size=12), np.zeros(12)).p for _ in range(60)])
    assert 0.02 <= (ps < 0.1).mean() <= 0.18 and 0.4 <= ps.mean() <= 0.6


def test_of_random_signs_the_observed_ones_are_one():
    """However far they are from 0, p is not 0."""
    assert 0 < compare(np.linspace(1, 1.5, 200), np.zeros(200)).p <= 1e-3


def test_comparing_is_paired():
    rng = np.random.default_rng(0)
    hard = rng.random(200)  # what queries share is far larger than the difference
    a, b = hard + 0.01 + rng.normal(0, 0.01, 200), hard
    found = compare(a, b)
    assert found.n == 200 and found.low < found.difference < found.high
    assert found.difference == pytest.approx(0.01, abs=0.003) and found.low > 0 and found.p < 0.001
    back = compare(b, a)
    assert back.difference == -found.difference and back.p == pytest.approx(found.p, abs=1e-3)


def test_a_row_has_four_digits():
    row = compare(np.ones(3), np.array([1, 1, 0])).as_row()
    assert row == {"n": 3, "difference": 0.3333, "low": -0.4153, "high": 0.7923, "p": 1.0}
    assert compare(np.ones(40), np.zeros(40)).as_row()["p"] == 1.819e-12  # 2 / 2^40

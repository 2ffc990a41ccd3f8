"""One ranking out of several of the same candidates.

In: rankings of n candidates, each a permutation of 0 to n - 1, best first. Out: their consensus, and how far two
rankings are apart. Pure.
"""

from collections.abc import Sequence


def consensus(rankings: Sequence[Sequence[int]]) -> list[int]:
    """The candidates by their mean place, which is Borda's count; of equal ones the lower number goes first.

    Permutation self-consistency (Tang et al. 2023, arXiv 2310.07712) takes the ranking with the least sum of Kendall
    tau distances to all, Kemeny's, which is NP-hard to find. Borda's is within a factor of 5 of it (Coppersmith et
    al. 2006, "Ordering by weighted number of wins gives a good ranking for weighted tournaments") and in practice
    within a few percent: the test compares it with the best of all permutations.
    """
    total = [0] * len(rankings[0])
    for ranking in rankings:
        for place, candidate in enumerate(ranking):
            total[candidate] += place
    return sorted(range(len(total)), key=total.__getitem__)


def distance(one: Sequence[int], other: Sequence[int]) -> int:
    """Kendall's tau distance: how many pairs of candidates the two rankings put in opposite order."""
    place = {candidate: index for index, candidate in enumerate(other)}
    return sum(place[a] > place[b] for index, a in enumerate(one) for b in one[index + 1 :])

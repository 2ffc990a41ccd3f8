"""The measures of composed image retrieval, on rankings of picture ids, best first. Pure."""

from collections.abc import Sequence

import numpy as np

from rag_lib.evaluation.cir.records import CirQuery

NOWHERE = 1_000_000_000  # the rank of a target that was not found


def target_ranks(queries: Sequence[CirQuery], ranked: Sequence[Sequence[str]]) -> list[int]:
    """The rank, from 1, of every query's first target; `NOWHERE` if it is not in the ranking."""
    places = []
    for query, ids in zip(queries, ranked, strict=True):
        target = query.targets[0]
        places.append(ids.index(target) + 1 if target in ids else NOWHERE)
    return places


def recall(places: Sequence[int], k: int) -> float:
    """Recall@K in percent: the share of queries whose target is among the first `k`."""
    return 100 * float(np.mean([place <= k for place in places]))


def average_precision(ids: Sequence[str], targets: Sequence[str], k: int) -> float:
    """AP@K of one query, 0 to 1: the sum over ranks r <= K of precision(r) * right(r), over min(K, number of targets).

    Baldrati et al. 2023 (arXiv 2303.15247), as in github.com/miccunifi/CIRCO, src/evaluation.py: the denominator is
    what a perfect ranking would reach.
    """
    right = np.isin(ids[:k], targets)
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float((precision * right).sum() / min(k, len(targets)))

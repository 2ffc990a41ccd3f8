"""Two rankings of the same collection go in, one comes out: reciprocal rank fusion. Pure Python."""

from collections.abc import Iterable

K = 60  # the paper's constant: the larger, the less the first places count


def fuse(*rankings: Iterable[tuple[str, float]], k: int = K) -> list[str]:
    """The ids of all rankings, best first: an id's score is the sum of 1 / (k + rank) over the rankings that hold it.

    Cormack, Clarke and Buettcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", section 2. Each ranking: (id, score) pairs, scores descending. Equal scores (to six digits) share the
    first of their ranks: forty titles with the same words say nothing about the order among them, so the other
    ranking decides it. Ids that are equal after all come in the order in which the rankings name them.
    """
    totals: dict[str, float] = {}
    for ranking in rankings:
        shared, last = 0, None
        for rank, (image_id, score) in enumerate(ranking, start=1):
            if round(score, 6) != last:
                shared, last = rank, round(score, 6)
            totals[image_id] = totals.get(image_id, 0.0) + 1 / (k + shared)
    return sorted(totals, key=lambda image_id: -round(totals[image_id], 9))

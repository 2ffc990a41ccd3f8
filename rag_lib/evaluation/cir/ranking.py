"""Query vectors and a gallery -> the best ids of every query, in blocks, so that memory stays bounded."""

from collections.abc import Sequence

import numpy as np

BLOCK = 16 * 2**20  # scores held at once (float32: 64 MiB)


def rank(queries: np.ndarray, gallery: np.ndarray, ids: Sequence[str], k: int, *, bar=None) -> list[list[str]]:
    """The `k` best ids of every query, best first.

    `queries`: (q, dim), `gallery`: (n, dim), both float32 unit rows; `ids[i]` names row i of the gallery.
    Equal scores keep the order of `ids`. `bar`: a progress bar that is moved on by every query.
    """
    if not len(gallery):
        return [[] for _ in queries]
    found = []
    rows = max(1, BLOCK // len(gallery))
    for start in range(0, len(queries), rows):
        scores = queries[start : start + rows] @ gallery.T
        found += [[ids[i] for i in row] for row in best(scores, k)]
        if bar is not None:
            bar.update(len(scores))
    return found


def best(scores: np.ndarray, k: int) -> list[np.ndarray]:
    """(q, n) scores -> the positions of the `k` highest of every row, best first; equals keep their order."""
    k = min(k, scores.shape[1])
    floors = np.partition(scores, -k, axis=1)[:, -k]
    found = []
    for row, floor in zip(scores, floors, strict=True):
        near = np.flatnonzero(row >= floor)  # k of them, or more where the last place is tied
        found.append(near[np.argsort(-row[near], kind="stable")[:k]])
    return found

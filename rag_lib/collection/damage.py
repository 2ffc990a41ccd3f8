"""Whether a local collection still holds what was written: an open one goes in, yes or no comes out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rag_lib.collection.calls import MilvusError
from rag_lib.collection.filters import filter_expression
from rag_lib.collection.opening import is_exact

SAMPLE, PROBES = 1_000, 100  # rows that are looked at, and rows that are looked for in a graph


def is_damaged(collection: Any, stored: Sequence[str], cache: Any = None) -> bool:
    """Whether rows come twice, or vectors are not those that were written.

    `stored`: its ids. `cache`: an `EmbeddingCache` of what was written, if there is one. Of up to `SAMPLE` rows the
    stored vector is looked at, and the index's by the scores of a vector at random; a graph's by what it finds.
    """
    if collection.count() != len(stored):
        return True
    ids, where, one_bit = stored, "", {"atol": 1e-3, "rtol": 0}
    if len(stored) > SAMPLE:
        ids = np.random.default_rng().choice(stored, SAMPLE, replace=False).tolist()
        where = filter_expression({"image_id": ids})
    found = collection._call("query", filter=where, output_fields=["vector"], limit=len(ids), **collection._level)
    rows = np.array([row["vector"] for row in found], np.float32)
    cached = (None if cache is None else cache.get(row["image_id"]) for row in found)
    true = np.stack([row if known is None else known for known, row in zip(cached, rows, strict=True)])
    if not np.allclose(rows, true / np.linalg.norm(true, axis=1, keepdims=True), **one_bit):
        return True
    if not is_exact(collection._call):  # the scores of others are approximate, but a vector finds itself
        best = collection._best("vector", list(rows[:PROBES]), 1, "", ["image_id"])
        return sum(bool(pairs) and pairs[0][1] > 0.98 for pairs in best) < 0.9 * len(best)
    probe = np.random.default_rng(0).normal(size=collection.dim).astype(np.float32)
    probe /= np.linalg.norm(probe)
    expected = {row["image_id"]: cosine for row, cosine in zip(found, rows @ probe, strict=True)}
    try:
        scores = collection._best("vector", [probe], len(ids), where, ["image_id"])[0]
    except MilvusError:
        return True
    found = {row["image_id"]: score for row, score in scores}
    return not np.allclose([found.get(image_id, np.nan) for image_id in expected], [*expected.values()], **one_bit)

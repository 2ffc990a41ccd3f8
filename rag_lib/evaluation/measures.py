"""Retrieval measures by `ir-measures`, and the TREC files that carry runs and qrels to other tools.

A run: query id -> {image id: score}; qrels: query id -> {image id: 1} of the right answers. A run holds the first
`DEPTH` of each query: RR and AP count an answer further down as not found.

"Recall@k" is what papers on composed retrieval (CIRR, FashionIQ) call the share of queries with a right answer among
the first k. TREC's name for it is Success@k; where a query has one right answer, as in those data sets, it equals
TREC's recall, and where it has several it does not shrink with their number.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import ir_measures
import numpy as np

from rag_lib.errors import RagError
from rag_lib.paths import replacing

DEPTH = 100
FIRST = 9  # hits that a user looks at: as many as the panorama shows
MEASURES = {
    "Recall@1": ir_measures.Success @ 1,
    "Recall@5": ir_measures.Success @ 5,
    "Recall@10": ir_measures.Success @ 10,
    "MRR": ir_measures.RR,
    "mAP": ir_measures.AP,
    "nDCG@10": ir_measures.nDCG @ 10,
}
BLOCK = 16 * 2**20  # scores held at once (float64: 128 MiB)
_STEP = 1e-6  # the least distance of two scores in a run

Run = Mapping[str, Mapping[str, float]]
Qrels = Mapping[str, Mapping[str, int]]


def rank(
    queries: np.ndarray, gallery: np.ndarray, image_ids: Sequence[str], *, depth: int = DEPTH, without=None
) -> Iterator[dict[str, float]]:
    """The nearest `depth` pictures of every query: {image id: score}, best first.

    `queries`: (n, dim), `gallery`: (m, dim) float32, unit rows, row i for `image_ids[i]`; `without`: n image ids (or
    None) that are left out, each for one query. Equal scores are ordered by image id; then every score is lowered to
    at least 1e-6 below the one before it, so that tools that break ties in their own way see the same order.
    """
    order = sorted(range(len(image_ids)), key=image_ids.__getitem__)
    image_ids = [image_ids[i] for i in order]
    column = {image_id: place for place, image_id in enumerate(image_ids)}
    block = max(1, BLOCK // max(1, len(image_ids)))
    for start in range(0, len(queries), block):
        scores = (queries[start : start + block] @ gallery.T)[:, order].astype(np.float64)
        for row, image_id in enumerate((without or ())[start : start + block]):
            if image_id in column:
                scores[row, column[image_id]] = -np.inf
        for row in scores:
            best = _best(row, depth)
            best = best[row[best] > -np.inf]
            steps = _STEP * np.arange(len(best))
            lowered = (np.minimum.accumulate(row[best] + steps) - steps).round(7)
            yield {image_ids[i]: score for i, score in zip(best.tolist(), lowered.tolist(), strict=True)}


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """The positions of the `k` highest scores, best first; equals keep their order."""
    if k < len(scores):
        near = np.flatnonzero(scores >= np.partition(scores, -k)[-k])  # k, or more where the last place is tied
    else:
        near = np.arange(len(scores))
    return near[np.argsort(-scores[near], kind="stable")[:k]]


def per_query(run: Run, qrels: Qrels) -> np.ndarray:
    """(queries, measures) float64, rows in the order of `qrels`, columns in that of `MEASURES`.

    A query without hits scores 0. Raises RagError if the run is not of the queries of `qrels`: what was cut off would
    count as missed.
    """
    if run.keys() != qrels.keys():
        lacking = [query_id for query_id in qrels if query_id not in run]
        found = f"lacks {len(lacking):,} of {len(qrels):,} queries" if lacking else "has other queries beside"
        raise RagError(f"The run {found}: it was cut off, or is of other queries. Make it anew.")
    rows = {query_id: row for row, query_id in enumerate(qrels)}
    columns = {measure: column for column, measure in enumerate(MEASURES.values())}
    values = np.zeros((len(rows), len(columns)))
    known = {query_id: hits for query_id, hits in run.items() if hits}
    if known:
        for found in ir_measures.iter_calc(list(columns), dict(qrels), known):
            values[rows[found.query_id], columns[found.measure]] = found.value
    return values


def write_run(path: Path, run: Run, tag: str) -> None:
    """A TREC run file: "query Q0 image rank score tag" a line, rank from 1."""
    tag = "-".join(tag.split())
    with replacing(path) as beside, open(beside, "w", encoding="utf-8") as file:
        for query_id, hits in run.items():
            for place, (image_id, score) in enumerate(hits.items(), 1):
                file.write(f"{query_id} Q0 {image_id} {place} {score:.7f} {tag}\n")


def write_qrels(path: Path, qrels: Qrels) -> None:
    """A TREC qrels file: "query 0 image 1" a line."""
    with replacing(path) as beside, open(beside, "w", encoding="utf-8") as file:
        for query_id, images in qrels.items():
            file.writelines(f"{query_id} 0 {image_id} {grade}\n" for image_id, grade in images.items())


def read_run(path: Path) -> dict[str, dict[str, float]]:
    """A TREC run file. Raises RagError if it is missing or has another form."""
    run: dict[str, dict[str, float]] = {}
    try:
        for row in ir_measures.read_trec_run(str(path)):
            run.setdefault(row.query_id, {})[row.doc_id] = row.score
    except FileNotFoundError:
        raise RagError(f"There is no run file '{path.name}' in '{path.parent.name}'.") from None
    except (OSError, ValueError) as error:
        raise RagError(
            f"'{path.name}' is no TREC run ({error}): its lines are 'query Q0 image rank score tag'."
        ) from None
    return run

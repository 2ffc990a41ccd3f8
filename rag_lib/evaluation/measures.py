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
_STEP = 1e-6  # the least distance of two scores in a run

Run = Mapping[str, Mapping[str, float]]
Qrels = Mapping[str, Mapping[str, int]]


def rank(queries: np.ndarray, gallery: np.ndarray, image_ids: Sequence[str], *, without=None) -> Iterator[dict]:
    """The nearest `DEPTH` pictures of every query: {image id: score}, best first.

    `queries`: (n, dim), `gallery`: (m, dim) float32, unit rows, row i for `image_ids[i]`; `without`: n image ids (or
    None) that are left out, each for one query. Equal scores are ordered by image id; then every score is lowered to
    at least 1e-6 below the one before it, so that tools that break ties in their own way see the same order.
    """
    order = np.argsort(np.array(image_ids))
    image_ids = [image_ids[i] for i in order]
    column = {image_id: place for place, image_id in enumerate(image_ids)}
    scores = (queries @ gallery.T)[:, order].astype(np.float64)
    for row, image_id in enumerate(without or ()):
        if image_id in column:
            scores[row, column[image_id]] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    scores = np.take_along_axis(scores, best, axis=1)
    steps = _STEP * np.arange(scores.shape[1])
    scores = np.minimum.accumulate(scores + steps, axis=1) - steps
    for places, values in zip(best.tolist(), scores.round(7).tolist(), strict=True):
        yield {image_ids[i]: score for i, score in zip(places, values, strict=True) if score != -np.inf}


def per_query(run: Run, qrels: Qrels) -> np.ndarray:
    """(queries, measures) float64, rows in the order of `qrels`, columns in that of `MEASURES`.

    A query that the run lacks scores 0.
    """
    rows = {query_id: row for row, query_id in enumerate(qrels)}
    columns = {measure: column for column, measure in enumerate(MEASURES.values())}
    values = np.zeros((len(rows), len(columns)))
    known = {query_id: hits for query_id, hits in run.items() if query_id in rows and hits}
    if known:
        for found in ir_measures.iter_calc(list(columns), dict(qrels), known):
            values[rows[found.query_id], columns[found.measure]] = found.value
    return values


def write_run(path: Path, run: Run, tag: str) -> None:
    """A TREC run file: "query Q0 image rank score tag" a line, rank from 1."""
    tag = "-".join(tag.split())
    with open(path, "w", encoding="utf-8") as file:
        for query_id, hits in run.items():
            for place, (image_id, score) in enumerate(hits.items(), 1):
                file.write(f"{query_id} Q0 {image_id} {place} {score:.7f} {tag}\n")


def write_qrels(path: Path, qrels: Qrels) -> None:
    """A TREC qrels file: "query 0 image 1" a line."""
    with open(path, "w", encoding="utf-8") as file:
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

"""One command for CIRR, FashionIQ and CIRCO: a folder and an encoder in, a report (plain JSON) out.

Every query is asked as it is (composed), with its picture alone, with its text alone, and with the average of those two
embeddings; and it is scored twice, with its own reference ranked and with it taken out. The protocol says which of the
two is the published one.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from rag_lib.encoders import Encoder
from rag_lib.errors import RagError, did_you_mean
from rag_lib.evaluation.cir import circo, cirr, fashioniq
from rag_lib.evaluation.cir.gallery import Gallery, count_missing, encode_gallery
from rag_lib.evaluation.cir.published import find_published
from rag_lib.evaluation.cir.records import CirBenchmark, CirQuery
from rag_lib.evaluation.cir.submission import write_submissions
from rag_lib.evaluation.cir.ways import embed_ways
from rag_lib.evaluation.measures import rank
from rag_lib.paths import resolve

BENCHMARKS = {"cirr": cirr, "fashioniq": fashioniq, "circo": circo}
DEPTH = 50  # the deepest rank that any protocol reads, and that the test servers take


def evaluate_cir(
    name: str,
    folder: str | Path,
    encoder: Encoder,
    *,
    split: str = "val",
    gallery: str = "split",
    submission: str | Path | None = None,
    allow_missing: bool = False,
    batch_size: int = 32,
    cache=None,
    progress: bool = True,
) -> dict:
    """Measure an encoder on a benchmark: "cirr", "fashioniq" or "circo".

    `folder`: the data set in its official layout (see the benchmark's module). `split`: "val"; the test splits
    ("test1" of CIRR, "test" of CIRCO) have no public targets, and files for their servers are written into the folder
    `submission`. `gallery`: "split", the standard protocol; "all", every picture of every split, as VISTA measured
    (CIRR, FashionIQ); "captions", only pictures that a query names (FashionIQ). `allow_missing`: go on when pictures
    are missing or unreadable; they leave the gallery, and a query whose reference or target is missing counts as
    missed. `cache`: an `EmbeddingCache`, handed on to `encoder.encode_images`.

    Returns what `cir_table` prints: benchmark, split, gallery, protocol, encoder, fingerprint, queries, pictures,
    official (the complete data set's two numbers), missing, excludes_reference, rows (way -> measure -> percent),
    other_rows (the same with the reference treated the other way), published, submissions (names of files).
    Raises RagError for a folder that is not as published, and for missing pictures unless they are allowed.
    """
    if name not in BENCHMARKS:
        raise RagError(f"Unknown benchmark {name!r}.{did_you_mean(name, BENCHMARKS)} Known: {', '.join(BENCHMARKS)}.")
    benchmark = BENCHMARKS[name].load(folder, split, gallery)
    public = all(query.targets for query in benchmark.queries)
    if not public and submission is None:
        raise RagError(
            f"The targets of {benchmark.title}'s split {split} are not public: say into which folder the file for its "
            "test server shall be written, or measure on val."
        )
    encoded = encode_gallery(
        benchmark,
        encoder,
        allow_missing=allow_missing and public,
        batch_size=batch_size,
        cache=cache,
        progress=progress,
    )
    ways = embed_ways(benchmark, encoded, encoder, halves=public, batch_size=batch_size, progress=progress)
    report = {
        "benchmark": benchmark.title,
        "split": split,
        "gallery": gallery,
        "protocol": benchmark.protocol,
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
        "queries": benchmark.size[0],
        "pictures": benchmark.size[1],
        "official": list(benchmark.official),
        "missing": count_missing(benchmark, encoded.lacking),
        "excludes_reference": benchmark.excludes_reference,
        "rows": {},
        "other_rows": {},
        "published": find_published(name),
        "submissions": [],
    }
    rankings = {way: _rank(benchmark, encoded, vectors, f"rank, {way}", progress) for way, vectors in ways.items()}
    excludes = benchmark.excludes_reference
    if not public:
        submitted = {way: _cut(benchmark.queries, *lists, excludes=excludes) for way, lists in rankings.items()}
        report["submissions"] = write_submissions(benchmark, submitted, encoder.name, resolve(submission))
        return report
    for key, leave_out in (("rows", excludes), ("other_rows", not excludes)):
        for way, lists in rankings.items():
            measured = BENCHMARKS[name].measure(benchmark.queries, *_cut(benchmark.queries, *lists, excludes=leave_out))
            report[key][way] = {measure: round(value, 2) for measure, value in measured.items()}
    return report


def _rank(
    benchmark: CirBenchmark, gallery: Gallery, vectors: np.ndarray, label: str, progress: bool
) -> tuple[list[list[str]], list[list[str]]]:
    """For every query: the best of its gallery (one more than `DEPTH`, for the reference), and its subset in order.

    Equal scores are ordered by id, which says nothing about the answer. A row of zeros ranks nothing.
    """
    from tqdm.auto import tqdm

    def order(places: Sequence[int], ids: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        ids = [each for each in ids if each in gallery.rows]
        rows = gallery.vectors[[gallery.rows[each] for each in ids]]
        return zip(places, map(list, rank(vectors[places], rows, ids, depth=DEPTH + 1)), strict=True)

    queries, asked = benchmark.queries, vectors.any(axis=1)
    ranked: list[list[str]] = [[] for _ in queries]
    subsets: list[list[str]] = [[] for _ in queries]
    with tqdm(total=int(asked.sum()), desc=label, unit="query", disable=not progress) as bar:
        for name, ids in benchmark.galleries.items():
            places = [i for i, query in enumerate(queries) if asked[i] and query.gallery == name]
            for i, best in order(places, ids):
                ranked[i] = best
                bar.update()
    for i in np.flatnonzero(asked):
        _, subsets[i] = next(order([i], queries[i].subset))
    return ranked, subsets


def _cut(
    queries: Sequence[CirQuery], ranked: list[list[str]], subsets: list[list[str]], *, excludes: bool
) -> tuple[list[list[str]], list[list[str]]]:
    """The rankings as the measures read them: the reference taken out if `excludes`, then `DEPTH` deep."""

    def cut(query: CirQuery, ids: list[str]) -> list[str]:
        return [each for each in ids if not (excludes and each == query.reference)][:DEPTH]

    return [cut(q, ids) for q, ids in zip(queries, ranked, strict=True)], [
        cut(q, ids) for q, ids in zip(queries, subsets, strict=True)
    ]

"""The gallery's pictures -> unit rows, in one pass; what is missing is counted and named, never dropped in silence."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag_lib.encoders import Encoder
from rag_lib.errors import RagError
from rag_lib.evaluation.cir.records import CirBenchmark

NAMED = 3  # missing files that a message names


@dataclass(frozen=True)
class Gallery:
    """`vectors`: (n, dim) float32, unit rows; `rows`: picture id -> its row; `lacking`: id -> why it has none."""

    vectors: np.ndarray
    rows: Mapping[str, int]
    lacking: Mapping[str, str]


def encode_gallery(
    benchmark: CirBenchmark, encoder: Encoder, *, allow_missing: bool, batch_size: int, cache, progress: bool
) -> Gallery:
    """Embed every picture once, whatever galleries it is in. Raises RagError if any is missing, unless allowed.

    Files that are not there are found before the first is encoded, unreadable ones on the way; with a cache, what was
    encoded until then is not lost.
    """
    there = {each: path for each, path in benchmark.pictures.items() if path.is_file()}
    lacking = {each: "there is no such file" for each in benchmark.pictures if each not in there}
    if not allow_missing:
        _refuse(benchmark, lacking)
    encoded = encoder.encode_images(list(there.values()), batch_size=batch_size, progress=progress, cache=cache)
    reasons: dict[Path, str] = dict(encoded.skipped)
    lacking |= {each: reasons[path] for each, path in there.items() if path in reasons}
    if not allow_missing:
        _refuse(benchmark, lacking)
    row = {path: number for number, path in enumerate(encoded.kept)}
    return Gallery(encoded.vectors, {each: row[path] for each, path in there.items() if path in row}, lacking)


def count_missing(benchmark: CirBenchmark, lacking: Mapping[str, str]) -> dict:
    """Counts: pictures, and the queries that lost their reference or a target; `files`: the first names."""
    return {
        "pictures": len(lacking),
        "references": sum(query.reference in lacking for query in benchmark.queries),
        "targets": sum(any(each in lacking for each in query.targets) for query in benchmark.queries),
        "files": [benchmark.pictures[each].name for each in sorted(lacking)[:NAMED]],
    }


def _refuse(benchmark: CirBenchmark, lacking: Mapping[str, str]) -> None:
    if not lacking:
        return
    missing = count_missing(benchmark, lacking)
    first = sorted(lacking)[0]
    raise RagError(
        f"{missing['pictures']:,} of {len(benchmark.pictures):,} pictures of {benchmark.title} are missing or "
        f"unreadable (first: {missing['files'][0]}: {lacking[first]}); {missing['references']:,} queries lack their "
        f"reference and {missing['targets']:,} a target. Complete the folder; on a split with public targets, "
        "allow_missing=True (--allow-missing) goes on and counts such queries as missed."
    )

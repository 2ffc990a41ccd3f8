"""The composition meter: every query is asked in several ways, since one that a half answers alone measures nothing.

In: an encoder and a benchmark; out: a run for every gallery, every way, with and without the query's own picture.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rag_lib.encoders import Encoder
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.errors import RagError
from rag_lib.evaluation.drawn.benchmark import BENCHMARK_VERSION, Benchmark
from rag_lib.evaluation.drawn.plan import COMPOSED, GALLERIES, DrawnQuery
from rag_lib.evaluation.drawn.wear import wear_picture, wear_text
from rag_lib.evaluation.embedding import embed_queries
from rag_lib.evaluation.measures import Qrels, Run, rank
from rag_lib.images import open_image

# average: the normalized sum of the two halves' embeddings; worn: composed, after `wear.py`
WAYS = ("composed", "image only", "text only", "average", "worn")
OWN = ("excluded", "kept")  # the query's own picture; CIRR's protocol leaves it out
BATCH = 64


class Asked(NamedTuple):
    """A gallery asked in one way. `queries` are those of `run` and `qrels`, in the same order."""

    gallery: str
    own: str
    way: str
    queries: list[DrawnQuery]
    run: Run
    qrels: Qrels


def ways_of(family: str) -> tuple[str, ...]:
    """The ways in which a family can be asked: a query that has no words cannot be asked by words."""
    return WAYS if family in COMPOSED else (family,)


def ask(
    encoder: Encoder,
    benchmark: Benchmark,
    *,
    galleries: Sequence[str] = GALLERIES,
    cache: EmbeddingCache | None = None,
) -> Iterator[Asked]:
    """Embed all pictures and queries once, then rank every gallery. `cache`: of the pictures, for a second run."""
    plan = benchmark.plan
    ids = sorted({image_id for gallery in galleries for image_id in plan.galleries[gallery]})
    place = {image_id: row for row, image_id in enumerate(ids)}
    encoded = encoder.encode_images([benchmark.path(image_id) for image_id in ids], cache=cache)
    for path, reason in encoded.skipped:
        raise RagError(f"The benchmark's picture '{path.name}' is damaged ({reason}): delete it, it is drawn again.")
    vectors = _query_vectors(encoder, benchmark, encoded.vectors, place)
    for gallery in galleries:
        shown = plan.galleries[gallery]
        pictures = encoded.vectors[[place[image_id] for image_id in shown]]
        qrels = plan.qrels(gallery)
        for way in WAYS:
            queries = [query for query in plan.asked(gallery) if way in ways_of(query.family)]
            rows = np.stack([vectors[way][query.query_id] for query in queries])
            for own in OWN:
                without = [query.image_id for query in queries] if own == "excluded" else None
                ranked = rank(rows, pictures, shown, without=without)
                run = {query.query_id: hits for query, hits in zip(queries, ranked, strict=True)}
                yield Asked(gallery, own, way, queries, run, {q.query_id: qrels[q.query_id] for q in queries})


def _query_vectors(encoder: Encoder, benchmark: Benchmark, pictures: np.ndarray, place) -> dict[str, dict]:
    """way -> query id -> (dim,) unit vector."""
    queries = benchmark.plan.queries
    composed = [query for query in queries if query.family in COMPOSED]
    worded = [query for query in queries if query.text]
    texts, paths = [query.text for query in composed], [benchmark.path(query.image_id) for query in composed]
    worn = [_wear(number, path, text) for number, (path, text) in enumerate(zip(paths, texts, strict=True))]

    def by_id(asked: Sequence[DrawnQuery], rows: np.ndarray) -> dict[str, np.ndarray]:
        return {query.query_id: row for query, row in zip(asked, rows, strict=True)}

    def embed(way: str, images: Sequence, texts: Sequence[str]) -> np.ndarray:
        return embed_queries(encoder, images, texts, description=f"encode {way} queries", batch_size=BATCH)

    # A picture alone is embedded as a candidate is: those vectors are there already.
    image = {query.query_id: pictures[place[query.image_id]] for query in queries if query.image_id}
    text = by_id(worded, embed("text-only", [None] * len(worded), [query.text for query in worded]))
    sums = np.stack([image[query.query_id] + text[query.query_id] for query in composed])
    return {
        "composed": by_id(composed, embed("composed", paths, texts)),
        "image only": image,
        "text only": text,
        "average": by_id(composed, sums / np.linalg.norm(sums, axis=1, keepdims=True)),
        "worn": by_id(composed, embed("worn", *zip(*worn, strict=True))),
    }


def _wear(number: int, path: Path, text: str) -> tuple:
    rng = np.random.default_rng([BENCHMARK_VERSION, number])
    return wear_picture(rng, open_image(path)), wear_text(rng, text)

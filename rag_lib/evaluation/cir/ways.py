"""A benchmark's queries as vectors, asked in several ways: the composition meter.

A composed query that its picture alone, its text alone, or the average of the two answers as well measures nothing.
"""

from collections.abc import Sequence

import numpy as np

from rag_lib.encoders import Encoder
from rag_lib.evaluation.cir.circo import CONCEPT_TEXT
from rag_lib.evaluation.cir.gallery import Gallery
from rag_lib.evaluation.cir.records import CirBenchmark
from rag_lib.evaluation.embedding import embed_queries


def embed_ways(
    benchmark: CirBenchmark, gallery: Gallery, encoder: Encoder, *, halves: bool, batch_size: int, progress: bool
) -> dict[str, np.ndarray]:
    """way -> (queries, dim) float32: unit rows, and a row of zeros for a query that cannot be asked that way.

    That is every way where the reference is missing, and the text alone where it is empty. `halves`: whether to ask in
    other ways than composed. The picture alone is embedded as the gallery embeds it, so it costs nothing.
    """
    queries = benchmark.queries
    seen = np.array([query.reference in gallery.rows for query in queries])
    paths = [benchmark.pictures[q.reference] if q.reference in gallery.rows else None for q in queries]
    texts = [query.text for query in queries]

    def embed(way: str, images: Sequence, texts: Sequence[str]) -> np.ndarray:
        texts = [text if there else "" for text, there in zip(texts, seen, strict=True)]
        options = dict(batch_size=batch_size, progress=progress)
        return embed_queries(encoder, images, texts, description=f"encode, {way}", **options)

    ways = {"composed": embed("composed", paths, texts)}
    if any(query.concept for query in queries):
        named = [CONCEPT_TEXT.format(concept=query.concept, text=query.text) for query in queries]
        ways["composed, concept named"] = embed("composed, concept named", paths, named)
    if halves:
        image = np.zeros((len(queries), encoder.dim), np.float32)
        image[seen] = gallery.vectors[[gallery.rows[q.reference] for q in queries if q.reference in gallery.rows]]
        text = embed("text only", [None] * len(queries), texts)
        average = image + text
        average /= np.maximum(np.linalg.norm(average, axis=1, keepdims=True), 1e-12)  # zeros stay zeros
        ways |= {"image only": image, "text only": text, "average": average}
    return ways

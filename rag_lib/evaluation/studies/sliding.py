"""What sliding between picture and words does to composed queries whose answers are known.

In: a benchmark, its gallery's embeddings; out: for every position of the slider what comes first, query by query.
"""

from collections.abc import Sequence

import numpy as np

from rag_lib.encoders import Encoder
from rag_lib.encoders.mixing import blend
from rag_lib.evaluation.drawn.benchmark import Benchmark
from rag_lib.evaluation.drawn.plan import COMPOSED, DrawnQuery, answers
from rag_lib.evaluation.embedding import embed_queries
from rag_lib.evaluation.measures import FIRST, rank

WORDS = (0, 0.25, 0.5, 0.75, 1)  # positions: see `mix_query`
FIGURES = ("Recall@1", "as pictured", "as worded")


def slide(
    encoder: Encoder,
    benchmark: Benchmark,
    pictures: np.ndarray,
    gallery: str = "standard",
    *,
    words: Sequence[float] = WORDS,
) -> tuple[list[DrawnQuery], np.ndarray]:
    """The composed queries, and (positions, queries, 3) float64 with the columns of `FIGURES`.

    Recall@1: 1 if the first hit is a right answer; as pictured, as worded: the share of the first `FIRST` hits that
    show what the query's picture gives, and what its words ask for. Its own picture is left out.
    `pictures`: (m, dim) of the gallery in its order, unit rows.
    """
    plan, shelf, ids = benchmark.plan, benchmark.plan.shelf(gallery), benchmark.plan.galleries[gallery]
    queries = [query for query in plan.asked(gallery) if query.family in COMPOSED]
    own, texts = [query.image_id for query in queries], [query.text for query in queries]
    paths = [benchmark.path(image_id) for image_id in own]
    composed = embed_queries(encoder, paths, texts, description="encode composed queries")
    of_words = embed_queries(encoder, [None] * len(queries), texts, description="encode their words")
    of_pictures = pictures[[ids.index(image_id) for image_id in own]]
    figures = np.empty((len(words), len(queries), len(FIGURES)))
    for place, position in enumerate(words):
        mixed = blend(composed, of_pictures, of_words, position)
        for row, (query, hits) in enumerate(zip(queries, rank(mixed, pictures, ids, without=own), strict=True)):
            first = list(hits)[:FIRST]
            figures[place, row] = (
                first[0] in answers(query, shelf),
                np.mean([image_id in shelf.showing(query.from_picture) for image_id in first]),
                np.mean([image_id in shelf.showing(query.from_words) for image_id in first]),
            )
    return queries, figures

"""Recall@1 of an encoder on a drawn benchmark, with the composition meter.

Every query is asked four times: composed, with its picture alone, with its words alone, and with the average of those
two embeddings. A composed query that one part answers alone measures nothing.
"""

import numpy as np

from rag_lib.encoders import Encoder
from rag_lib.evaluation.drawn import Benchmark

WAYS = ("composed", "image only", "text only", "average")


def recall_at_1(encoder: Encoder, benchmark: Benchmark) -> dict[str, dict[str, float]]:
    """The share of queries whose nearest picture is a right answer: row -> way -> share.

    Rows are the families, each also split into combinations that training has seen and has not.
    """
    gallery = encoder.encode_images(benchmark.pictures).vectors
    queries = benchmark.queries
    images, texts = [query.image for query in queries], [query.text for query in queries]
    image = encoder.encode_queries(images, [None] * len(queries))
    text = encoder.encode_queries([None] * len(queries), texts)
    average = image + text
    vectors = {
        "composed": encoder.encode_queries(images, texts),
        "image only": image,
        "text only": text,
        "average": average / np.linalg.norm(average, axis=1, keepdims=True),
    }
    right = {
        way: np.array([benchmark.shown[i] == q.wanted for i, q in zip((v @ gallery.T).argmax(1), queries, strict=True)])
        for way, v in vectors.items()
    }
    rows = {}
    for family in dict.fromkeys(query.family for query in queries):
        for name, unseen in ((family, None), (f"{family}, seen", False), (f"{family}, unseen", True)):
            chosen = np.array([q.family == family and unseen in (None, q.unseen) for q in queries])
            rows[name] = {way: round(float(hits[chosen].mean()), 3) for way, hits in right.items()}
    return rows


def table(rows: dict[str, dict[str, float]]) -> str:
    """The rows as a Markdown table."""
    lines = ["| Recall@1 | " + " | ".join(WAYS) + " |", "|---|" + "--:|" * len(WAYS)]
    lines += [f"| {name} | " + " | ".join(f"{row[way]:.2f}" for way in WAYS) + " |" for name, row in rows.items()]
    return "\n".join(lines)

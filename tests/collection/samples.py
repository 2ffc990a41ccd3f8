"""Items and unit vectors for the collection's tests."""

from pathlib import Path

import numpy as np

from rag_lib.records import Item

DIM = 8


def vectors(n, seed=0):
    """(n, DIM) float32, unit rows."""
    rows = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def items(n, root=Path("/pictures")):
    themes = ["leopard", "zebra", None]
    return [
        Item(
            f"id{i:03}",
            root / f"{i}.jpg",
            f"picture {i}",
            {
                "category": "toaster" if i % 2 else "lamp",
                "theme": themes[i % 3],
                "price": 9.99 + i,
                "brand": '日本 "x"',
            },
        )
        for i in range(n)
    ]


def ids(hits):
    return [hit.item.image_id for hit in hits]

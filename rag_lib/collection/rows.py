"""Item to row of the collection and back, and the columns. A row is a dict of plain values; `path` is text."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rag_lib.errors import RagError
from rag_lib.records import Item

OWN = ("image_id", "vector", "path", "title")
TEXTS = ("category", "theme", "color")  # columns of their own, beside price; all other metadata is dynamic
# The title's words, counted; made by Milvus and read by its BM25 search. Milvus Lite weighs a word by its rarity within
# one segment, not within the collection: a few titles written later count for less until it has merged segments.
WORDS = "title_bm25"
MAX_ID = 64  # bytes
# Words that Milvus calls _english_ (Lucene's list); written out, because Milvus Lite does not know that name.
STOP_WORDS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
    "this to was will with"
).split()


def to_row(item: Item, vector: np.ndarray | None, *, root: Path | None = None) -> dict[str, Any]:
    """`path` becomes relative to `root` where it lies below it. RagError for metadata that the columns cannot hold."""
    if not 0 < len(item.image_id.encode()) <= MAX_ID:
        raise RagError(f"The image_id {item.image_id!r} has {len(item.image_id.encode())} bytes; 1 to {MAX_ID} fit.")
    metadata = {str(key): value for key, value in item.metadata.items() if not _missing(value)}
    if clash := metadata.keys() & {*OWN, WORDS}:
        raise RagError(f"The metadata of {item.image_id!r} has the reserved key {min(clash)!r}: rename it.")
    # numpy's numbers and arrays become plain ones, anything else that JSON lacks (a date, a path) its text
    row = json.loads(json.dumps(metadata, default=lambda value: getattr(value, "tolist", value.__str__)()))
    row |= {key: str(row[key]) for key in TEXTS if key in row}
    try:
        row |= {"price": float(row["price"])} if "price" in row else {}
    except (TypeError, ValueError):
        raise RagError(f"The price of {item.image_id!r} is {row['price']!r}; it must be a number.") from None
    path = Path(os.path.abspath(item.path))
    if root is not None and path.is_relative_to(os.path.abspath(root)):
        path = path.relative_to(os.path.abspath(root))
    return row | {"image_id": item.image_id, "vector": vector, "path": path.as_posix(), "title": item.title or ""}


def to_item(row: Mapping[str, Any], *, root: Path | None = None) -> Item:
    """The item that was stored; metadata without a value is left out."""
    row = {**row, **(row.get("$meta") or {})}  # some servers do not spread the dynamic keys
    metadata = {key: value for key, value in row.items() if key not in (*OWN, "$meta") and value is not None}
    return Item(row["image_id"], Path(root or "", row["path"]), row["title"], metadata)


def schema(dim: int, *, full: bool = True) -> Any:
    """The collection's schema for vectors of `dim`: the columns, and room for any other key.

    `full`: with nullable columns for the typed metadata, and the words of the titles for BM25. Servers before 2.5
    have neither; there the metadata is dynamic too, and a key without a value is absent.
    """
    from pymilvus import DataType, Function, FunctionType, MilvusClient

    made = MilvusClient.create_schema(enable_dynamic_field=True)
    made.add_field("image_id", DataType.VARCHAR, is_primary=True, max_length=MAX_ID)
    made.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    made.add_field("path", DataType.VARCHAR, max_length=65_535)
    if not full:
        made.add_field("title", DataType.VARCHAR, max_length=65_535)
        return made
    stop = {"type": "stop", "stop_words": STOP_WORDS}
    analyzer = {"tokenizer": "standard", "filter": ["lowercase", stop]}
    made.add_field("title", DataType.VARCHAR, max_length=65_535, enable_analyzer=True, analyzer_params=analyzer)
    made.add_field(WORDS, DataType.SPARSE_FLOAT_VECTOR)
    made.add_function(Function("bm25", FunctionType.BM25, ["title"], [WORDS]))
    for name in TEXTS:
        made.add_field(name, DataType.VARCHAR, max_length=65_535, nullable=True)
    made.add_field("price", DataType.DOUBLE, nullable=True)  # FLOAT would give 19.989999771 back for 19.99
    return made


def _missing(value: Any) -> bool:
    return value is None or isinstance(value, float) and math.isnan(value)  # pandas says NaN for an empty cell

"""Item to row of the collection and back, and the columns. A row is a dict of plain values; `path` is text."""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rag_lib.errors import RagError
from rag_lib.records import MAX_TEXT, Item, find_fault

OWN = ("image_id", "vector", "path", "title")
TEXTS = ("category", "theme", "color")  # columns of their own, beside price; all other metadata is dynamic
# The title's words, counted; made by Milvus and read by its BM25 search. Milvus Lite weighs a word by its rarity within
# one segment, not within the collection: a few titles written later count for less until it has merged segments.
WORDS = "title_bm25"
SOURCE = "rag_lib_source"  # on a server: the host and root folder that a row was written from
NO_METADATA = frozenset((*OWN, SOURCE))
COLUMNS = ("image_id", "path", "title", *TEXTS, "price")
MAX_ID = 64  # bytes
# Words that Milvus calls _english_ (Lucene's list); written out, because Milvus Lite does not know that name.
STOP_WORDS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
    "this to was will with"
).split()


def to_row(
    item: Item, vector: np.ndarray | None, *, root: Path | None = None, source: str | None = None
) -> dict[str, Any]:
    """`path` becomes relative to `root` where it lies below it. RagError for what the collection cannot hold.

    `source`: see `SOURCE`, None to leave it out.
    """
    if not 0 < (size := len(item.image_id.encode(errors="replace"))) <= MAX_ID:
        raise RagError(f"The image_id {item.image_id!r} has {size} bytes; 1 to {MAX_ID} fit.")
    subject = f"of {Path(item.path).name!r} (image_id {item.image_id!r})"
    metadata = {str(key): value for key, value in item.metadata.items() if not _missing(value)}
    if clash := metadata.keys() & {*OWN, WORDS, SOURCE}:
        raise RagError(f"The metadata {subject} has the reserved key {min(clash)!r}: rename it.")
    # numpy's numbers and arrays become plain ones, anything else that JSON lacks (a date, a path) its text
    row = json.loads(json.dumps(metadata, default=lambda value: getattr(value, "tolist", value.__str__)()))
    row |= {key: str(row[key]) for key in TEXTS if key in row}
    try:
        row |= {"price": float(row["price"])} if "price" in row else {}
    except (TypeError, ValueError, OverflowError):
        raise RagError(f"The price {subject} is {row['price']!r}; it must be a number.") from None
    path = Path(os.path.abspath(item.path))
    if root is not None and path.is_relative_to(os.path.abspath(root)):
        path = path.relative_to(os.path.abspath(root))
    row |= {"path": path.as_posix(), "title": item.title or ""} | ({SOURCE: source} if source else {})
    for key, value in row.items():
        if fault := find_fault({key: value}):
            raise RagError(f"The {key} {subject} cannot be stored: {fault}.")
    return row | {"image_id": item.image_id, "vector": vector}


def to_item(row: Mapping[str, Any], *, root: Path | None = None) -> Item:
    """The item that was stored; metadata without a value is left out."""
    return Item(row["image_id"], Path(root or "", row["path"]), row["title"], _metadata(row))


def same_as(root: Path | None) -> Callable[[Item, Mapping[str, Any] | None], bool]:
    """Whether an item would be stored as the row that is there, if one is. Most are told without writing it as a row.

    `root`: see `to_row`. RagError for what the collection cannot hold.
    """
    below = None if root is None else os.path.join(os.path.abspath(root), "")

    def is_same(item: Item, row: Mapping[str, Any] | None) -> bool:
        if row is None:
            to_row(item, None, root=root)  # what cannot be stored is told before it is embedded
            return False
        path = os.fspath(item.path)
        path = path.removeprefix(below) if below else path
        if path == row["path"] and (path.startswith("/") or len(path) < len(os.fspath(item.path))):
            if (item.title or "") == row["title"] and _metadata(row) == item.metadata:
                return True
        return to_item(row, root=root) == to_item(to_row(item, None, root=root), root=root)

    return is_same


def _metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spread(row).items() if value is not None and key not in NO_METADATA}


def spread(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its dynamic keys beside the others; some servers leave them in a field of their own."""
    return {**{key: value for key, value in row.items() if key != "$meta"}, **(row.get("$meta") or {})}


def schema(dim: int, *, full: bool = True) -> Any:
    """The collection's schema for vectors of `dim`: the columns, and room for any other key.

    `full`: with nullable columns for the typed metadata, and the words of the titles for BM25. Servers before 2.5
    have neither; there the metadata is dynamic too, and a key without a value is absent.
    """
    from pymilvus import DataType, Function, FunctionType, MilvusClient

    made = MilvusClient.create_schema(enable_dynamic_field=True)
    made.add_field("image_id", DataType.VARCHAR, is_primary=True, max_length=MAX_ID)
    made.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    made.add_field("path", DataType.VARCHAR, max_length=MAX_TEXT)
    if not full:
        made.add_field("title", DataType.VARCHAR, max_length=MAX_TEXT)
        return made
    stop = {"type": "stop", "stop_words": STOP_WORDS}
    analyzer = {"tokenizer": "standard", "filter": ["lowercase", stop]}
    made.add_field("title", DataType.VARCHAR, max_length=MAX_TEXT, enable_analyzer=True, analyzer_params=analyzer)
    made.add_field(WORDS, DataType.SPARSE_FLOAT_VECTOR)
    made.add_function(Function("bm25", FunctionType.BM25, ["title"], [WORDS]))
    for name in TEXTS:
        made.add_field(name, DataType.VARCHAR, max_length=MAX_TEXT, nullable=True)
    made.add_field("price", DataType.DOUBLE, nullable=True)  # FLOAT would give 19.989999771 back for 19.99
    return made


def _missing(value: Any) -> bool:
    return value is None or isinstance(value, float) and math.isnan(value)  # pandas says NaN for an empty cell

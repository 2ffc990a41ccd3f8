"""Search conditions go in, a Milvus filter expression comes out. Pure text; values are quoted, so any text is safe."""

import json
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from rag_lib.errors import RagError

Where = str | Mapping[str, Any] | None


def filter_expression(where: Where = None, *, exclude: str | Collection[str] = ()) -> str:
    """One expression that holds where all conditions hold; "" for none.

    `where`: a Milvus filter such as 'price < 20', kept as it is, or a mapping: {"category": "toaster"} equal;
    {"theme": ["leopard", "zebra"]} one of; {"price": (10, 20)} a range, both ends included, None leaves one open;
    {"color": None} no value. `exclude`: image ids to leave out.
    """
    if isinstance(where, str):
        parts = [where.strip()] if where.strip() else []
    elif where is None or isinstance(where, Mapping):
        parts = [part for key, value in (where or {}).items() for part in _conditions(key, value)]
    else:
        raise RagError(f"The filter is a {type(where).__name__}; give a Milvus filter or a mapping of keys to values.")
    ids = [exclude] if isinstance(exclude, str) else list(exclude)
    if ids:
        parts = [f"({part})" for part in parts] + [f"image_id not in {_literal(ids)}"]
    return " and ".join(parts)


def _conditions(key: Any, value: Any) -> list[str]:
    if not (isinstance(key, str) and key.isascii() and key.isidentifier()):
        raise RagError(f"The filter key {key!r} is not a plain name: use letters, digits and _.")
    if value is None:
        return [f"{key} is null"]
    if isinstance(value, tuple):
        numbers = [end for end in value if isinstance(end, int | float | np.number)]
        if len(value) != 2 or not numbers or len(numbers) + value.count(None) != 2:
            raise RagError(f"The filter {key}={value!r} is no range (low, high); for one of several give a list.")
        ends = zip((">=", "<="), value, strict=True)
        return [f"{key} {operator} {_literal(end)}" for operator, end in ends if end is not None]
    if isinstance(value, list | set | frozenset):
        return [f"{key} in {_literal(sorted(value, key=str))}"]  # sorted: the same search gives the same text
    return [f"{key} == {_literal(value)}"]


def _literal(value: Any) -> str:
    """JSON is also Milvus's way to write values; unescaped, because Milvus Lite misreads \\u escapes."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=lambda scalar: scalar.item())
    except (TypeError, ValueError, AttributeError):
        raise RagError(f"{value!r} cannot stand in a filter: use text, finite numbers, True or False.") from None

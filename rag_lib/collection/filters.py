"""Search conditions go in, a Milvus filter expression comes out. Pure text; values are quoted, so any text is safe."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from rag_lib.collection.rows import COLUMNS, SOURCE
from rag_lib.errors import QueryError, did_you_mean
from rag_lib.records import find_fault

Where = str | Mapping[str, Any] | None
# What Milvus's grammar keeps for itself: words, and the beginnings of its functions' names.
TAKEN = r"and|or|not|in|is|like|null|exists|empty|true|false|iso|interval|meta|(json|array|text|phrase|st|element)_.*"
SAMPLE = 1_000  # rows that are looked at to say why a filter finds nothing


def filter_expression(where: Where = None, *, exclude: str | Collection[str] = ()) -> str:
    """One expression that holds where all conditions hold; "" for none.

    `where`: a Milvus filter such as 'price < 20', kept as it is, or a mapping: {"category": "toaster"} equal, or among
    the values of a list; {"theme": ["leopard", "zebra"]} one of; {"price": (10, 20)} a range, both ends included, None
    leaves one open; {"color": None} no value. `exclude`: image ids to leave out. QueryError for what is no condition.
    """
    if isinstance(where, str):
        parts = [where.strip()] if where.strip() else []
    elif where is None or isinstance(where, Mapping):
        parts = [part for key, value in (where or {}).items() for part in _conditions(key, value)]
    else:
        raise QueryError(f"The filter is a {type(where).__name__}; give a Milvus filter or a mapping, key to value.")
    ids = [exclude] if isinstance(exclude, str) else list(exclude)
    if ids:
        parts = [f"({part})" for part in parts] + [f"image_id not in {_literal(ids)}"]
    return " and ".join(parts)


def one_of(key: str, value: Any) -> list[Any]:
    """The values that a condition allows: those of a list or set, or the one that is given. QueryError for none."""
    several = isinstance(value, list | set | frozenset)
    values = sorted(value, key=str) if several else [value]  # sorted: the same search gives the same text
    if not values or any(each is None or isinstance(each, Mapping | list | tuple | set | frozenset) for each in values):
        raise QueryError(f"The filter {key}={value!r} is not one of several: give a list of texts or numbers.")
    return values


def explain_nothing(where: Mapping[str, Any], rows: Callable[[str, int], list[Mapping[str, Any]]]) -> None:
    """QueryError if `where` found nothing, or everything, because a key is unknown or its values are of another kind.

    `rows`: a filter expression and a number -> that many rows, with their dynamic keys beside the others.
    """
    for key, value in where.items():
        if key in COLUMNS:
            continue
        holders = rows(f"exists {_field(key)}", SAMPLE)
        if not holders:
            known = sorted({name for row in rows("", SAMPLE) for name in row} - {"vector", SOURCE})
            if known:
                raise QueryError(f"No row has the key {key!r}.{did_you_mean(key, known)} Known: {', '.join(known)}.")
        elif value is not None:
            stored = [row[key] for row in holders]
            if _is_plain(key):  # otherwise the members of a list are not looked at
                stored = [each for held in stored for each in (held if isinstance(held, list) else [held])]
            asked = [end for end in value if end is not None] if isinstance(value, tuple) else one_of(key, value)
            if not {_kind(each) for each in asked} & {_kind(each) for each in stored}:
                raise QueryError(
                    f"No value of {key!r} can be compared with {value!r}: they are {_kind(stored[0])}, such as "
                    f"{stored[0]!r}. Ask for such a one, or correct the metadata."
                )


def _conditions(key: Any, value: Any) -> list[str]:
    if not (isinstance(key, str) and key.strip()):
        raise QueryError(f"The filter key {key!r} is no name of a value: use one of the metadata, such as 'category'.")
    field, column = _field(key), key in COLUMNS
    if value is None:
        return [f"{field} is null" if column else f"not exists {field}"]
    if isinstance(value, tuple):
        numbers = [end for end in value if isinstance(end, int | float | np.number)]
        if len(value) != 2 or not numbers or len(numbers) + value.count(None) != 2:
            raise QueryError(f"The filter {key}={value!r} is no range (low, high); for one of several give a list.")
        ends = zip((">=", "<="), value, strict=True)
        return [f"{field} {operator} {_literal(end)}" for operator, end in ends if end is not None]
    values = one_of(key, value)
    if column:
        several = isinstance(value, list | set | frozenset)
        return [f"{field} in {_literal(values)}" if several else f"{field} == {_literal(value)}"]
    # Milvus Lite has no `in` for a field of this form, and its `in` fails where a row holds a list.
    either = [f"{field} == {_literal(each)}" for each in values]
    if _is_plain(key):
        either.append(f"json_contains_any({key}, {_literal(values)})")
    return [_any(either)]


def _any(parts: list[str]) -> str:
    """One of them, in pairs of pairs: a server reads no expression that is nested a hundred deep."""
    half = len(parts) // 2
    return f"({_any(parts[:half])} or {_any(parts[half:])})" if half else parts[0]


def _field(key: str) -> str:
    """A column by its name; any other key so that it may hold spaces, any alphabet and Milvus's own words."""
    return key if key in COLUMNS else f"$meta[{_literal(key)}]"


def _is_plain(key: str) -> bool:
    """Whether Milvus Lite takes the key as a function's argument."""
    return key.isascii() and key.isidentifier() and not re.fullmatch(TAKEN, key, re.IGNORECASE)


def _kind(value: Any) -> str:
    kinds = {bool | np.bool_: "true or false", int | float | np.number: "numbers", str: "texts", list: "lists"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "objects")


def _literal(value: Any) -> str:
    """JSON is also Milvus's way to write values; unescaped, because Milvus Lite misreads \\u escapes."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=lambda scalar: scalar.item())
    except (TypeError, ValueError, AttributeError):
        raise QueryError(f"{value!r} cannot stand in a filter: use text, finite numbers, True or False.") from None
    if fault := find_fault(json.loads(text)):
        raise QueryError(f"A value cannot stand in a filter: {fault}.")
    return text

"""What a user knows about their pictures: `metadata.csv` or `metadata.jsonl` in, typed values for each file out.

One column (`file`, `file_name`, `filename` or `path`) names the picture, relative to the folder. `title` becomes the
item's title, everything else its metadata. Values are typed by column, so that a filter can compare them.
"""

import csv
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from rag_lib.errors import RagError

FILES = ("metadata.csv", "metadata.jsonl")
FILE_COLUMNS = ("file", "file_name", "filename", "path")
TEXT_COLUMNS = ("title", "category", "theme", "color")
RESERVED = ("image_id", "vector", "path", "title_bm25", "$meta")  # the collection's own fields
MAX_BYTES = 65_535  # what a collection holds of a text in a column of its own, and of all other values of a row
INT64 = range(-(2**63), 2**63)
NO_VALUE = ("n/a", "na", "nan", "null", "none", "-")  # in a column of numbers: an empty cell
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,18})", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d{1,3})?", re.ASCII)  # "007" is a code, "+49" a phone's


class Row(NamedTuple):
    """`file`: POSIX path relative to the folder. `values`: column -> value, without empty ones. `source`: the line."""

    file: str
    values: dict[str, Any]
    source: str


def same_name(name: str) -> str:
    """One spelling for a name: macOS writes é as e and an accent (NFD), most others as one letter (NFC)."""
    return unicodedata.normalize("NFC", name)


def read_metadata(paths: Sequence[Path]) -> dict[str, Row]:
    """`file` -> Row, from the one metadata file of a folder; empty if `paths` is.

    Raises RagError for more than one file, and with the line for what cannot be read or what no collection can hold.
    """
    if len(paths) > 1:
        names = " and ".join(path.name for path in paths)
        raise RagError(f"The folder '{paths[0].parent.name}' has {names}: keep one of them.")
    rows: dict[str, Row] = {}
    for path in paths:
        table = path.suffix.lower() == ".csv"
        try:
            for line, record in _read_csv(path) if table else _read_jsonl(path):
                row = _row(record, f"{path.name} line {line}")
                if row.file in rows:
                    raise RagError(
                        f"{row.source} names '{row.file}' again, after {rows[row.file].source}: keep one row."
                    )
                rows[row.file] = row
        except UnicodeDecodeError:
            raise RagError(f"{path.name} is not UTF-8 text: save it with that encoding.") from None
        except OSError as exc:
            raise RagError(f"{path.name} cannot be read ({exc.strerror}): allow reading it or move it away.") from None
        if table:
            _type_columns(rows)
    return rows


def _read_csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        # Spreadsheets write semicolons or tabs in some languages.
        reader = csv.reader(file, delimiter=max(",;\t", key=first.count), strict=True)
        try:
            columns = _columns(next(reader, []), f"{path.name} line {reader.line_num}")
            for values in filter(None, reader):
                if len(values) != len(columns):
                    raise RagError(
                        f"{path.name} line {reader.line_num} has {len(values)} values for {len(columns)} columns: "
                        "put values that hold a comma in double quotes."
                    )
                yield reader.line_num, dict(zip(columns, values, strict=True))
        except csv.Error as exc:
            raise RagError(f"{path.name} line {reader.line_num} is not valid CSV ({exc}): mend it.") from None


def _read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, count in Counter(key for key, _ in pairs).most_common(1):
            if count > 1:
                raise ValueError(f"the key '{key}' stands in one object {count} times")
        return dict(pairs)

    def number(text: str) -> int | float:
        value = _whole(text) if text.lstrip("-").isdecimal() else float(text)
        if value is None or not math.isfinite(value):
            raise RagError(f"{source} holds {text[:30]}, which is no 64-bit number: put it in double quotes.")
        return value

    numbers = dict.fromkeys(("parse_constant", "parse_int", "parse_float"), number)
    read = json.JSONDecoder(**numbers, object_pairs_hook=once).decode
    with open(path, encoding="utf-8-sig") as file:
        for place, line in enumerate(file, 1):
            if not line.strip():
                continue
            source = f"{path.name} line {place}"
            try:
                record = read(line.strip())
            except (ValueError, RecursionError) as exc:
                raise RagError(f"{source} is not valid JSON ({exc}): mend it.") from None
            if not isinstance(record, dict):
                raise RagError(f'{source} is not an object: expected {{"file": …, "title": …}}.')
            yield place, dict(zip(_columns(record, source), record.values(), strict=True))


def _columns(names: Iterable[str], source: str) -> list[str]:
    """The names as a filter asks for them, in lower case. RagError if that makes two of them one."""
    columns = [same_name(name).strip().lower() for name in names]
    for column, count in Counter(filter(None, columns)).most_common(1):
        if count > 1:
            raise RagError(f"{source} has the column '{column}' {count} times (case does not count): rename them.")
    return columns


def _row(record: dict[str, Any], source: str) -> Row:
    column = next((name for name in FILE_COLUMNS if name in record), None)
    if column is None:
        raise RagError(f"{source} has no column '{FILE_COLUMNS[0]}' (found: {', '.join(record)}): add it.")
    file = record.pop(column)
    if not isinstance(file, str) or not file.strip():
        raise RagError(f"{source} has no file name in the column '{column}': fill it in or remove the row.")
    values = {}
    for key, value in record.items():
        value = value.strip() if isinstance(value, str) else value
        if value is None or value == "":
            continue
        if key in RESERVED or not key:
            raise RagError(f"{source} has a column '{key}', which is taken: rename it.")
        if key == "price":
            value = _price(value, source)
        elif key in TEXT_COLUMNS:
            value = str(value)
        values[key] = value
    _check_storable(file, values, source)
    return Row(re.sub(r"^(\./)+", "", same_name(file.strip()).replace("\\", "/")), values, source)


def _check_storable(file: str, values: dict[str, Any], source: str) -> None:
    """Raise RagError for a row that no collection could hold, while its line is known."""
    texts = {f"the column '{key}'": values[key] for key in TEXT_COLUMNS if key in values}
    rest = {key: value for key, value in values.items() if key not in TEXT_COLUMNS}
    texts |= {"the file name": file, "the other columns": json.dumps(rest, ensure_ascii=False)}
    for where, text in texts.items():
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise RagError(f"{source} has half a character, such as \\ud83d, in {where}: write it whole.") from None
        if size > MAX_BYTES:
            raise RagError(f"{source} has {size:,} bytes in {where}, and {MAX_BYTES:,} fit: shorten it.")


def _price(value: Any, source: str) -> float:
    text = str(value).strip("$€£¥ ")
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise RagError(f"{source} has the price '{value}': expected a number such as 12.50.")
    return float(text)


def _type_columns(rows: dict[str, Row]) -> None:
    """CSV knows only text: a column in which every value is a number (or true, false) becomes numbers (bools)."""
    columns: dict[str, set[str]] = {}
    for row in rows.values():
        for key in row.values.keys() - {*TEXT_COLUMNS, "price"}:
            columns.setdefault(key, set()).add(row.values[key])
    for key, texts in columns.items():
        typed = _convert(texts)
        for values in (row.values for row in rows.values() if key in row.values):
            values[key] = typed[values[key]]
            if values[key] is None:
                del values[key]


def _convert(texts: set[str]) -> dict[str, Any]:
    """text -> its value in a column of these texts; None where it says that there is none.

    Numbers only where they keep every digit: two long ids must not become one.
    """
    given = [text for text in texts if text.lower() not in NO_VALUE]
    for convert in ({"true": True, "false": False}.get, _whole, _float):
        values = {text: convert(text.lower()) for text in given}
        if given and None not in values.values():
            return dict.fromkeys(texts) | values
    return {text: text for text in texts}


def _whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) and int(text) in INT64 else None


def _float(text: str) -> float | None:
    """None for what is no number, and for one of which a float would not give back the digits that are written."""
    if not _NUMBER.fullmatch(text) or not math.isfinite(value := float(text)):
        return None
    written = Decimal(text)
    if text.lstrip("-").isdecimal() and abs(written) > 2**53:  # an id, although this one may be exact by chance
        return None
    return value if Decimal(f"{value:.{len(written.as_tuple().digits) - 1}e}") == written else None

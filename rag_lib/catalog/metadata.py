"""What a user knows about their pictures: `metadata.csv` or `metadata.jsonl` in, typed values for each file out.

One column (`file`, `file_name`, `filename` or `path`) names the picture, relative to the folder. `title` becomes the
item's title, everything else its metadata. Values are typed by column, so that a filter can compare them.
"""

import csv
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rag_lib.errors import RagError

FILES = ("metadata.csv", "metadata.jsonl")
FILE_COLUMNS = ("file", "file_name", "filename", "path")
TEXT_COLUMNS = ("title", "category", "theme", "color")
RESERVED = ("image_id", "vector", "path")  # the collection's own fields
_NUMBER = re.compile(r"[-+]?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")  # "007" is a code, not a number


class Row(NamedTuple):
    """`file`: POSIX path relative to the folder. `values`: column -> value, without empty ones. `source`: the line."""

    file: str
    values: dict[str, Any]
    source: str


def read_metadata(folder: Path) -> dict[str, Row]:
    """`file` -> Row; empty if the folder has no metadata file. What cannot be read raises RagError with the line."""
    present = [folder / name for name in FILES if (folder / name).is_file()]
    if len(present) > 1:
        raise RagError(f"The folder '{folder.name}' has {FILES[0]} and {FILES[1]}: keep one of them.")
    if not present:
        return {}
    path = present[0]
    rows: dict[str, Row] = {}
    try:
        for line, record in _read_csv(path) if path.suffix == ".csv" else _read_jsonl(path):
            row = _row(record, f"{path.name} line {line}")
            if row.file in rows:
                raise RagError(f"{row.source} names '{row.file}' again, after {rows[row.file].source}: keep one row.")
            rows[row.file] = row
    except UnicodeDecodeError:
        raise RagError(f"{path.name} is not UTF-8 text: save it with that encoding.") from None
    except OSError as exc:
        raise RagError(f"{path.name} cannot be read ({exc.strerror}): allow reading it or move it away.") from None
    if path.suffix == ".csv":
        _type_columns(rows)
    return rows


def _read_csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        # Spreadsheets write semicolons or tabs in some languages.
        reader = csv.DictReader(file, delimiter=max(",;\t", key=first.count), strict=True)
        try:
            for record in reader:
                if None in record or None in record.values():
                    count = sum(value is not None for value in record.values()) + len(record.get(None, ())[1:])
                    raise RagError(
                        f"{path.name} line {reader.line_num} has {count} values for {len(reader.fieldnames)} columns: "
                        "put values that hold a comma in double quotes."
                    )
                yield reader.line_num, record
        except csv.Error as exc:
            raise RagError(f"{path.name} line {reader.line_num} is not valid CSV ({exc}): mend it.") from None


def _read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    def refuse(constant: str):
        raise ValueError(f"{constant} is no JSON value")

    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line, parse_constant=refuse)
            except (ValueError, RecursionError) as exc:
                raise RagError(f"{path.name} line {number} is not valid JSON ({exc}): mend it.") from None
            if not isinstance(record, dict):
                raise RagError(f'{path.name} line {number} is not an object: expected {{"file": …, "title": …}}.')
            yield number, record


def _row(record: dict[str, Any], source: str) -> Row:
    record = {str(key).strip().lower(): value for key, value in record.items()}
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
    return Row(re.sub(r"^(\./)+", "", file.strip().replace("\\", "/")), values, source)


def _price(value: Any, source: str) -> float:
    text = str(value).strip("$€£¥ ")
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise RagError(f"{source} has the price '{value}': expected a number such as 12.50.")
    return float(text)


def _type_columns(rows: dict[str, Row]) -> None:
    """CSV knows only text: a column in which every value is a number (or true, false) becomes numbers (bools)."""
    columns: dict[str, list[str]] = {}
    for row in rows.values():
        for key, value in row.values.items():
            columns.setdefault(key, []).append(value)
    for key, texts in columns.items():
        if key in TEXT_COLUMNS or key == "price":
            continue
        convert = _type_of(texts)
        for row in rows.values():
            if key in row.values:
                row.values[key] = convert(row.values[key])


def _type_of(texts: list[str]):
    if all(text.lower() in ("true", "false") for text in texts):
        return lambda text: text.lower() == "true"
    if all(_NUMBER.fullmatch(text) and math.isfinite(float(text)) for text in texts):
        whole = all(re.fullmatch(r"[-+]?\d{1,18}", text) for text in texts)  # 18 digits fit into 64 bits
        return int if whole else float
    return str

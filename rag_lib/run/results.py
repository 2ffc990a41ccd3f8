"""What a notebook found, as its cells tagged `result` show it: pictures, lines and tables, and the figures in these.

In: an executed notebook. Out: `Result`s, in order. A cell is tagged in its metadata; its code stays as it is.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import nbformat

TAG = "result"
BAR = "application/vnd.jupyter.widget-view+json"  # of progress
PICTURES = ("image/jpeg", "image/png")
ROW = re.compile(r"^\s*\|(.+)\|\s*$")
RULE = re.compile(r"^[\s|:-]+$")
NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*")
FIGURE = re.compile(r"(?<![\w.])[(\[]?[-+<]?\.?\d")  # where a number begins, with its bracket and sign
LABEL = re.compile(r":(?:\s+|$)")


@dataclass(frozen=True)
class Result:
    """One output. `kind`: "picture" (`content`: base64; `mime`: its type; `alt`: in words), "table" or "text"."""

    kind: str
    content: str
    mime: str = ""
    alt: str = ""


def read_results(nb: nbformat.NotebookNode) -> list[Result]:
    """The outputs of the tagged cells, as far as they are pictures, Markdown or text."""
    cells = [cell for cell in nb.cells if cell.cell_type == "code" and TAG in cell.metadata.get("tags", [])]
    found = []
    for output in (output for cell in cells for output in cell.outputs):
        data = output.get("data", {})
        mime = next((kind for kind in PICTURES if kind in data), "")
        if mime:
            alt = output.metadata.get(mime, {}).get("alt") or data.get("text/plain", "A picture")
            found.append(Result("picture", data[mime].replace("\n", ""), mime, alt))
        elif "text/markdown" in data:
            found.append(Result("table" if table_rows(data["text/markdown"]) else "text", data["text/markdown"]))
        elif output.get("name") == "stdout" or ("text/plain" in data and BAR not in data):
            found.append(Result("text", (output.get("text") or data.get("text/plain", "")).rstrip()))
    return found


def figures(results: Iterable[Result]) -> dict[str, str]:
    """label -> value, from lines and tables.

    "First: a lamp" -> {"First": "a lamp"}; "Found in place 3 of 9" -> {"Found in place": "3 of 9"}; a cell of a table
    by its row and its column, where the first cells, up to a number, name the row. A label that comes again is
    counted: "Found in place (2)".
    """
    found, times = {}, Counter()
    for label, value in (pair for each in results if each.kind != "picture" for pair in _pairs(each.content)):
        times[label] += 1
        found[f"{label} ({times[label]})" if times[label] > 1 else label] = value
    return found


def table_rows(text: str) -> list[list[str]]:
    """The cells of a Markdown table, its head first; [] for any other text."""
    lines = [line for line in text.splitlines() if ROW.match(line) and not RULE.match(line)]
    return [[cell.strip() for cell in ROW.match(line)[1].split("|")] for line in lines]


def leading_number(value: str) -> float | None:
    """The number with which a value begins: "27 of 30" -> 27.0; None where it begins with a word."""
    match = NUMBER.match(value.lstrip("([<"))
    return float(match[0].replace(",", "")) if match else None


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    if rows := table_rows(text):
        head, *rows = rows
        for row in rows:
            names = 1 + next((n for n, cell in enumerate(row[1:]) if FIGURE.match(cell)), len(row) - 1)
            label = ", ".join(row[:names])
            yield from ((f"{label}, {column}", cell) for column, cell in zip(head[names:], row[names:], strict=False))
        return
    for line in (re.sub(r"\s+", " ", line).strip() for line in text.splitlines()):
        first = min((match.start() for match in (FIGURE.search(line), LABEL.search(line)) if match), default=len(line))
        if first:
            label, value = line[:first].strip(), line[first:].removeprefix(":").strip()
        else:  # "900 pictures, 890 with a price": the words name the numbers
            label, value = NUMBER.sub("…", line), ", ".join(NUMBER.findall(line))
        if value:
            yield label, value

"""What differs between runs: parameters, figures, times, versions; as text, as a page, and as a table for others.

In: the folders of runs. Out: <out>/index.html, <out>/runs.csv (a row a run), and the text.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_lib.errors import RagError
from rag_lib.paths import replacing
from rag_lib.run.folder import clear
from rag_lib.run.record import NAME, read_record

if TYPE_CHECKING:
    from pandas import DataFrame

WIDTH = 60  # characters of a cell, as text


def compare(
    folders: Sequence[Path],
    out: Path,
    *,
    labels: Mapping[Path, str] | None = None,
    failed: Mapping[Path, str] | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    title: str = "Runs compared",
) -> str:
    """Write the page and the table, and return what differs as text.

    `labels`: what a run is called, its folder's name if not given; `failed`: folder -> why it did not come to its end;
    `vary`: the parameters of a sweep and their values. Raises RagError for a folder that holds no run, for less than
    two of them, and if `out` holds something else.
    """
    from rag_lib.run.comparison_page import write_comparison

    failed, folders = failed or {}, list(dict.fromkeys(folders))
    if len(folders) < 2 and labels is None:
        raise RagError("Comparing takes two folders of runs, or more.")
    if (out / NAME).exists():
        raise RagError(f"{out.name} holds a run itself: name another folder for the comparison with --out.")
    records = {folder: read_record(folder) for folder in folders if folder not in failed}
    labels = labels or _labels(folders)
    numbers = {folder: f"[{number}]" for number, folder in enumerate(folders, start=1)}
    tables = tables_of({numbers[folder]: record for folder, record in records.items()})
    try:
        out.mkdir(parents=True, exist_ok=True)
        clear(out, [], shown=out.name, hero=False)
        _write_csv(out / "runs.csv", {labels[folder]: record for folder, record in records.items()})
        page = write_comparison(out, records, tables, labels=labels, failed=failed, vary=vary or {}, title=title)
    except OSError as exc:
        raise RagError(f"The comparison cannot be left in {out} ({exc.strerror}): name another with --out.") from exc
    lines = []
    for folder in folders:
        lines.append(f"{numbers[folder]} {labels[folder]}" + (", which failed" if folder in failed else ""))
    for name, table in tables.items():
        lines += ["", f"{name}:", table.map(_cut).rename(index=_cut).to_string()]
    same = [name.lower() for name in ("Parameters", "Figures", "Versions", "Checksums") if name not in tables]
    lines += ["", f"Alike in all: {', '.join(same)}."] if same and len(records) > 1 else []
    return "\n".join([*lines, "", f"See {os.path.relpath(page)}"])


def tables_of(records: Mapping[str, Mapping[str, Any]]) -> "dict[str, DataFrame]":
    """Title -> a table of text with a column a run: the rows in which the runs differ, and all times."""
    import pandas

    parts = {
        "Parameters": lambda run: {name: as_written(value) for name, value in run["parameters"].items()},
        "Figures": lambda run: ({"winner": run["winner"]} if run["winner"] else {}) | run["figures"],
        "Seconds": lambda run: {each["name"]: f"{each['seconds']:.1f}" for each in [*run["notebooks"], _whole(run)]},
        "Versions": lambda run: run["versions"],
        "Checksums": lambda run: {name: digest[:12] for name, digest in run["checksums"].items()},
    }
    tables = {}
    for title, part in parts.items():
        columns = {name: part(record) for name, record in records.items()}
        rows = list(dict.fromkeys(row for column in columns.values() for row in column))
        if title != "Seconds":
            rows = [row for row in rows if len({column.get(row) for column in columns.values()}) > 1]
        if rows:
            cells = {name: [column.get(row, "") for row in rows] for name, column in columns.items()}
            tables[title] = pandas.DataFrame(cells, index=rows)
    return tables


def as_written(value: Any) -> str:
    """A parameter's value as text; the empty one so that it is seen."""
    return value or '""' if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _whole(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": "in all", "seconds": run["seconds"]}


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _labels(folders: Sequence[Path]) -> dict[Path, str]:
    """The folders' names; where two have the same, as they were given."""
    names = [folder.resolve().name for folder in folders]
    return {
        folder: name if names.count(name) == 1 else str(folder) for folder, name in zip(folders, names, strict=True)
    }


def _write_csv(path: Path, records: Mapping[str, Mapping[str, Any]]) -> None:
    """A row a run, a column for each parameter and each figure: also for what does not differ."""
    import pandas

    rows = [
        {"run": name, **run["parameters"], "winner": run["winner"], **run["figures"], "seconds": run["seconds"]}
        for name, run in records.items()
    ]
    with replacing(path) as beside:
        pandas.DataFrame(rows).to_csv(beside, index=False)

"""The page of several runs: which they are, what each shows first, what differs, and charts of the figures.

In: their records and the tables of `comparison`. Out: <out>/index.html, of the template comparison.html.
"""

import os
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rag_lib.paths import replacing
from rag_lib.run.results import leading_number, read_results

if TYPE_CHECKING:
    from pandas import DataFrame

PANELS = 3  # in a chart
CHARTS = 3
PICTURES = 48  # side by side


def write_comparison(
    out: Path,
    records: Mapping[Path, Mapping[str, Any]],
    tables: "Mapping[str, DataFrame]",
    *,
    labels: Mapping[Path, str],
    failed: Mapping[Path, str],
    vary: Mapping[str, Sequence[Any]],
    title: str,
) -> Path:
    """Write the page and return its path. `labels`: of all runs, in order; the others as `compare` has them."""
    from rag_lib.run.comparison import as_written
    from rag_lib.run.pictures import fit
    from rag_lib.run.result_page import LIMIT, render

    names = list(vary) or (list(tables["Parameters"].index) if "Parameters" in tables else [])
    runs = []
    for number, (folder, label) in enumerate(labels.items(), start=1):
        run = records.get(folder)
        line = {"number": number, "label": label, "failed": failed.get(folder), "link": _link(folder, out)}
        if run:
            line |= {"winner": run["winner"], "seconds": run["seconds"], "started": run["started"]}
            line["values"] = [as_written(run["parameters"].get(name, "")) for name in names]
        runs.append(line)
    pictures = [
        (line, _picture(folder, records[folder]))
        for line, folder in zip(runs, labels, strict=True)
        if folder in records
    ]
    page = render(
        "comparison.html",
        title=title,
        runs=runs,
        names=names,
        tables=tables,
        charts=_charts(records, tables, vary) if len(records) > 1 else [],
        pictures=[(line, picture) for line, picture in pictures[:PICTURES] if picture],
    )
    path = out / "index.html"
    with replacing(path) as beside:
        beside.write_text(fit(page, LIMIT), encoding="utf-8")
    return path


def _charts(
    records: Mapping[Path, Mapping[str, Any]], tables: "Mapping[str, DataFrame]", vary: Mapping[str, Sequence[Any]]
) -> list[tuple[str, str]]:
    """(PNG in base64, what it shows): the first figures that are numbers and differ, then the time."""
    from rag_lib.display.runs import run_points, sweep_lines
    from rag_lib.run.comparison import as_written

    figures = {}
    for label, row in tables["Figures"].iterrows() if "Figures" in tables else ():
        numbers = [leading_number(cell) for cell in row]
        if None not in numbers and len(set(numbers)) > 1:
            figures[label] = numbers
    figures = dict(list(figures.items())[: PANELS * CHARTS - 1])
    figures["seconds"] = [run["seconds"] for run in records.values()]

    given = [run["parameters"] for run in records.values()]
    numeric = [name for name, values in vary.items() if len(values) > 1 and all(map(_is_number, values))]
    axis = max(numeric, key=lambda name: len(vary[name]), default=None)
    others = [", ".join(as_written(each.get(name, "")) for name in vary if name != axis) for each in given]
    charts = []
    for first in range(0, len(figures), PANELS):
        part = dict(list(figures.items())[first : first + PANELS])
        if axis:
            figure = sweep_lines(part, axis, [each[axis] for each in given], others)
        else:
            figure = run_points(part, list(next(iter(tables.values())).columns))
        data, _ = figure._repr_mimebundle_()
        charts.append((data["image/png"], data["text/plain"]))
    return charts


def _picture(folder: Path, record: Mapping[str, Any]) -> tuple[str, str] | None:
    """(address, words) of what a run shows first: its winner, or the first picture among its results."""
    import nbformat

    from rag_lib.run.pictures import address

    winner = folder / "hero" / "winner.jpg"
    if record["winner"] and winner.exists():
        return address(winner, edge=480), record["winner"]
    for line in record["notebooks"]:
        path = folder / f"{line['name']}.ipynb"
        for each in read_results(nbformat.read(path, as_version=4)) if path.exists() else ():
            if each.kind == "picture":
                return address(b64decode(each.content), edge=900), each.alt
    return None


def _link(folder: Path, out: Path) -> str | None:
    """The way to a run's own page, where both may move together."""
    page = folder / "index.html"
    return quote(os.path.relpath(page, out).replace(os.sep, "/")) if page.exists() else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Which cell a notebook is in, how long it took the last time, and how much is left: one line on a terminal.

In: a notebook, and what an earlier run left of it. Out: a bar on stderr while it runs; in a log nothing, there the
lines of the notebooks say it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from rag_lib.paths import home


def heading(cells: Sequence[Mapping[str, Any]], index: int) -> str:
    """The heading under which the cell at `index` stands, without its marks; "" if there is none."""
    for cell in reversed(cells[: index + 1]):
        if cell["cell_type"] == "markdown":
            lines = [line for line in cell["source"].splitlines() if line.startswith("#")]
            if lines:
                return lines[-1].lstrip("# ").strip()
    return ""


@dataclass(frozen=True)
class Last:
    """How long an executed copy took. `seconds`: in all; `cells`: source -> seconds."""

    seconds: float
    cells: Mapping[str, float]


def last_time(notebook: Path, out: Path) -> Last | None:
    """Of the newest copy that ran to its end: in `out`, in a folder beside it, or in runs/; as papermill has noted it.

    None if there is none that can be read.
    """
    places = [out, *_folders(out.parent), *_folders(home() / "runs")]
    copies = {path: path.stat().st_mtime for path in (place / notebook.name for place in places) if path.is_file()}
    for path in sorted(copies, key=copies.get, reverse=True):
        try:
            nb = nbformat.read(path, as_version=4)
            times = {cell.source: cell.metadata.papermill.duration for cell in nb.cells if cell.cell_type == "code"}
            return Last(float(nb.metadata.papermill.duration), {source: float(each) for source, each in times.items()})
        except (OSError, ValueError, TypeError, AttributeError, nbformat.ValidationError):
            continue  # not one that papermill has executed to its end
    return None


def _folders(place: Path) -> Iterator[Path]:
    return (path for path in place.iterdir() if path.is_dir()) if place.is_dir() else iter(())


def about(seconds: float) -> str:
    """Seconds in words: "8 s", "about 4 min"."""
    return f"{seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


class CellBar:
    """The line of one notebook that runs. `hooks()` goes to papermill, which hands it to nbclient."""

    def __init__(self, notebook: Path, last: Last | None):
        from tqdm.auto import tqdm

        self.cells = nbformat.read(notebook, as_version=4).cells
        known = last.cells if last else {}
        self.last = {cell.source: known[cell.source] for cell in self.cells if cell.source in known}
        self.left = sum(self.last.values())
        code = sum(cell.cell_type == "code" for cell in self.cells)
        form = "  {desc} |{bar:16}| {n:.0f}/{total:.0f} cells{postfix}"
        self.bar = tqdm(total=code, desc=notebook.stem, bar_format=form, leave=False, dynamic_ncols=True)

    def hooks(self) -> dict[str, Any]:
        return {"on_cell_execute": self.begin, "on_cell_executed": self.end}

    def begin(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        place = next((n for n, each in enumerate(self.cells) if each.source == cell.source), None)
        said = [heading(self.cells, place)] if place is not None else []
        if cell.source in self.last:
            said += [f"last time {self.last[cell.source]:.1f} s", f"{about(self.left)} left"]
        self.bar.set_postfix_str(" · ".join(filter(None, said)))

    def end(self, cell: nbformat.NotebookNode, cell_index: int, execute_reply: Any) -> None:
        self.left -= self.last.get(cell.source, 0)
        self.bar.update(cell.metadata.get("tags") != ["injected-parameters"])

    def close(self) -> None:
        self.bar.close()

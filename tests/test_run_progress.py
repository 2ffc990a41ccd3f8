"""What is said while a notebook runs: the cell, the last time, what is left; and where and why it stopped."""

import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from papermill.exceptions import PapermillExecutionError

from rag_lib.run.execution import describe
from rag_lib.run.progress import CellBar, Last, about, heading, last_time

SOURCES = ("limit = 9", "a = 1", "b = 2")


@pytest.fixture
def lesson(tmp_path):
    """A notebook, and what lays an executed copy of it into a folder, its cells of so many seconds."""
    cells = [new_code_cell(source) for source in SOURCES]
    cells[0].metadata["tags"] = ["parameters"]
    nb = new_notebook(
        cells=[new_markdown_cell("# A question"), cells[0], new_markdown_cell("Text.\n\n## Search\nMore.")]
    )
    nb.cells += cells[1:]
    nbformat.write(nb, tmp_path / "01_first.ipynb")

    def lay(folder, *seconds, age=0):
        folder.mkdir(parents=True)
        for cell, each in zip(cells, seconds, strict=True):
            cell.metadata["papermill"] = {"duration": each}
        nb.metadata["papermill"] = {"duration": None if None in seconds else sum(seconds) + 2}
        nbformat.write(nb, folder / "01_first.ipynb")
        os.utime(folder / "01_first.ipynb", (1e9 - age, 1e9 - age))

    return tmp_path / "01_first.ipynb", lay


def test_a_cell_stands_under_the_last_heading_above_it(lesson):
    cells = nbformat.read(lesson[0], as_version=4).cells
    assert [heading(cells, n) for n in range(5)] == ["A question", "A question", "Search", "Search", "Search"]
    assert heading(cells[1:], 0) == ""


def test_the_last_times_are_the_newest_copys(lesson, tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path / "home"))
    notebook, lay = lesson
    assert last_time(notebook, tmp_path / "sweep" / "b") is None
    lay(tmp_path / "home" / "runs" / "offline", 0.1, 1, 2, age=9)
    assert last_time(notebook, tmp_path / "sweep" / "b") == Last(5.1, dict(zip(SOURCES, (0.1, 1, 2), strict=True)))
    lay(tmp_path / "sweep" / "a", 0.1, 3, 4)  # a sweep's other combination
    assert last_time(notebook, tmp_path / "sweep" / "b").cells["a = 1"] == 3
    lay(tmp_path / "sweep" / "killed", 0.1, 3, None, age=-9)
    (tmp_path / "sweep" / "empty").mkdir()
    (tmp_path / "sweep" / "empty" / "01_first.ipynb").touch()
    assert last_time(notebook, tmp_path / "sweep" / "b").cells["b = 2"] == 4


def test_the_line_names_the_cell_the_last_time_and_what_is_left(lesson, capsys):
    bar = CellBar(lesson[0], Last(57.0, {"a = 1": 2.0, "b = 2": 3.04, "gone = 0": 50.0}))
    hooks = bar.hooks()
    begin, end = hooks["on_cell_execute"], hooks["on_cell_executed"]
    cells = [cell for cell in nbformat.read(lesson[0], as_version=4).cells if cell.cell_type == "code"]
    injected = new_code_cell("limit = 4", metadata={"tags": ["injected-parameters"]})
    for cell in (cells[0], injected, cells[1]):
        begin(cell=cell, cell_index=0)
        end(cell=cell, cell_index=0, execute_reply={})
    begin(cell=cells[2], cell_index=0)
    bar.bar.refresh()
    shown = capsys.readouterr().err
    assert "01_first" in shown and "2/3 cells, Search · last time 3.0 s · 3 s left" in shown
    bar.close()


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (61, "61 s"), (240, "about 4 min")])
def test_seconds_in_words(seconds, words):
    assert about(seconds) == words


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("ModuleNotFoundError", "No module named 'x'", "`make setup`"),
        ("OSError", "[Errno 28] No space left on device", "make room"),
        ("AssertionError", "", "with its own defaults it does"),
        ("ValueError", "3", None),
    ],
)
def test_a_failure_says_the_cell_the_reason_and_what_helps(lesson, name, value, remedy):
    error = PapermillExecutionError(3, 4, "assert a == 2\nb", name, value, ["Traceback", "..."])
    lines = describe(lesson[0], error, above="Search").splitlines()
    assert lines[:3] == ["01_first stopped at cell [4], 'Search':", "    assert a == 2", "    b"]
    assert lines[3] == f"{name}: {value}".rstrip(": ")
    assert remedy in lines[4] if remedy else len(lines) == 4

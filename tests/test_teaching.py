"""The teacher's kit: its paths add up and name every notebook, and the lines of the cheat sheet run."""

import html
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rag_lib.run.command import choose, find_notebooks
from rag_lib.run.parameters import read_parameters

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
GUIDE = (NOTEBOOKS / "TEACHING.md").read_text("utf-8")
SHEET = (NOTEBOOKS / "cheatsheet.html").read_text("utf-8")
SNIPPETS = [html.unescape(text) for text in re.findall(r'<pre class="python">(.*?)</pre>', SHEET, re.S)]


def path_of(title):
    """(minutes promised, the rows of the table) of a section of the guide."""
    section = re.search(rf"^## {title} \((\d+) h (\d+).*?\)\n(.*?)(?=^## )", GUIDE, re.M | re.S)
    rows = [line for line in section[3].splitlines() if re.match(r"\| \d", line)]
    return 60 * int(section[1]) + int(section[2]), rows


def test_the_minutes_add_up():
    half, rows = path_of("Half a day")
    minutes = [int(row.split("|")[1]) for row in rows]
    assert sum(minutes) == half
    day, more = path_of("A full day")
    assert sum(minutes[:-1]) + sum(int(row.split("|")[1]) for row in more) == day


def test_the_full_day_visits_every_notebook():
    named = set(re.findall(r"`(\d\d_\w+)`", "".join(path_of("Half a day")[1] + path_of("A full day")[1])))
    assert {path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")} <= named


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")), ids=lambda path: path.stem)
def test_the_sections_that_are_named_are_there(path):
    rows = [row for title in ("Half a day", "A full day") for row in path_of(title)[1] if f"`{path.stem}`" in row]
    titles = re.findall(r'"## (.*?)(?:\\n)?"', path.read_text("utf-8"))
    for named in re.findall(r"\*([A-Z][^*]+)\*", "".join(row.split("|")[3] for row in rows)):
        assert any(title.startswith(named) for title in titles), named


@pytest.mark.parametrize("line", re.findall(r"python -m rag_lib\.run (.*)", GUIDE + SHEET))
def test_its_commands_name_notebooks_and_parameters(line):
    words = shlex.split(html.unescape(line.partition("<")[0].strip("`")))
    names = [word for word in words if re.fullmatch(r"\d\d", word)]
    declared = {name for path in choose(find_notebooks(NOTEBOOKS), names) for name in read_parameters(path)}
    assert {words[place + 1] for place, word in enumerate(words) if word == "-p"} <= declared


def test_the_parameters_of_the_sheet_are_the_notebooks():
    table = re.search(r"Parameters of the notebooks</h2>(.*?)</table>", SHEET, re.S)[1]
    named = set(re.findall(r"<td><code>(\w+)</code>", table))
    declared = {name for path in NOTEBOOKS.glob("[0-9]*.ipynb") for name in read_parameters(path)}
    assert "milvus_uri" in named <= declared


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_the_lines_of_the_sheet_run(number, tmp_path):
    (tmp_path / "data").mkdir()
    code = SNIPPETS[number].replace("data/milvus.db", str(tmp_path / "data" / "milvus.db"))
    environment = {"MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"import os\nos.environ.update({environment})\n{code}"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "Leopard" in run.stdout or "pymilvus" in code

"""Links and Colab's cell: made from one setting, the same however often, and harmless outside of Colab."""

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rag_lib.errors import RagError
from rag_lib.run.command import main
from rag_lib.run.links import INSTALL, repository_address, with_links, write_links

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
ADDRESS = "https://github.com/somebody/rag"
COLAB = "https://colab.research.google.com/github/somebody/rag/blob/main/notebooks"
INSTALL_HERE = INSTALL.format(repository=ADDRESS)


@pytest.fixture
def lesson(tmp_path):
    """Three executed notebooks; the second still has a line that was written by hand."""
    paths = [tmp_path / name for name in ("01_first.ipynb", "02_second.ipynb", "03_third.ipynb")]
    for path, title in zip(paths, ("First", "Second?", "Third"), strict=True):
        nb = new_notebook(cells=[new_markdown_cell(f"# {title}\n\nText."), new_code_cell("1", execution_count=1)])
        nb.cells[1].outputs = [new_output("execute_result", {"text/plain": "1"}, execution_count=1)]
        nb.cells += [new_code_cell("2", execution_count=2), new_markdown_cell("Recap.")]
        nbformat.write(nb, path)
    nb = nbformat.read(paths[1], 4)
    nb.cells[-1].source += "\n\nPrevious: [An old title](01_first.ipynb) · Next: [Another](03_third.ipynb)"
    nbformat.write(nb, paths[1])
    return paths


def test_the_neighbors_are_linked_by_their_titles_and_the_badge_opens_this_one(lesson):
    write_links(lesson, ADDRESS)
    first, second, third = (nbformat.read(path, 4).cells for path in lesson)
    line = (
        f"Previous: [First](01_first.ipynb) ([in Colab]({COLAB}/01_first.ipynb)) · "
        f"Next: [Third](03_third.ipynb) ([in Colab]({COLAB}/03_third.ipynb))"
    )
    assert second[1].source.endswith(f"({COLAB}/02_second.ipynb)\n\n{line}")
    assert second[1].source.startswith("[![Open in Colab](") and second[-1].source == line
    assert second[-2].source == "Recap."
    assert "Previous" not in first[-1].source and first[-1].source.startswith("Next: [Second?]")
    assert "Next" not in third[-1].source


def test_the_title_stays_first_and_the_numbers_of_the_cells_go_on(lesson):
    write_links(lesson, ADDRESS)
    cells = nbformat.read(lesson[0], 4).cells
    assert cells[0].source.startswith("# First")
    assert [cell.execution_count for cell in cells if cell.cell_type == "code"] == [1, 2, 3]
    assert cells[3].source == "1" and cells[3].outputs[0].execution_count == 2


def test_a_notebook_that_was_not_run_is_not_made_to_look_so(lesson):
    nb = nbformat.read(lesson[0], 4)
    nb.cells[1].execution_count = None
    nbformat.write(nb, lesson[0])
    write_links(lesson, ADDRESS)
    code = [cell for cell in nbformat.read(lesson[0], 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [None, None, 2]


def test_twice_changes_nothing_and_another_address_changes_all(lesson):
    assert write_links(lesson, ADDRESS) == lesson
    before = [path.read_bytes() for path in lesson]
    assert write_links(lesson, ADDRESS) == [] and [path.read_bytes() for path in lesson] == before
    assert write_links(lesson, "https://github.com/other/place") == lesson
    assert all(b"somebody" not in path.read_bytes() for path in lesson)


def test_the_only_notebook_of_a_lesson_has_no_neighbors(lesson):
    write_links(lesson[:1], ADDRESS)
    cells = nbformat.read(lesson[0], 4).cells
    assert len(cells) == 6 and cells[1].source.endswith("01_first.ipynb)") and cells[-1].source == "Recap."


def test_the_command_links_all_and_says_which(lesson, capsys):
    assert main(["--notebooks", str(lesson[0].parent), "--links"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{path.stem} has new links" for path in lesson]
    assert main(["--notebooks", str(lesson[0].parent), "--links"]) == 0
    assert capsys.readouterr().out == "The links are as they should be.\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[project]\nname = 'x'\n", "sets no Repository"),
        ("not toml", "sets no Repository"),
        ("[project.urls]\nRepository = 'https://example.org/a/b'\n", "is no https://github.com/owner/name"),
        ("[project.urls]\nRepository = 'https://github.com/a'\n", "is no https://github.com/owner/name"),
        ("[project.urls]\nRepository = 3\n", "sets no Repository"),
    ],
)
def test_a_setting_that_colab_could_not_open_is_refused(tmp_path, text, said):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(RagError, match=said):
        repository_address(tmp_path / "pyproject.toml")


def test_a_notebook_without_a_title_is_named(lesson):
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), lesson[2])
    with pytest.raises(RagError, match="03_third.ipynb does not open with its title"):
        write_links(lesson, ADDRESS)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_the_committed_notebooks_are_linked_from_the_setting(path):
    titles = {each.name: nbformat.read(each, 4).cells[0].source.splitlines()[0][2:] for each in COMMITTED}
    nb = nbformat.read(path, 4)
    address = repository_address(ROOT / "pyproject.toml")
    assert with_links(nb, path.name, titles, address) == nb, "run `python -m rag_lib.run --links`"


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """A notebook's interpreter in an empty folder, whose %pip only notes what it was asked."""
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    shell.asked = []
    shell.register_magic_function(shell.asked.append, "line", "pip")
    return shell


def test_outside_of_colab_the_cell_does_nothing(shell, tmp_path):
    assert "google.colab" not in sys.modules
    assert shell.run_cell(INSTALL_HERE).success
    assert shell.asked == [] and list(tmp_path.iterdir()) == []


def test_in_colab_it_installs_and_pins_what_colab_has(shell, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "rag_lib" else find_spec(name))
    assert shell.run_cell(INSTALL_HERE).success
    assert shell.asked == [f"install --quiet --constraint constraints.txt 'rag_lib[app] @ git+{ADDRESS}'"]
    pinned = (tmp_path / "constraints.txt").read_text().split()
    assert {f"{name}=={version(name)}" for name in ("torch", "torchvision", "numpy")} <= set(pinned)
    assert {line.split("==")[0] for line in pinned} <= {"torch", "torchvision", "torchaudio", "numpy"}


def test_in_colab_it_does_not_install_twice(shell, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    assert shell.run_cell(INSTALL_HERE).success
    assert shell.asked == [] and list(tmp_path.iterdir()) == []


def test_pip_obeys_such_a_constraint_for_what_is_installed(tmp_path):
    """The oracle for the constraint: pip itself, asked for a newer version than the one that is pinned."""
    (tmp_path / "constraints.txt").write_text(f"numpy=={version('numpy')}")
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--quiet", "--report", "-"]
    constrained = [*pip, "--constraint", str(tmp_path / "constraints.txt")]
    kept = subprocess.run([*constrained, "--upgrade", "numpy"], capture_output=True, text=True)
    assert kept.returncode == 0 and json.loads(kept.stdout)["install"] == []
    refused = subprocess.run([*constrained, f"numpy>{version('numpy')}"], capture_output=True, text=True)
    assert refused.returncode == 1 and "numpy" in refused.stderr

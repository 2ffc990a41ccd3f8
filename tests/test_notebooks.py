"""The committed notebooks: executed in order, clean, parametrised, and named as the editions name them."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from rag_lib.run.command import choose
from rag_lib.run.execution import KERNELSPEC, LANGUAGE
from rag_lib.run.parameters import load_edition, plan, read_parameters

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
COMMITTED = sorted(NOTEBOOKS.glob("*.ipynb"))
EDITIONS = sorted((NOTEBOOKS / "editions").glob("*.yaml"))
MACHINE_PATH = re.compile(
    r"(?<![\w.:/])/(home|tmp|root|Users|work|workspace|private|mnt|opt|content)/\w|[A-Z]:\\\\Users"
)


@pytest.fixture(params=COMMITTED, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert COMMITTED, "notebooks/ holds no notebook"
    assert [path.stem for path in EDITIONS] == ["offline", "photos", "tutorial"]


def test_it_was_run_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code(notebook) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1)), "run `make nb` before the commit"


def test_its_outputs_are_without_errors_and_without_noise(notebook):
    for cell in code(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.text
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), "run `make nb`"


def test_its_outputs_name_no_folder_of_the_machine(notebook):
    for cell in code(notebook):
        for output in cell.outputs:
            texts = [value for key, value in output.get("data", {}).items() if not key.startswith("image/")]
            text = json.dumps([*texts, output.get("text", "")], ensure_ascii=False)
            text = re.sub(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=\\n]+", "", text)
            assert not MACHINE_PATH.search(text), MACHINE_PATH.search(text)


def test_its_metadata_is_clean(notebook):
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}, "run `make nb`"
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags", "jupyter"}, cell.metadata


def test_its_parameters_are_one_cell_of_literals(notebook):
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in notebook.cells)
    for statement in ast.parse(tagged[0].source).body:
        assert isinstance(statement, ast.AnnAssign), "annotate each parameter: `limit: int = 9  # results to show`"
        ast.literal_eval(statement.value)


def test_it_opens_with_its_title(notebook):
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")


def test_its_rhythm(notebook):
    """Short cells, few of them, few words: a lesson is read in one sitting."""
    words = sum(len(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown")
    assert len(code(notebook)) <= 24 and words <= 1500
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 15, cell.source


def test_no_name_is_bound_to_two_things(notebook):
    """A reader who runs a cell again later gets what he saw: no other cell has taken its names."""
    bound = Counter()
    for cell in code(notebook):
        lines = "\n".join("pass" if line.strip().startswith("%") else line for line in cell.source.splitlines())
        bound.update(set(assigned(ast.parse(lines).body)))
    assert [name for name, cells in bound.items() if cells > 1 and name != "_"] == []


def assigned(statements):
    """Names that statements bind, of those in loops and with blocks too; a loop's own variables are let pass."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name
            continue
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            for target in targets:
                yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        for block in ("body", "orelse", "finalbody"):
            yield from assigned(getattr(statement, block, []))


def test_its_pictures_have_words(notebook):
    """For readers who do not see them: alternative text, which the exported page takes over."""
    for cell in code(notebook):
        for output in cell.outputs:
            for kind in ("image/jpeg", "image/png"):
                if kind in output.get("data", {}):
                    assert output.metadata.get(kind, {}).get("alt"), cell.source


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_it_is_small(path):
    assert path.stat().st_size < 1.5e6, "show fewer or smaller pictures"


@pytest.mark.parametrize("path", EDITIONS, ids=lambda path: path.stem)
def test_an_edition_fits_the_notebooks(path):
    edition = load_edition(path.parent, path.stem)
    plans = plan(choose(COMMITTED, edition.notebooks), edition=edition.values, overrides={}, family=COMMITTED)
    assert plans and all(plans.values())


def test_the_notebooks_defaults_are_an_editions():
    """Opened by hand a notebook does what `make run` does; the last, what it does with the photos edition.

    But any folder has a first picture, and not every one a cup of coffee.
    """
    offline, photos = (load_edition(NOTEBOOKS / "editions", name) for name in ("offline", "photos"))
    for path in COMMITTED:
        edition = offline if path in choose(COMMITTED, offline.notebooks) else photos
        for name, entry in read_parameters(path).items():
            if name in edition.values and (edition is offline or name != "query_image"):
                assert ast.literal_eval(entry["default"]) == edition.values[name], f"{path.stem}: {name}"


def test_the_editions_set_the_same_names():
    names = [list(load_edition(path.parent, path.stem).values) for path in EDITIONS]
    assert all(entry == names[0] for entry in names)


def test_papermills_own_command_asks_with_words_and_pictures_that_look_like_numbers(tmp_path):
    """It reads `-p query_text 2024` as a number, and `True` as a truth value."""
    Image.new("RGB", (32, 32), "navy").save(tmp_path / "shop.png")
    (tmp_path / "query").mkdir()
    Image.new("RGB", (32, 32), "red").save(tmp_path / "query" / "7.png")
    parameters = "catalog: str = ''\nquery_image: str = ''\nquery_text: str = ''\nother_text: str = ''"
    cells = [
        "from rag_lib.catalog import load_catalog, query_picture\nfrom rag_lib.records import Query",
        "path = query_picture(load_catalog(catalog), query_image)\n"
        "print([path.name, *(Query(path, text).text for text in (query_text, other_text))])",
    ]
    nb = new_notebook(metadata={"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    nb.cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}), *map(new_code_cell, cells)]
    nbformat.write(nb, tmp_path / "asking.ipynb")
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "asking.ipynb", "out.ipynb"]
    values = {"catalog": str(tmp_path), "query_image": "7", "query_text": "2024", "other_text": "True"}
    command += [word for name, value in values.items() for word in ("-p", name, value)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    last = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-1]
    assert last.outputs[0].text == "['7.png', '2024', 'True']\n"

"""Every exercise's own solution is right, in the notebook that asks it; unsolved, it says what to do."""

from pathlib import Path

import nbformat
import pytest

from rag_lib.exercises import RIGHT, TO_DO, solved
from rag_lib.run.execution import execute

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def exercises(nb):
    return [cell for cell in nb.cells if "exercise" in cell.metadata.get("tags", [])]


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_unsolved_it_says_what_to_do(path):
    said = [printed(cell) for cell in exercises(nbformat.read(path, as_version=4))]
    assert said and all(text.endswith(TO_DO + "\n") for text in said)


@pytest.mark.slow
def test_its_solutions_are_right(path, tmp_path):
    nbformat.write(solved(nbformat.read(path, as_version=4)), tmp_path / path.name)
    parameters = {"milvus_uri": str(tmp_path / "milvus.db")} if "milvus_uri" in path.read_text("utf-8") else {}
    execute(tmp_path / path.name, tmp_path / "out.ipynb", parameters, cwd=ROOT)
    said = [printed(cell) for cell in exercises(nbformat.read(tmp_path / "out.ipynb", as_version=4))]
    assert [text.splitlines()[-1] for text in said] == [RIGHT] * len(said)

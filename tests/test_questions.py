"""Every notebook that takes a question, with other questions than its own: no sentence and no cell depends on them.

One question each; all of them by `make questions`. One that takes no question is given the eight plain pictures.
"""

from pathlib import Path

import nbformat
import pytest
from PIL import Image

from rag_lib.run.execution import execute
from rag_lib.run.parameters import read_parameters

ROOT = Path(__file__).resolve().parent.parent
DECLARED = {path: read_parameters(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
ASKING = [path for path, names in DECLARED.items() if "query_text" in names]
QUESTIONS = {
    "another animal and product": dict(query_image="zebra", query_text="toaster with this image theme"),
    "words alone": dict(query_image="", query_text="red striped lamp"),
    "a picture alone": dict(query_image="balloon", query_text=""),
    "eight plain pictures": dict(catalog="mine", query_image="mine/red.png", query_text="the same in blue"),
}
PHOTOGRAPHS = {"zebra": "", "balloon": "cheetah"}  # what there is to ask with, where the catalog is not the drawn one
FEW = [500, 600, 700, 800]  # rows, where a notebook measures how it grows
COLORS = ("red", "blue", "green", "yellow", "black", "white", "orange", "purple")


def pytest_generate_tests(metafunc):
    """Of all pairs one question for each notebook, in turn, unless all are wanted."""
    names = list(QUESTIONS)
    pairs = [(path, name) for path in ASKING for name in names]
    if not metafunc.config.getoption("--all-questions"):
        pairs = [(path, names[place % len(names)]) for place, path in enumerate(ASKING)]
    pairs += [(path, names[-1]) for path in DECLARED if path not in ASKING and "milvus_uri" in DECLARED[path]]
    metafunc.parametrize("path, question", pairs, ids=[f"{path.stem}: {name}" for path, name in pairs])


@pytest.mark.slow
def test_it_runs_with_another_question(path, question, tmp_path):
    values = QUESTIONS[question] | {"milvus_uri": str(tmp_path / "milvus.db"), "sizes": FEW}
    if values.get("catalog") == "mine":
        folder = tmp_path / "mine"
        folder.mkdir()
        for color in COLORS:
            Image.new("RGB", (64, 48), color).save(folder / f"{color}.png")
        values |= {"catalog": str(folder), "query_image": str(folder / "red.png")}
    elif "photographs" in DECLARED[path]["catalog"]["default"]:
        values["query_image"] = PHOTOGRAPHS.get(values["query_image"], values["query_image"])
    values = {name: value for name, value in values.items() if name in DECLARED[path]}
    execute(path, tmp_path / "out.ipynb", values, cwd=ROOT)
    for cell in nbformat.read(tmp_path / "out.ipynb", as_version=4).cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output.text

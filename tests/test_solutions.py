"""Every exercise says what to do while it is unsolved, and has a solution, which its notebook runs: see conftest."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from rag_lib.exercises import TO_DO, solved
from rag_lib.run.execution import KERNELSPEC, LANGUAGE

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ASKED = """\
from rag_lib.exercises import check
answer = {}
check(answer, {{"It is 4.": lambda number: number == 4}})"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_unsolved_it_says_what_to_do_and_it_has_a_solution(path):
    nb = nbformat.read(path, as_version=4)
    cells = [cell for cell in nb.cells if "exercise" in cell.metadata.get("tags", [])]
    said = ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]
    assert said and all(text.endswith(TO_DO + "\n") for text in said)
    assert len([cell for cell in solved(nb).cells if cell not in nb.cells]) == len(cells)


def test_with_its_notebook_each_solution_runs_after_the_exercise_and_has_to_be_right(tmp_path):
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    nb = new_notebook(metadata={"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    for solution in ("2 + 2", "2 + 3", "1 / 0"):
        unsolved = new_code_cell(ASKED.format("..."), metadata={"tags": ["exercise"]}, execution_count=1)
        unsolved.outputs = [nbformat.v4.new_output("stream", name="stdout", text=TO_DO + "\n")]
        text = f"```python\n{ASKED.format(solution)}\n```"
        nb.cells += [unsolved, new_markdown_cell(text, metadata={"tags": ["solution"]})]
    nbformat.write(nb, tmp_path / "asking.ipynb")
    options = ["-v", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-p", "no:xdist"]
    run = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True)
    verdicts = re.findall(r"::(Cell \d(?: solved)?) (PASSED|FAILED)", run.stdout)
    unsolved = [(f"Cell {number}", "PASSED") for number in range(3)]
    solutions = [(f"Cell {number} solved", verdict) for number, verdict in enumerate(("PASSED", "FAILED", "FAILED"))]
    assert verdicts == [each for pair in zip(unsolved, solutions, strict=True) for each in pair], run.stdout
    assert "The solution's last line is ['Not yet: It is 4.'], not 'Right.'" in run.stdout

"""Exercises: what `check` says, and that every notebook's own solutions are right."""

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from rag_lib.exercises import RIGHT, TO_DO, check, solved

THREE = {"Give a list.": lambda a: isinstance(a, list), "Give three numbers.": lambda a: len(a) == 3}


@pytest.mark.parametrize(
    "answer, said",
    [
        (..., TO_DO),
        ([1, ..., 3], TO_DO),
        ({"why": ...}, TO_DO),
        (7, "Not yet: Give a list."),
        ([1], "Not yet: Give three numbers."),
        ([1, 2, 3], RIGHT),
    ],
)
def test_an_answer_is_checked_in_words(answer, said, capsys):
    check(answer, THREE)
    assert capsys.readouterr().out == said + "\n"


def test_a_test_that_fails_on_the_answer_says_its_sentence_and_why(capsys):
    check(None, {"Give the scores.": lambda scores: max(scores) < 1})
    printed = capsys.readouterr().out
    assert printed.startswith("Not yet: Give the scores. (The check stopped with TypeError: ")


def test_an_array_is_an_answer(capsys):
    check(np.eye(2), {"Give the unit matrix.": lambda a: np.array_equal(a, np.eye(2))})
    assert capsys.readouterr().out == "Right.\n"


def exercise(source, after):
    cells = [new_code_cell("x = 2"), new_code_cell(source, metadata={"tags": ["exercise"]})]
    return new_notebook(cells=[*cells, *after])


def test_a_solved_copy_holds_the_solution():
    text = "<details><summary>Solution</summary>\n\n```python\ny = x + 1\ncheck(y, {})\n```\n\n</details>"
    nb = exercise("y = ...\ncheck(y, {})", [new_markdown_cell(text, metadata={"tags": ["solution"]})])
    assert [cell.source for cell in solved(nb).cells[:2]] == ["x = 2", "y = x + 1\ncheck(y, {})"]
    assert "..." in nb.cells[1].source, "the original stays as it is"


@pytest.mark.parametrize("after", [[], [new_markdown_cell("text")], [new_code_cell("y = 3")]])
def test_an_exercise_without_a_solution_is_an_error(after):
    with pytest.raises(ValueError, match="has no solution"):
        solved(exercise("y = ...", after))

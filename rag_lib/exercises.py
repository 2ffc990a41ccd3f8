"""The exercises of the notebooks: an answer is checked in words, and a copy with all solutions is made.

An exercise is three cells: what to do, with a folded hint; a code cell tagged `exercise`, with dots to fill; and a text
tagged `solution`, which holds that code cell's other content, folded. Solutions stand nowhere else.
"""

import copy
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

TO_DO = "To do: put your answer in place of the three dots, and run this cell again."
RIGHT = "Right."
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def check(answer: Any, expected: Mapping[str, Callable[[Any], Any]]) -> None:
    """Print whether `answer` is right, and if not, what is wrong in it. Never raises.

    `expected`: sentence -> a test of the answer; the sentence of the first test that is false, or fails on it, is
    printed. An answer that still holds `...` is not yet one.

    >>> check([1, 2], {"Give three numbers.": lambda numbers: len(numbers) == 3})
    Not yet: Give three numbers.
    """
    print(_verdict(answer, expected))


def _verdict(answer: Any, expected: Mapping[str, Callable[[Any], Any]]) -> str:
    parts = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list | tuple) else ()
    if answer is ... or any(part is ... for part in parts):
        return TO_DO
    for sentence, holds in expected.items():
        try:
            if not holds(answer):
                return f"Not yet: {sentence}"
        except Exception as exc:  # the learner's answer may be anything
            return f"Not yet: {sentence} (The check stopped with {type(exc).__name__}: {exc})"
    return RIGHT


def solved(nb: "NotebookNode") -> "NotebookNode":
    """A copy in which every exercise holds its solution. Raises ValueError where one has none."""
    nb = copy.deepcopy(nb)
    for cell, after in zip(nb.cells, [*nb.cells[1:], None], strict=True):
        if "exercise" in cell.metadata.get("tags", []):
            solution = after and "solution" in after.metadata.get("tags", []) and CODE.search(after.source)
            if not solution:
                raise ValueError(f"This exercise has no solution in the cell after it:\n{cell.source}")
            cell.source = solution[1].rstrip()
    return nb

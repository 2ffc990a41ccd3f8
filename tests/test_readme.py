"""What the README promises is there: its files, its make targets, and no figure left to be filled in."""

import re
import shlex
from pathlib import Path

import pytest

from rag_lib.run.command import choose, find_notebooks, make_parser
from rag_lib.run.parameters import load_edition, plan

ROOT = Path(__file__).resolve().parent.parent
FRONT = [ROOT / name for name in ("README.md", "INSTALL.md", "CONTRIBUTING.md", "notebooks/TEACHING.md")]
PAGES = [*FRONT, *sorted((ROOT / "rag_lib").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_figure_is_left_to_be_filled_in(page):
    assert not re.findall(r"\b(?:[A-Z]+_(?:TIME|TABLE|MIN)|TODO|TBD|XXX)\b", page.read_text(encoding="utf-8"))


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`?\bmake ([a-z]+)\b", (ROOT / "README.md").read_text(encoding="utf-8"))) & {
        "setup", "run", "test", "lab", "bench", "train", "nb", "lock", "clean",
    }  # fmt: skip
    assert {"run", "test", "lab", "train", "nb", "lock"} <= named <= targets


def commands(page):
    """The `python -m rag_lib.run` commands of a page, as lists of words."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line)[3:] for line in re.findall(r"^\.venv/bin/python -m rag_lib\.run .*", text, re.MULTILINE)]


# Those of the README are run: test_recipes.
@pytest.mark.parametrize("words", [words for page in PAGES[1:] for words in commands(page)], ids=" ".join)
def test_the_parameters_of_its_commands_are_the_notebooks(words):
    given = make_parser().parse_args(words)
    family = find_notebooks(ROOT / "notebooks")
    values = load_edition(ROOT / "notebooks" / "editions", given.edition or "offline")
    chosen = choose(family, given.notebooks or values.notebooks)
    assert plan(chosen, edition=values.values, overrides=dict(given.parameters), family=family)


def test_the_front_page_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150

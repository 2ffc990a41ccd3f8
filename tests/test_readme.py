"""What the README promises is there: its files, its make targets, and no figure left to be filled in."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "rag_lib").rglob("*.md"))]


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

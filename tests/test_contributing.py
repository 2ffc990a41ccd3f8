"""CONTRIBUTING.md, followed to the letter in a copy of the repository: the new encoder, reranker and notebook work."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"^```python\n# (.*?)\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M | re.S)
BLOCKS = dict(BLOCKS)
# Where the lines of step 2 go: the name into the list, the branch before the first of its kind.
NAMES = {"encoders": ('ENCODERS = ("pocket", ', '"tint", '), "rerank": ('_OWN = ("pocket", ', '"cheapest", ')}
FIRST = '    if name == "pocket":\n'


@pytest.fixture(scope="module")
def follow(tmp_path_factory):
    """follow("-m", "pytest", ...): Python in a copy of the repository in which the steps were done."""
    copy = tmp_path_factory.mktemp("contributing") / "copy"
    ignored = shutil.ignore_patterns(".*", "data", "runs", "*.egg-info", "__pycache__", "photo", "wheelhouse")
    shutil.copytree(ROOT, copy, ignore=ignored)
    for name, text in BLOCKS.items():
        path = copy / name
        if path.name == "__init__.py":
            before, added = NAMES[path.parent.name]
            old = path.read_text("utf-8")
            assert old.count(before) == old.count(FIRST) == 1
            path.write_text(old.replace(before, before + added).replace(FIRST, f"{text}{FIRST}"), "utf-8")
        elif path.suffix == ".py":
            path.write_text(text, "utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "RAG_HOME"}

    def follow(*arguments):
        command = [sys.executable, *arguments]
        run = subprocess.run(
            command, cwd=copy, env=environment | {"PYTHONPATH": str(copy)}, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    follow.folder = copy
    return follow


def test_the_encoder_and_the_reranker_pass_their_tests_and_the_houses_rules(follow):
    tests = ["tests/encoders/test_tint.py", "tests/rerank/test_cheapest.py", "tests/test_architecture.py"]
    said = follow("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", "tint or cheapest or arrow or adapter")
    assert re.search(r"^\d+ passed", said, re.MULTILINE) and "skipped" not in said
    follow("-m", "ruff", "check", "rag_lib/encoders", "rag_lib/rerank", *tests)


def test_the_notebook_is_linked_run_and_as_the_others_are(follow):
    follow("-c", BLOCKS["a new notebook"])
    said = follow("-m", "rag_lib.run", "--links")
    assert "13_prices has new links" in said
    follow("-m", "rag_lib.run", "--inplace", "13")
    assert "13_prices" in follow("-m", "rag_lib.run", "13", "-p", "seed", "1")
    said = follow("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_notebooks.py", "-k", "13_prices")
    assert re.search(r"^\d\d passed", said, re.MULTILINE)
    said = follow("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_solutions.py", "-k", "13_prices")
    assert re.search(r"^\d+ passed", said, re.MULTILINE)
    follow("-m", "ruff", "check", "notebooks/13_prices.ipynb")


def test_its_commands_are_those_of_the_makefile_and_the_evaluation():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {"setup", "quick", "test", "nb"} <= set(re.findall(r"\bmake ([a-z]+)", text)) <= targets

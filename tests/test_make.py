"""The Makefile: what its targets call, and what `make clean` leaves alone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from rag_lib.run.execution import KERNELSPEC, LANGUAGE

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def make(tmp_path):
    """make(target, ...) in a folder that holds the Makefile, with an environment that counts as installed."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "kept").mkdir()
    for name in ("requirements.lock", "pyproject.toml", "setup.py"):
        (tmp_path / name).touch()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installed").touch()
    unset = ("OUT", "EDITION", "VENV", "WORKERS", "PORT", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "RAG_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}

    def make(*arguments, **variables):
        run = subprocess.run(
            ["make", *arguments], cwd=tmp_path, env=environment | variables, capture_output=True, text=True, check=True
        )
        return run.stdout

    make.folder = tmp_path
    return make


def test_clean_leaves_what_was_made_in_runs_and_data(make):
    """Fine-tuned weights lie in runs/, as the README shows it."""
    kept = [make.folder / name for name in ("runs/mine/model.safetensors", "data/weights/w.pth", "notes.txt")]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (make.folder / ".pytest_cache").mkdir()
    make("clean")
    assert all(path.exists() for path in kept)
    assert not (make.folder / ".venv").exists() and not (make.folder / ".pytest_cache").exists()


def test_run_leaves_the_place_of_its_results_to_the_command_but_for_out(make):
    """Which puts them below RAG_HOME; --out is meant below the current folder."""
    assert make("-n", "run").strip() == ".venv/bin/python -m rag_lib.run --edition offline"
    assert make("-n", "run", EDITION="tutorial").strip() == ".venv/bin/python -m rag_lib.run --edition tutorial"
    assert make("-n", "run", "OUT=my runs/a").strip().endswith('--edition offline --out "my runs/a"')


def test_the_continuous_integration_calls_what_the_readme_calls_the_tests(make):
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert script[-1] == "make test" and "make test    #" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    commands = make("-n", "test")
    assert "ruff check ." in commands and "ruff format --check ." in commands
    assert "-m pytest -n 3 --dist loadfile --nbval " in commands and commands.strip().endswith(" notebooks tests")


def test_a_room_is_this_machines_or_a_milvus_that_runs(make):
    program = ".venv/bin/python -m rag_lib.collection.room --seats"
    assert make("-n", "room").split() == [*program.split(), "40", "--host", '"127.0.0.1"', "--port", "19530"]
    said = make("-n", "room", "ADDRESS=192.168.1.10", "SEATS=12", "PORT=1234")
    assert said.split() == [*program.split(), "12", "--host", '"192.168.1.10"', "--port", "1234"]
    said = make("-n", "room", "MILVUS=http://a:1")
    assert said.split() == [*program.split(), "40", "--milvus", '"http://a:1"']


def test_quick_runs_what_is_there_and_leaves_out_what_is_slow(make):
    command = make("-n", "quick").strip().splitlines()[-1]
    assert '-m "not slow"' in command
    named = [word for word in command.split() if word.startswith("tests/")]
    assert len(named) > 5 and all((ROOT / name).exists() for name in named)


def test_the_notebooks_are_one_file_to_the_workers(tmp_path):
    """They share a store, which one process opens at a time."""
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    nb = new_notebook(metadata={"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    nb.cells = [new_code_cell("1") for _ in range(3)]
    for number in range(4):
        nbformat.write(nb, tmp_path / f"0{number}.ipynb")
        (tmp_path / f"test_{number}.py").write_text("import time\n\n\ndef test(): time.sleep(0.5)\n")
    options = ["-v", "-n", "2", "--dist", "loadfile", "--nbval-lax", "--nbval-current-env"]
    command = [sys.executable, "-m", "pytest", *options]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    passed = re.findall(r"\[(gw\d)\].* PASSED (.*?)::", run.stdout)
    workers = {worker for worker, file in passed if not file.startswith("test_")}
    assert len(passed) == 16 and len(workers) == 1, run.stdout


def test_help_lists_every_target(make):
    listed = {line.split()[1] for line in make().splitlines() if line.startswith("  make ")}
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert listed == set(phony.split()[1:])

"""What `pip install` of the repository brings, away from a checkout: as in Colab."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """installed("-m", "rag_lib.run", ...): Python where the package lies in a folder of its own, in an empty one."""
    folder = tmp_path_factory.mktemp("installed")
    source, packages, elsewhere = (folder / name for name in ("source", "packages", "elsewhere"))
    elsewhere.mkdir()
    skipped = shutil.ignore_patterns(".*", "data", "runs", "build", "tests", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, ignore=skipped)  # a build leaves its folders where it is done
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(packages), str(source)], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "RAG_HOME"}
    environment["PYTHONPATH"] = str(packages)

    def run(*arguments):
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)

    run.packages, run.elsewhere = packages, elsewhere
    return run


def test_it_is_the_installed_package_that_is_asked(installed):
    found = installed("-c", "import rag_lib; print(rag_lib.__file__)")
    assert found.stdout.strip() == str(installed.packages / "rag_lib" / "__init__.py")


def test_every_module_and_every_file_of_the_package_is_there(installed):
    files = [path for path in (ROOT / "rag_lib").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    names = [path.relative_to(ROOT) for path in files]
    assert names and [name for name in names if not (installed.packages / name).exists()] == []


def test_a_notebook_runs_with_an_edition_below_the_current_folder(installed):
    pictures = installed.elsewhere / "photos"
    pictures.mkdir()
    for color in ("navy", "red", "green"):
        Image.new("RGB", (32, 32), color).save(pictures / f"{color}.png")
    run = installed("-m", "rag_lib.run", "--edition", "tutorial", "01", "-p", "catalog", "photos")
    assert (run.returncode, run.stderr) == (0, "")
    assert "See runs/tutorial/index.html" in run.stdout
    left = {path.name for path in (installed.elsewhere / "runs" / "tutorial").iterdir()}
    assert {"01_catalog.ipynb", "index.html"} <= left


def test_the_app_knows_the_editions(installed):
    run = installed("-m", "rag_lib.app", "--edition", "ofline")
    assert "There is no edition 'ofline'. Known: offline, tutorial. Did you mean 'offline'?" in run.stderr


@pytest.mark.parametrize("option", ["--inplace", "--links"])
def test_the_installed_notebooks_are_not_written_to(installed, option):
    notebooks = sorted((installed.packages / "rag_lib" / "notebooks").glob("*.ipynb"))
    before = [path.stat().st_mtime_ns for path in notebooks]
    run = installed("-m", "rag_lib.run", option)
    assert run.returncode == 1 and len(run.stderr.strip().splitlines()) == 1
    assert notebooks and [path.stat().st_mtime_ns for path in notebooks] == before

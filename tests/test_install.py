"""What `pip install` of the repository brings, away from a checkout: as in Colab; and what is installed beside it."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


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


def brought(requirements):
    """The distributions that come with these, by their normal names, as far as they are installed here."""
    found, waiting = set(), [Requirement(each) for each in requirements]
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            try:
                waiting += map(Requirement, requires(name) or ())
            except PackageNotFoundError:
                pass  # OpenCV's has the other name where there is no libGL
    return found


def test_what_the_package_imports_is_brought_without_the_tests_packages():
    files = [*(ROOT / "rag_lib").rglob("*.py"), *(ROOT / "notebooks").glob("*.py")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    modules = {name.split(".")[0] for name in modules} - set(sys.stdlib_module_names) - {"rag_lib"}
    owners = packages_distributions()
    named = {name: {re.sub(r"[-_.]+", "-", each).lower() for each in owners[name]} for name in modules}
    needed = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["ray"]]
    lesson = brought(needed) | {"opencv-python-headless"}
    assert {"torch", "nbformat", "PIL"} <= modules
    assert [name for name, distributions in named.items() if not distributions & lesson] == []


def test_what_only_tests_need_does_not_come_with_the_package():
    lesson, tests = PROJECT["dependencies"], PROJECT["optional-dependencies"]["tests"]
    alone = brought(tests) - brought(lesson)
    assert {"pytest-xdist", "ruff", "playwright"} <= alone and "nbval" not in alone
    assert not {Requirement(each).name for each in lesson} & {Requirement(each).name for each in tests}


def test_the_lock_pins_every_package_that_is_asked_for_at_a_version_that_fits():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    for each in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["tests"]]:
        requirement = Requirement(each)
        assert requirement.specifier.contains(pinned[requirement.name.lower().replace("_", "-")]), each
    assert brought(PROJECT["dependencies"]) | brought(PROJECT["optional-dependencies"]["tests"]) <= {*pinned, "pip"}

"""What `pip install` of the repository brings, away from a checkout: as in Colab; and what is installed beside it."""

import ast
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from PIL import Image

from rag_lib.run.links import INSTALL

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]

# What is otherwise on Windows, and some of it on macOS, as far as it can be had here: processes are spawned, links need
# a right that users lack, and text is not UTF-8 unless one says so (ASCII in its place shows every oversight).
WINDOWS = """
import multiprocessing, os
multiprocessing.set_start_method("spawn", force=True)
def symlink(*_, **__):
    raise OSError("A required privilege is not held by the client")
os.symlink = symlink
"""
NOT_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """installed("-m", "rag_lib.run", ...): Python where the package lies in a folder of its own, in an empty one."""
    folder = tmp_path_factory.mktemp("installed by a visitor")  # folders of theirs have spaces in their names
    source, packages, elsewhere, windows = (folder / name for name in ("source", "packages", "else where", "windows"))
    windows.mkdir()
    (windows / "sitecustomize.py").write_text(WINDOWS)
    elsewhere.mkdir()
    skipped = shutil.ignore_patterns(".*", "data", "runs", "build", "tests", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, ignore=skipped)  # a build leaves its folders where it is done
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(packages), str(source)], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "RAG_HOME"}
    environment |= NOT_UTF8 | {"PYTHONPATH": os.pathsep.join(map(str, (packages, windows)))}

    def run(*arguments):
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)

    run.packages, run.elsewhere = packages, elsewhere
    return run


def test_it_is_the_installed_package_that_is_asked_in_surroundings_like_those_of_windows(installed):
    said = "rag_lib.__file__, os.symlink.__module__, multiprocessing.get_start_method(), open(os.devnull).encoding"
    found = installed("-c", f"import multiprocessing, os, rag_lib; print({said}, sep=chr(10))").stdout.splitlines()
    assert found[0] == str(installed.packages / "rag_lib" / "__init__.py")
    assert found[1:] == ["sitecustomize", "spawn", "ANSI_X3.4-1968"]


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
    assert "There is no edition 'ofline'. Known: offline, photos, tutorial. Did you mean 'offline'?" in run.stderr


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


def imported(files):
    """{module: the distributions that hold it}, of what these files import from elsewhere."""
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    modules = {name.split(".")[0] for name in modules} - set(sys.stdlib_module_names) - {"rag_lib"}
    owners = packages_distributions()
    return {name: {re.sub(r"[-_.]+", "-", each).lower() for each in owners[name]} for name in modules}


def test_what_the_package_imports_is_brought_the_lessons_by_itself_a_rooms_by_its_extra():
    app, ray = ({*(ROOT / "rag_lib" / room).rglob("*.py")} for room in ("app", "distributed"))
    lesson = {*(ROOT / "rag_lib").rglob("*.py"), *(ROOT / "notebooks").glob("*.py")} - app - ray
    plain = brought(PROJECT["dependencies"]) | {"opencv-python-headless"}
    for files, extra in ((lesson, []), (app, EXTRAS["app"]), (ray, EXTRAS["ray"])):
        enough = plain | brought(extra)
        named = imported(files)
        assert "numpy" in named
        assert [name for name, distributions in named.items() if not distributions & enough] == []
    assert "torch" in imported(lesson) and "gradio" in imported(app) and "gradio" not in plain


def test_what_only_tests_need_does_not_come_with_the_package():
    lesson = PROJECT["dependencies"]
    for name, known in (("tests", "pytest-xdist"), ("browser", "playwright"), ("app", "gradio")):
        assert known in brought(EXTRAS[name]) - brought(lesson) and "nbval" not in brought(EXTRAS[name])
    asked = map(Requirement, [*lesson, *itertools.chain(*EXTRAS.values())])
    named = [(each.name, *each.extras) for each in asked]
    assert len(named) == len(set(named)), "one list names it, and no other"


def test_the_app_without_gradio_is_a_sentence(installed):
    code = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "gradio" else find_spec(name, *rest)
from rag_lib.app.__main__ import main
print(main(["-p", "catalog", "photos"]))
"""
    run = installed("-c", code)
    assert run.stdout.splitlines()[-1] == "1"
    assert (
        run.stderr.strip()
        == "The app needs gradio: make setup EXTRAS=app, or pip install '.[app]' in the repository's folder."
    )


def test_conda_and_colab_take_the_same_list():
    assert yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][-1] == {"pip": ["-e .[app]"]}
    assert "'rag_lib[app] @ git+{repository}'" in INSTALL


def test_the_lock_pins_every_package_that_is_asked_for_at_a_version_that_fits():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    asked = [*PROJECT["dependencies"], *itertools.chain(*EXTRAS.values())]
    for each in asked:
        requirement = Requirement(each)
        assert requirement.specifier.contains(pinned[requirement.name.lower().replace("_", "-")]), each
    assert brought(asked) <= {*pinned, "pip"}


def test_the_lock_fits_every_python_3_11():
    """Debian 12's is 3.11.2, and pip refuses the whole installation for one package that asks for a later one."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    found = [(each, distribution(each.split("==")[0])) for each in lines if not each.startswith(("#", "opencv"))]
    asks = {pin: each.metadata["Requires-Python"] for pin, each in found if pin.endswith("==" + each.version)}
    assert len(asks) > 100
    assert {pin: asked for pin, asked in asks.items() if asked and "3.11.0" not in SpecifierSet(asked)} == {}


def test_no_package_of_the_lock_makes_every_process_slow_to_start():
    """jsonschema imports rfc3987-syntax where it is, which takes two seconds: a grammar is compiled each time.

    With it Ray's seven processes did not start in the time that Ray allows them while these tests ran beside them.
    """
    assert "rfc3987-syntax" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")

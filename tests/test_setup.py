"""`make setup` in a room: torch from an index that is named, no network at all, and what it will take, said before.

The same Makefile with a project of a few empty wheels in place of gigabytes: a folder of wheels is an index to pip.
"""

import inspect
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = """
[project]
name = "rag_lib"
version = "0"
dependencies = ["torch>=1", "torchvision", "opencv-python"]
[project.optional-dependencies]
app = ["gradio"]
tests = ["pytest"]
[build-system]
requires = ["setuptools>=70"]
build-backend = "backend"
backend-path = ["."]
"""
# A build backend is two functions; setuptools takes seconds for what is one line here.
BACKEND = """
import zipfile
from pathlib import Path
def build_wheel(folder, *_): return write(folder, "rag_lib", "0", PROVIDES).name
build_editable = build_wheel
PROVIDES = ["torch>=1", "torchvision", "opencv-python", "gradio; extra == 'app'", "pytest; extra == 'tests'"]

"""


def write(folder, name, version, requires=(), module=None):
    """A wheel with one module that knows its version. The build backend has this function, too."""
    path = Path(folder, f"{name.replace('-', '_')}-{version}-py3-none-any.whl")
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {each}" for each in ("app", "tests")] + [f"Requires-Dist: {each}" for each in requires]
    files = {f"{module or name.replace('-', '_')}.py": f"version = {version!r}\n"}
    files |= {f"{info}/METADATA": "\n".join(lines), f"{info}/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n"}
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"]))
    return path


@pytest.fixture
def make(tmp_path):
    """make("setup", ...) in a folder "the room" with a tiny project; pip knows nothing but what the command names."""
    folder, index, torch = (tmp_path / name for name in ("the room", "index", "torchs own"))
    for each in (folder, index, torch):
        each.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    backend = BACKEND + inspect.getsource(write)
    for name, text in {"pyproject.toml": PROJECT, "backend.py": backend, "setup.py": ""}.items():
        (folder / name).write_text(text)
    pins = {"torch": "2.1", "torchvision": "0.2", "opencv-python": "4.0", "gradio": "6.0", "pytest": "9.0"}
    (folder / "requirements.lock").write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
    for name, version in {**pins, "setuptools": "80.0", "opencv-python-headless": "4.0"}.items():
        publish(index, name, version, module="cv2" if name.startswith("opencv") else None)
    publish(index, "torch", "2.2")
    for name in ("torch", "torchvision"):
        publish(torch, name, f"{pins[name]}+cpu")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
    ours = {name: value for name, value in ours.items() if name not in ("EXTRAS", "VENV", "PYTHONPATH", "VIRTUAL_ENV")}
    ours |= {"PIP_CONFIG_FILE": os.devnull, "PIP_CACHE_DIR": str(tmp_path / "cache")}

    def make(*arguments, network=True, fails=False):
        environment = ours | {"PIP_INDEX_URL": index.as_uri() if network else "http://127.0.0.1:9/"}
        command = ["make", *arguments, f"PYTHON={sys.executable}"]
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert (run.returncode != 0) == fails, run.stdout + run.stderr
        return run.stdout + run.stderr

    make.folder, make.torch = folder, torch.as_uri()
    return make


def publish(index, name, version, **options):
    """Put a wheel into a folder that pip reads as an index (PEP 503)."""
    page = index / name
    page.mkdir(exist_ok=True)
    write(page, name, version, **options)
    links = [f'<a href="{each.name.replace("+", "%2B")}">{each.name}</a>' for each in page.glob("*.whl")]
    (page / "index.html").write_text("<!DOCTYPE html>" + "".join(links))


def versions(folder):
    """What lies in its environment, but for pip."""
    found = {}
    for info in folder.glob(".venv/lib/python*/site-packages/*.dist-info"):
        name, version = info.name.removesuffix(".dist-info").split("-")
        found[name] = version
    return {name: version for name, version in found.items() if name not in ("pip", "setuptools")}


LESSON = {"rag_lib": "0", "torch": "2.1", "torchvision": "0.2", "opencv_python": "4.0"}
CPU = {"torch": "2.1+cpu", "torchvision": "0.2+cpu"}
linux = pytest.mark.skipif(
    (sys.version_info[:2], sys.platform) != ((3, 11), "linux"),
    reason="Not tested here: the lock, which is not for this",
)


@linux
def test_it_takes_the_locks_versions_of_what_is_asked_for_and_torch_from_where_it_is_told(make):
    said = make("setup", "EXTRAS=app", f"TORCH_INDEX={make.torch}")
    assert re.match(r"Setting up \.venv takes about 2\.1 GB of disk \(\d+ GB are free\), ", said)
    assert said.splitlines()[-1] == "Ready: .venv"
    assert versions(make.folder) == LESSON | CPU | {"gradio": "6.0"}
    assert "Setting up" not in make("setup"), "once is enough"
    said = make("setup", "EXTRAS=app,tests")  # named again: it is set up again, and keeps its torch
    assert "about 6.9 GB" in said and versions(make.folder) == LESSON | CPU | {"gradio": "6.0", "pytest": "9.0"}


@linux
def test_from_a_wheelhouse_without_a_network(make):
    make("setup", "EXTRAS=", network=False, fails=True)  # there is none
    said = make("wheelhouse", "EXTRAS=app", f"TORCH_INDEX={make.torch}")
    assert re.search(r"^Ready: wheelhouse \(.*make setup EXTRAS=app WHEELHOUSE=wheelhouse$", said, re.MULTILINE)
    held = {path.name.split("-")[0] for path in (make.folder / "wheelhouse").iterdir()}
    assert held == {"torch", "torchvision", "opencv_python", "opencv_python_headless", "gradio", "setuptools"}
    shutil.rmtree(make.folder / ".venv")
    said = make("setup", "EXTRAS=app", "WHEELHOUSE=wheelhouse", network=False)
    assert "nothing to download" in said and versions(make.folder) == LESSON | CPU | {"gradio": "6.0"}


def test_an_empty_wheelhouse_is_a_sentence(make):
    said = make("setup", "WHEELHOUSE=elsewhere", fails=True)
    assert "There are no wheels in elsewhere: make them where there is a network, by 'make wheelhouse'." in said
    assert not (make.folder / ".venv").exists()

"""Workers for real: they need no guard in the script that draws, end with it, and leave nothing half-written."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import joblib
import nbclient
import nbformat
import psutil
import pytest

from rag_lib.drawn import workers
from rag_lib.drawn.workers import draw_missing, drawing_in

ROOT = Path(workers.__file__).parents[2]
# A script as people write it: no guard, and what it draws with is defined in it.
SCRIPT = """
import os, time
from pathlib import Path
import joblib
from rag_lib.drawn.workers import draw_missing
print("the body runs")
joblib.cpu_count = lambda: 2

def draw(seconds):
    time.sleep(seconds)
    return str(os.getpid()).encode()

draw_missing(Path({folder!r}), {{f"{{n}}.txt": {seconds} for n in range(60)}}, draw, description="draw")
print("drawn")
"""


def who(_):
    """What is drawn here: the worker's id, and how many threads OpenCV has in it."""
    time.sleep(0.02)
    return f"{os.getpid()} {cv2.getNumThreads()}".encode()


def read(folder):
    return {path.name: path.read_text() for path in folder.glob("*.txt")}


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)


def test_files_are_made_by_workers_with_one_thread_of_opencv_and_whole_ones_stay(tmp_path, two_cores, monkeypatch):
    monkeypatch.setattr(workers, "IDLE", 1)
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "7.txt").write_text("mine")
    draw_missing(tmp_path / "f", {f"{n}.txt": n for n in range(60)}, who, description="draw")
    found = read(tmp_path / "f")
    assert len(found) == 60 and found.pop("7.txt") == "mine"
    processes, threads = zip(*(text.split() for text in found.values()), strict=True)
    assert len({*processes}) == 2 and str(os.getpid()) not in processes and {*threads} == {"1"}
    wait_for(lambda: not any(is_running(int(pid)) for pid in {*processes}))  # also while this one goes on


def test_a_few_files_are_made_here(tmp_path, two_cores):
    draw_missing(tmp_path / "f", {f"{n}.txt": n for n in range(39)}, who, description="draw")
    assert {text.split()[0] for text in read(tmp_path / "f").values()} == {str(os.getpid())}


@pytest.mark.parametrize("number", [3, 60])
def test_an_error_is_raised_here_and_leaves_nothing_half_written(tmp_path, two_cores, number):
    def fail(what):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        draw_missing(tmp_path / "f", {f"{n}.txt": n for n in range(number)}, fail, description="draw")
    assert not list((tmp_path / "f").iterdir())


@pytest.mark.parametrize("way", ["a script", "standard input"])
def test_a_script_without_a_guard_runs_once(tmp_path, way):
    script, text = tmp_path / "script.py", SCRIPT.format(folder=str(tmp_path / "f"), seconds=0.02)
    script.write_text(text)
    words, given = (["script.py"], None) if way == "a script" else (["-"], text)
    done = subprocess.run(
        [sys.executable, *words],
        input=given, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "the body runs\ndrawn\n") and "Traceback" not in done.stderr
    assert len({*read(tmp_path / "f").values()}) == 2


def test_a_cell_of_a_notebook_runs_once(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cell = nbformat.v4.new_code_cell(SCRIPT.format(folder=str(tmp_path / "f"), seconds=0.02))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert "".join(out.text for out in cell.outputs if out.get("name") == "stdout") == "the body runs\ndrawn\n"
    assert len({*read(tmp_path / "f").values()}) == 2


def test_when_the_parent_is_killed_the_workers_end_and_the_next_call_goes_on(tmp_path):
    folder, script = tmp_path / "f", SCRIPT.format(folder=str(tmp_path / "f"), seconds=0.3)
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: len({*read(folder).values()} - {""}) == 2 or parent.poll() is not None)
        children = [child.pid for child in psutil.Process(parent.pid).children(recursive=True)]
        assert {int(pid) for pid in read(folder).values()} <= {*children}
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_for(lambda: not any(is_running(pid) for pid in children), seconds=5)
    (folder / ".9.txt.abc.part").write_text("half")
    before = read(folder)
    assert 2 <= len(before) < 60
    draw_missing(folder, {f"{n}.txt": n for n in range(60)}, who, description="draw")
    assert {path.name for path in folder.iterdir()} == {f"{n}.txt" for n in range(60)}
    assert before.items() <= read(folder).items()


def test_one_at_a_time_draws_in_a_folder_and_another_finds_it_done(tmp_path):
    folder, calls = tmp_path / "f", []

    def draw(what):
        calls.append(what)
        time.sleep(0.1)
        return b"x"

    def run():
        draw_missing(folder, {f"{n}.txt": n for n in range(5)}, draw, description="draw")

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == list(range(5)) and len(read(folder)) == 5


def test_what_another_process_is_writing_is_not_cleared(tmp_path):
    """It is waited for, and its file is then whole."""
    code = """
import sys, time
from pathlib import Path
from rag_lib.drawn.workers import draw_missing

def draw(what):
    Path(sys.argv[1], ".a.txt.abc.part").touch()
    time.sleep(1)
    return b"theirs"

draw_missing(Path(sys.argv[1]), {"a.txt": 1}, draw, description="draw")
"""
    other = subprocess.Popen([sys.executable, "-c", code, tmp_path / "f"], env=os.environ | {"PYTHONPATH": str(ROOT)})
    wait_for((tmp_path / "f" / ".a.txt.abc.part").exists)
    draw_missing(tmp_path / "f", {"a.txt": 1}, lambda _: b"mine", description="draw")
    assert other.wait() == 0 and read(tmp_path / "f") == {"a.txt": "theirs"}


def test_who_draws_may_draw_again_within(tmp_path):
    with drawing_in(tmp_path / "f"):
        draw_missing(tmp_path / "f", {"a.txt": 1}, lambda _: b"a", description="draw")
    assert read(tmp_path / "f") == {"a.txt": "a"}

"""No room on the disk, or no right to write: one sentence that says so, and nothing lost when there is room again."""

import os
import random
import subprocess
from pathlib import Path

import pytest
import reliability_work as work
from processes import Refused, finish

ROOM_MB = 24
TASKS = ("encode", "fill", "reply", "train", "draw")


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM_MB}m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("Not tested here: a full disk, because a file system cannot be mounted without being root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.cases(5, 50)
def test_full(seed, disk):
    """A full disk: said in a sentence; with room again the next run has everything, and what was there is there"""
    task = getattr(work, TASKS[seed % len(TASKS)])
    home = disk / "home"
    work.make_pictures(home / "pictures", 30)
    whole = seed % 2 and task is not work.train and finish(task, str(home))[0]
    if whole and task is work.fill:
        work.make_pictures(home / "pictures", 30, first=100)
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(bytes(max(0, free - random.Random(seed).randrange(0, 60_000))))
    try:
        finish(task, str(home))
    except Refused as refused:
        assert any(word in str(refused).lower() for word in ("space", "room", "disk", "full")), str(refused)
        assert str(disk) not in str(refused)
    filler.unlink()
    found = finish(task, str(home))[0]
    assert found == finish(task, str(home))[0] | {key: found[key] for key in ("before", "paid") if key in found}
    if task is work.fill:
        assert found["count"] == len(list((home / "pictures").iterdir()))
    elif task is work.encode:
        assert found["kept"] == 30
    elif whole:
        assert found == whole


@pytest.mark.cases(5, 10)
def test_read_only(seed, disk):
    """A folder that cannot be written: said in a sentence, and what is there can be read"""
    task = getattr(work, TASKS[seed % len(TASKS)])
    home = disk / "home"
    work.make_pictures(home / "pictures", 30)
    if seed >= len(TASKS):
        finish(task, str(home))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        finish(task, str(home))
    except Refused as refused:
        assert "cannot" in str(refused), str(refused)
        assert str(disk) not in str(refused)
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    finish(task, str(home))
    assert len(list(Path(home / "pictures").iterdir())) == 30

"""What gradio finds around it: a folder for uploads and settings in the environment, one set for all of a process.

In: a server's host. Out: the folder, for as long as a server runs. Gradio asks the environment for it at every upload,
so that two servers in one process cannot have two.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOOPBACK = "127.0.0.1"
PREFIX = "rag-app-"
LOCK = "lock"  # held for as long as the process lives, whatever ends it


class _Surroundings:
    """Made for the first server, gone with the last."""

    def __init__(self):
        self._guard, self._servers = threading.Lock(), 0

    @contextmanager
    def __call__(self, host: str) -> Iterator[Path]:
        """The folder of the uploads; gradio's settings are in the environment."""
        with self._guard:
            if not self._servers:
                self._make()
            self._servers += 1
            wanted = {"GRADIO_TEMP_DIR": str(self._uploads), "GRADIO_ANALYTICS_ENABLED": "False"} | _unproxied(host)
            self._before = {name: os.environ.get(name) for name in wanted} | self._before
            self._set |= wanted
            os.environ |= wanted
        try:
            yield self._uploads
        finally:
            with self._guard:
                self._servers -= 1
                if not self._servers:
                    self._remove()

    def _make(self) -> None:
        self._before, self._set = {}, {}
        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        root = Path(self._folder.name)
        self._lock = FileLock(root / LOCK, thread_local=False)
        self._lock.acquire()
        _clear_what_was_killed(root)
        self._uploads = root / "uploads"
        self._uploads.mkdir()

    def _remove(self) -> None:
        for name, value in self._before.items():
            if os.environ.get(name) == self._set[name]:  # else somebody has set it since
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        self._lock.release()
        self._folder.cleanup()


surroundings = _Surroundings()


def _unproxied(host: str) -> dict[str, str]:
    """Between this machine and itself stands no proxy: gradio asks its own address whether it is up."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = dict.fromkeys([*filter(None, known.split(",")), LOOPBACK, "localhost", host])
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(names))


def _clear_what_was_killed(own: Path) -> None:
    """Delete the folders of processes that did not come to delete theirs: visitors' pictures lie in them."""
    for left in own.parent.glob(f"{PREFIX}*"):
        try:
            if left.is_symlink() or left.stat().st_uid != own.stat().st_uid or not (left / LOCK).is_file():
                continue
            with FileLock(left / LOCK, timeout=0):
                shutil.rmtree(left, ignore_errors=True)
        except (OSError, Timeout):  # somebody's who is alive
            continue

"""Drawing on all cores, for the catalog, the benchmark and training: files that are there are not drawn again.

In: a folder, the names of its files and what each shows, and a function that draws one; out: the files. Worker
processes need no `__main__` guard in the script that draws, and end with it, even if it is killed.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rag_lib.paths import clear_parts, replacing

MOST = 8  # workers
ENOUGH = 20  # pictures that are drawn in the time in which a worker starts
IDLE = 5  # seconds after which a worker that has nothing to do ends
_parent: int | None = None  # of this process, if it is a worker


@contextmanager
def drawing_in(folder: Path) -> Iterator[None]:
    """Make the folder, wait until no other process draws in it, and clear what a killed one left half-written."""
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    # The system frees the lock when its owner is killed. Who has it may take it again.
    with FileLock(folder.with_name(f".{folder.name}.lock"), is_singleton=True):
        clear_parts(folder)
        yield


def draw_missing(
    folder: Path,
    wanted: Mapping[str, Any],
    draw: Callable[[Any], bytes],
    *,
    description: str,
    unit: str = "picture",
    enough: int = ENOUGH,
) -> None:
    """Make sure that `folder` holds the files named in `wanted`: each is `draw(wanted[name])`, written whole.

    `enough`: files that are worth a worker. A worker's exception is raised here.
    """
    import joblib
    from tqdm.auto import tqdm

    if all((folder / name).exists() for name in wanted):
        return
    with drawing_in(folder):
        missing = [name for name in wanted if not (folder / name).exists()]
        pool = joblib.Parallel(
            max(1, min(MOST, joblib.cpu_count(), len(missing) // enough)),
            "loky",
            return_as="generator_unordered",
            idle_worker_timeout=IDLE,
            initializer=_start_worker,
            initargs=(os.getpid(),),
        )
        done = pool(joblib.delayed(_write)(folder / name, draw, wanted[name]) for name in missing)
        counts = dict(initial=len(wanted) - len(missing), total=len(wanted))
        for _ in tqdm(done, desc=description, unit=unit, delay=1, **counts):
            pass


def _write(path: Path, draw: Callable[[Any], bytes], what: Any) -> None:
    content = draw(what)
    if _parent not in (None, os.getppid()):
        os._exit(1)  # it was killed meanwhile, and the next run may have the folder
    with replacing(path) as beside:
        beside.write_bytes(content)


def _start_worker(parent: int) -> None:
    """One thread for OpenCV, because the workers fill the cores; and an end soon after the parent's."""
    import cv2

    global _parent
    _parent = parent

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    cv2.setNumThreads(1)
    threading.Thread(target=watch, daemon=True).start()

"""The folder of a run's results: held by one run at a time, and never cleared of what no run has left there.

In: the folder and the notebooks that will be executed into it. Out: the same folder, without earlier copies of these.
"""

import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rag_lib.errors import RagError
from rag_lib.paths import is_part

LOCK = ".run.lock"
MADE_BY = "rag_lib.run"
HERO_FILES = ("result.json", "query.jpg", "panorama.jpg", "winner.jpg")
OURS = ('content="rag_lib.run"', "<title>Multimodal RAG with Milvus</title>")  # of pages


@contextmanager
def hold(folder: Path, *, shown: str, remedy: str) -> Iterator[None]:
    """Make `folder` and be the only run that writes into it. `shown`: as the user knows it.

    Raises RagError if another run holds it, and for an OSError at any time: the folder cannot be made or written to, or
    the disk is full in the middle of the work inside. `remedy`: what else to do then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).touch()  # FileLock takes some reasons why it cannot for a lock
        # A process that a killed run was just starting has this file open, too, until it is a program of its own.
        with FileLock(folder / LOCK).acquire(timeout=3):
            try:
                holder = f"process {os.getpid()} on {platform.node()}, since {time.strftime('%H:%M')}"
                (folder / LOCK).write_text(holder, encoding="utf-8")
                yield
            finally:
                (folder / LOCK).unlink(missing_ok=True)
    except Timeout:
        raise RagError(f"Another run ({_holder(folder)}) writes into {shown}: wait for its end, or {remedy}.") from None
    except OSError as exc:
        reason = exc.strerror or "it is gone"
        raise RagError(f"The folder {shown} cannot be made or written to ({reason}): make room, or {remedy}.") from exc


def clear(out: Path, chosen: Sequence[Path], *, shown: str, hero: bool) -> list[str]:
    """Remove what a run of `chosen` makes anew, so that `out` never shows two runs as one.

    Returns the names of the notebooks that were there. Raises RagError, before anything is removed, for a notebook or
    a page there that no run has left.
    """
    pages = (path.with_suffix(".html").name for path in chosen)
    names = ("run.json", *(path.name for path in chosen), *pages, "index.html")  # that it is whole goes first
    there = [out / name for name in names if (out / name).exists()]
    if foreign := [path.name for path in there if not _is_result(path)]:
        raise RagError(f"{shown} holds a {foreign[0]} that no run has left there: name another folder with --out.")
    failed = [out / f"{path.stem}.failed.{ending}" for path in chosen for ending in ("ipynb", "html")]
    killed = filter(is_part, (*out.iterdir(), *(out / "hero").glob("*")))
    for path in (*there, *failed, *killed, *(out / "hero" / name for name in HERO_FILES if hero)):
        path.unlink(missing_ok=True)
    return [path.stem for path in there if path.suffix == ".ipynb"]


def _is_result(path: Path) -> bool:
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".html":
        return any(mark in text for mark in OURS)
    try:
        content = json.loads(text)
        return content["made_by"] == MADE_BY if path.suffix == ".json" else "papermill" in content["metadata"]
    except (ValueError, KeyError, TypeError):
        return False


def _holder(folder: Path) -> str:
    try:
        return (folder / LOCK).read_text(encoding="utf-8")
    except OSError:
        return "it has just begun"

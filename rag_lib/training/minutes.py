"""How long the parts of a training took: minutes.json in its folder, kept when it is stopped and goes on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_lib.training.files import read_json, write_json

FILE = "minutes.json"


def read_minutes(folder: Path) -> dict[str, float]:
    """Part -> minutes; empty if nothing was counted."""
    path = folder / FILE
    return read_json(path) if path.exists() else {}


def add_minutes(folder: Path, part: str, seconds: float, *, anew: bool = False) -> None:
    """Add to what the part has taken so far. `anew`: forget that first."""
    known = read_minutes(folder)
    known[part] = round((0 if anew else known.get(part, 0)) + seconds / 60, 3)
    write_json(folder / FILE, known)


@contextmanager
def count_minutes(folder: Path, part: str) -> Iterator[None]:
    """Counts what happens inside, also when it is interrupted."""
    started = time.monotonic()
    try:
        yield
    finally:
        add_minutes(folder, part, time.monotonic() - started)

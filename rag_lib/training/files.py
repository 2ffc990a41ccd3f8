"""The folder of a training and its JSON files, which are whole or not there, whenever it is stopped."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_lib.errors import RagError
from rag_lib.paths import replacing

# No room, no right to write, or something in the way.
UNWRITABLE = {
    getattr(errno, name, 0) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "ENOTDIR", "EEXIST")
}


@contextmanager
def run_folder(folder: Path) -> Iterator[None]:
    """Make the folder and work in it. RagError where it cannot be written, with what helps."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as exc:
        if exc.errno not in UNWRITABLE:
            raise
        raise RagError(
            f"The folder '{folder.name}' cannot be written ({exc.strerror}): make room on the disk, or give another "
            "--out. What was saved before is kept, and the same command goes on from there."
        ) from None


def read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, document) -> None:
    with replacing(path) as beside:
        beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

"""Ids of pictures that were hashed before: a file of the same name, size and times is not read again.

In: a folder's path; out: a mapping from its files to ids, kept as a small JSON file in data/catalogs/, which may be
deleted at any time. Times are those of the content and of the file's entry (mtime and ctime), in nanoseconds: a program
can set the first back, not the second. Where the file cannot be read or written, all pictures are hashed.
"""

import json
import os
import time
from pathlib import Path

from rag_lib.images import check_header, content_id
from rag_lib.paths import replacing, resolve

KEEP_FROM = 2**26  # bytes: what is hashed more quickly than a second is not kept
SETTLED_S = 2  # a file that was written later than this may be written again within one tick of the clock


class KnownIds:
    """The ids of the pictures below `folder`. `name`: of the catalog, and of the file."""

    def __init__(self, folder: Path, name: str):
        self._folder, self._file = folder, resolve("data") / "catalogs" / f"{name}.json"
        self._fresh, self._hashed = {}, 0
        try:
            kept = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            kept = {}
        self._kept = kept if isinstance(kept, dict) else {}

    def id_of(self, path: Path) -> str:
        """`content_id` of a picture whose header was looked at. Raises ImageError."""
        name, mark = path.relative_to(self._folder).as_posix(), _mark(path)
        known = self._kept.get(name)
        if mark and isinstance(known, list) and known[:-1] == mark and isinstance(known[-1], str):
            image_id = known[-1]
        else:
            check_header(path)
            image_id = content_id(path)
            self._hashed += mark[0] if mark else 0
        if mark and mark == _mark(path) and max(mark[1:]) < time.time_ns() - SETTLED_S * 10**9:
            self._fresh[name] = [*mark, image_id]
        return image_id

    def save(self) -> None:
        """Keep them, if it took long to find them."""
        if self._hashed < KEEP_FROM and (not self._kept or self._fresh == self._kept):
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._file) as beside:
                beside.write_text(json.dumps(self._fresh, separators=(",", ":")))
        except OSError:
            pass  # the next time all are hashed again


def _mark(path: Path) -> list[int] | None:
    """Size, mtime and ctime; None if it cannot be told."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]

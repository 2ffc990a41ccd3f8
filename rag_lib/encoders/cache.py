"""Embeddings that were computed once: the hash of a picture's bytes in, its vector out.

One SQLite file an encoder, named after the encoder's fingerprint, which holds the weights and the preprocessing: what
another model or other pixels would make different is never found here. Every batch is committed at once, so a kill
loses at most one. The file may be deleted at any time; the pictures are then embedded again.
"""

import re
import sqlite3
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from rag_lib.paths import resolve

BUSY_S = 30  # seconds to wait for another process that is writing
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: a table of other columns
TABLE = "CREATE TABLE IF NOT EXISTS embeddings (image_id TEXT PRIMARY KEY, vector BLOB, checksum INTEGER)"
FIND = "SELECT vector, checksum FROM embeddings WHERE image_id = ?"
KEEP = "INSERT OR REPLACE INTO embeddings (image_id, vector, checksum) VALUES (?, ?, ?)"


class EmbeddingCache:
    """The vectors of one encoder, `dim` long, in the file `path`; made on first use, a context manager.

    No fault of the disk is an error here. A damaged row counts as missing; a damaged file is renamed to `*.damaged`
    and begun anew; where nothing can be written, what is there is read and nothing is added. The latter two are
    told, once. Any number of threads and processes may share the file.
    """

    def __init__(self, path: str | Path, dim: int):
        self.path, self.dim = Path(path), dim
        self._lock = threading.Lock()
        self._reads = self._writes = True
        self._begun_anew = False
        self._db: sqlite3.Connection | None = None

    @classmethod
    def for_encoder(cls, encoder) -> "EmbeddingCache":
        """The usual place: data/embeddings/, below the project's home."""
        name = re.sub(r"[^\w.-]+", "_", f"{encoder.name}-{encoder.fingerprint}")[-120:]
        return cls(resolve("data") / "embeddings" / f"{name}.sqlite3", encoder.dim)

    def __enter__(self) -> "EmbeddingCache":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a later call opens it again."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def __len__(self) -> int:
        found = self._run(lambda db: db.execute("SELECT count(*) FROM embeddings").fetchone())
        return found[0] if found else 0

    def get(self, image_id: str) -> np.ndarray | None:
        """(dim,) float32 as it was put in, or None if there is no such row or its checksum is wrong."""
        row = self._run(lambda db: db.execute(FIND, (image_id,)).fetchone())
        if row is None or not isinstance(row[0], bytes) or len(row[0]) != 4 * self.dim:
            return None
        return np.frombuffer(row[0], "<f4").astype(np.float32) if row[1] == _checksum(image_id, row[0]) else None

    def put(self, image_ids: Sequence[str], vectors: np.ndarray) -> None:
        """Keep a batch, all of it or nothing. `vectors`: (n, dim), row i for `image_ids[i]`; NaN rows are left out."""
        blobs = {
            image_id: row.tobytes()
            for image_id, row in zip(image_ids, np.asarray(vectors, "<f4"), strict=True)
            if np.isfinite(row).all()
        }
        if blobs:
            self._run(lambda db: _keep(db, blobs), writing=True)

    def _run(self, work: Callable[[sqlite3.Connection], Any], *, writing: bool = False) -> Any:
        """What `work` returns, or None if the file did not allow it."""
        with self._lock:
            if not (self._writes if writing else self._reads):
                return None
            for _ in range(2):  # the second time with a new file, if the first found a damaged one
                try:
                    self._db = self._db or self._open()
                    return work(self._db)
                except (sqlite3.Error, OSError, UnicodeDecodeError) as exc:  # the last: of the table's own text
                    damaged = _code(exc) in DAMAGED or isinstance(exc, UnicodeDecodeError)
                    if not damaged or self._begun_anew:
                        self._give_up(exc, writing)
                        break
                    self._begin_anew(exc)
            return None

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The lock of `_run` keeps threads apart; IMMEDIATE, so that two writing processes queue instead of failing.
        db = sqlite3.connect(self.path, BUSY_S, isolation_level="IMMEDIATE", check_same_thread=False)
        try:
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(TABLE)
            db.execute(FIND, ("",))
        except BaseException:
            db.close()
            raise
        return db

    def _begin_anew(self, exc: Exception) -> None:
        self._begun_anew = True
        if self._db is not None:
            self._db.close()
            self._db = None
        try:
            self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))
        except FileNotFoundError:
            pass  # another process was quicker
        except OSError:
            return  # the second attempt meets the same damage and gives up
        _say(f"The embedding cache is damaged ({exc}): it is set aside as {self.path.name}.damaged and begun anew.")

    def _give_up(self, exc: Exception, writing: bool) -> None:
        why = getattr(exc, "strerror", None) or exc
        if writing and self._db is not None:
            self._writes = False
            _say(f"New embeddings are not kept, because the embedding cache cannot be written ({why}).")
        else:
            self._reads = self._writes = False
            _say(f"The embedding cache cannot be used ({why}): pictures are embedded without it.")


def _keep(db: sqlite3.Connection, blobs: dict[str, bytes]) -> None:
    with db:  # one transaction
        db.executemany(KEEP, [(image_id, blob, _checksum(image_id, blob)) for image_id, blob in blobs.items()])


def _checksum(image_id: str, blob: bytes) -> int:
    """Of the id too, so that a row cannot answer for another picture."""
    return zlib.crc32(blob, zlib.crc32(image_id.encode()))


def _code(exc: Exception) -> int | None:
    """SQLite's primary result code; the upper bits only refine it."""
    code = getattr(exc, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _say(line: str) -> None:
    tqdm.write(line)  # beside a progress bar, not through it

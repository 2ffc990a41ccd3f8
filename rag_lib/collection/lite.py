"""The local store: a Milvus Lite folder goes in, the address of its server comes out.

Milvus Lite runs in threads of this process and locks its folder: one process at a time, and closing a client does
not free it. Here the users of a folder are counted, and the last one to release it stops its server and frees it.
"""

import logging
import shutil
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag_lib import paths
from rag_lib.collection.live import live_rows, remember_live_rows
from rag_lib.errors import RagError

# Its server takes pymilvus's keepalive pings, one in ten seconds, for an attack, hangs up and logs that to stderr.
# A proxy of the environment would look for this machine's address on its own.
CHANNEL = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.enable_http_proxy": 0}
_users: Counter[Path] = Counter()  # folder -> users in this process
_guard = threading.RLock()  # reentrant: garbage collection can release one user while another one acquires


def shown(path: Path) -> str:
    """The folder as messages name it: without the machine's part if it lies below the project."""
    home = paths.home()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)


def holds(path: Path, name: str) -> bool:
    """Whether the folder has files of a collection of this name."""
    return (path / "collections" / name).is_dir()


def acquire(path: Path, *, timeout: float) -> str:
    """Open the folder, made if missing -> "http://127.0.0.1:port". Call `release` with the same path afterwards.

    `timeout`: seconds to wait while another process holds it. RagError if it stays held, is something else than a
    folder of milvus-lite 3, or cannot be opened; nothing in it is touched then.
    """
    try:
        from milvus_lite import MilvusLite
        from milvus_lite.exceptions import DataDirLockedError
        from milvus_lite.server_manager import server_manager_instance
    except ImportError:
        raise RagError("A local .db needs milvus-lite 3: pip install 'milvus-lite>=3'.") from None
    remember_live_rows()
    logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)  # what matters comes as an exception
    deadline = time.monotonic() + timeout
    try:
        with _guard:  # another thread may be making it
            foreign = path.exists() and not (
                path.is_dir()
                and ((path / "collections").is_dir() or all(each.name == "LOCK" for each in path.iterdir()))
            )
        if foreign:
            raise RagError(
                f"{shown(path)} was not made by milvus-lite 3 (version 2 wrote a single file): "
                f"choose another path, or move it away."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            address = None
            with _guard:
                _users[path] += 1  # before the start: a release meanwhile must not stop the server under us
                try:
                    address = server_manager_instance.start_and_get_uri(str(path))
                    if address and _users[path] == 1:  # nobody else, here or in another process, makes one now
                        _clear_unfinished(path)
                finally:
                    if not address:
                        release(path)
            if address:
                return address
            why, remedy = "could not be served", "try again, or choose another path"
            try:
                MilvusLite(str(path)).close()  # the manager logs the cause and drops it: ask once more
            except DataDirLockedError:
                why = "is in use by another notebook or process"
                remedy = "close it there with collection.close(), or restart its kernel"
            if time.monotonic() >= deadline:
                raise RagError(f"{shown(path)} {why}: {remedy}.")
            time.sleep(0.2)
    except OSError as exc:
        raise RagError(f"{shown(path)} cannot be opened ({exc.strerror}): choose another path.") from None


def _clear_unfinished(path: Path) -> None:
    """A process that was killed while it made or dropped a collection left a folder without its schema.

    Milvus Lite neither opens such a folder nor makes another of that name. One that holds rows is set aside.
    """
    for folder in (path / "collections").iterdir():
        if folder.is_dir() and not (folder / "schema.json").exists():
            if any(file.suffix in (".parquet", ".arrow") for file in folder.rglob("*")):
                aside = folder.with_name(f"{folder.name}.{time.time_ns():x}.damaged")
                folder.rename(path / aside.name)
                print(f"{shown(path)}: the collection {folder.name!r} has lost its schema and is set aside.")
            else:
                shutil.rmtree(folder)


def release(path: Path) -> None:
    """Give up one use of the folder; the last one frees it for other processes."""
    from milvus_lite.server_manager import server_manager_instance

    with _guard:
        _users[path] -= 1
        if _users[path] <= 0:
            del _users[path]
            server_manager_instance.release_server(str(path))


def table(path: Path, name: str, fields: Sequence[str]) -> Any:
    """The live rows of a collection that is open here, by their ids, as a `pyarrow.Table` of these columns.

    None if only Milvus Lite itself can tell: there are rows that are not flushed, or it is not the one that is known.
    """
    import pyarrow as pa

    try:
        collection = _inner(path, name)
        if collection._memtable.size():
            return None
        segments, deleted = collection._read_snapshot()
        masks = live_rows(segments, collection._memtable, deleted) if segments else []
        parts = [each.table.select(fields).filter(pa.array(mask)) for each, mask in zip(segments, masks, strict=True)]
    except (AttributeError, ImportError, KeyError, TypeError):
        return None
    return pa.concat_tables(parts).sort_by("image_id") if parts else None


def count_stored(path: Path, name: str) -> int:
    """Rows in the files of a collection that is open here, those included that were deleted or written anew."""
    try:
        return sum(len(each.pks) for each in _inner(path, name)._read_snapshot()[0])
    except (AttributeError, KeyError):
        return 2**20  # another version: as many as a folder may well hold


def is_settled(path: Path, name: str, *, timeout: float) -> bool:
    """Wait until Milvus Lite has no work left in the background. False if `timeout` (seconds) came first."""
    try:
        _inner(path, name)._wait_for_bg(timeout)
    except TimeoutError:
        return False
    except (AttributeError, KeyError):
        pass  # another version
    return True


def _inner(path: Path, name: str) -> Any:
    """Milvus Lite's own object."""
    from milvus_lite.server_manager import server_manager_instance

    return server_manager_instance._servers[str(path)][1].get_collection(name)

"""An open collection: how it is reached, opened and let go, on a server or in a local folder of Milvus Lite."""

import json
import os
import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from rag_lib import paths
from rag_lib.collection import lite
from rag_lib.collection.calls import CALL_S, CONNECT_S, MilvusError, attempt, connect, is_local, shown
from rag_lib.collection.opening import check_name, check_options, grow, open_collection
from rag_lib.collection.owner import is_ours, origin_of, owner_name, owner_of
from rag_lib.errors import RagError, did_you_mean

PAGE = 16_384  # rows of one answer when all are read: Milvus's own bound
EXACT = 5_000  # rows up to which a local search compares all; a graph is as quick there, and takes seconds to build
BUILD_S = 3_600  # seconds for a local call, which may have to build an index first
LEVELS = ("Strong", "Session", "Bounded", "Eventually")


class Connection:
    """A named collection of `dim`-dimensional vectors under `uri`; made if missing, always loaded, a context manager.

    `dim`: None opens a collection that exists, whatever its dimension. `token`: for servers, else `MILVUS_TOKEN`.
    `root`: stored paths are relative to it where they lie below it, so that a moved catalog is still found.
    `owner`: on a server, the name of those who share the collection, else `RAG_OWNER`; without a name it is this
    machine's `root`. Another's collection is refused. See `owner.py`.
    `index`: Milvus index type for a new collection. By default a local one is exact up to `EXACT` rows and HNSW beyond
    (see `fit_index`), and a server chooses.
    `consistency`: Milvus consistency level of all reads. A server's own default, Bounded, does not show the latest
    writes at once.
    `lock_timeout`: seconds to wait for another process to let go of the local folder; it allows one at a time.
    """

    def __init__(
        self,
        uri: str | Path,
        name: str,
        *,
        dim: int | None = None,
        token: str | None = None,
        root: str | Path | None = None,
        owner: str | None = None,
        index: str | None = None,
        consistency: str = "Strong",
        lock_timeout: float = 10.0,
    ):
        check_name(name)
        if consistency not in LEVELS:
            near = did_you_mean(consistency, LEVELS)
            raise RagError(f"The consistency {consistency!r} is none of {', '.join(LEVELS)}.{near}")
        self.local, self._folder, existed = is_local(uri), ("", ""), False
        check_options(dim, index, local=self.local)
        self.name = name
        self._level = {"consistency_level": consistency}
        self._root = None if root is None else Path(root)
        self._source = None if self.local else origin_of(root)
        self._client, self._lacks = None, ""
        resources = ExitStack()
        self._close = weakref.finalize(self, resources.close)  # also when a cell is run twice and the first forgotten
        try:
            if self.local:
                path = paths.resolve(uri)
                path = path.parent.resolve() / path.name  # one spelling for one folder
                self.uri, existed = lite.shown(path), lite.holds(path, name)
                self._folder = (str(path), self.uri)
                address, token, wait, channel = lite.acquire(path, timeout=lock_timeout), "", CALL_S, lite.CHANNEL
                resources.callback(lite.release, path)
            else:
                address, wait, channel = str(uri), CONNECT_S, {}
                token = token or os.environ.get("MILVUS_TOKEN", "")
                self.uri = shown(address)
            self._client = connect(address, token, wait, self.uri, channel)
            resources.callback(self._client.close)
            self._options = {"place": self.uri, "index": index, "consistency": consistency, "local": self.local}
            self._options |= {"owner": owner_name(owner) or origin_of(root), "root": root}
            self._open(dim)
        except BaseException as exc:
            self.close()
            if existed and isinstance(exc, MilvusError):
                raise RagError(f"{exc}. If {self.uri} is damaged, delete it and make it again.") from None
            raise

    def _open(self, dim: int | None) -> None:
        opened = open_collection(self._client, self._call, self.name, dim, **self._options)
        self.name, self.dim, self._output, self._words, self._lacks, self._by_size = opened

    def left_behind(self, pattern: str) -> list[str]:
        """Other local collections whose name matches the regular expression, of folders that are no longer there."""
        listed = self._attempt(self.client.list_collections) if self.local else ()
        names = [name for name in listed if name != self.name and re.fullmatch(pattern, name)]
        return [name for name in names if is_ours(owner_of(self._attempt(self.client.describe_collection, name)), None)]

    def serve_as(self, alias: str) -> None:
        """Let `Collection(uri, alias)` open this collection from now on, whichever it opened before.

        Both are there all the time, and those that are open already go on with theirs. So a collection of another
        encoder is filled beside the old one, takes its place, and the old one is dropped when nobody has it open.
        """
        check_name(alias)
        try:
            self._attempt(self.client.alter_alias, self.name, alias)
        except MilvusError:  # there is none of this name
            self._attempt(self.client.create_alias, self.name, alias)

    def remake(self) -> None:
        """Delete the whole collection and make it again, empty and without damage."""
        self._call("drop_collection")
        self._open(self.dim)

    def drop(self) -> None:
        """Delete the whole collection and close."""
        self._call("drop_collection")
        self.close()

    def close(self) -> None:
        """Let go of the connection and, with the last Collection of this process, of the local folder's lock."""
        self._client = None
        self._close()

    @property
    def needs_rebuild(self) -> bool:
        """Whether an earlier version made it without search by words, which this server has: drop and fill it again."""
        return not (self._words or self._lacks)

    @property
    def client(self) -> Any:
        """The `pymilvus.MilvusClient` itself, for what this class does not wrap."""
        if self._client is None:
            raise RagError(f"The collection {self.name!r} is closed: open it again with Collection(...).")
        return self._client

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Collection({self.uri!r}, {self.name!r}, dim={self.dim}{', closed' * (self._client is None)})"

    def wait_for_index(self, timeout: float = 600) -> bool:
        """Wait until a local index is built as far as the rows ask for it; False if `timeout` (seconds) came first.

        Searches work meanwhile, exactly, and are quicker afterwards. A server tells nothing of it.
        """
        return not self.local or lite.is_settled(Path(self._folder[0]), self.name, timeout=timeout)

    def fit_index(self, n: int) -> None:
        """Give a local collection that is to hold more than `EXACT` rows a graph, unless its index was named.

        `n`: rows. Of rows that come later Milvus Lite builds it in the background, of those that are there at once
        (seconds), while searches wait. Whoever is to write many rows says so before the first: then nothing waits.
        """
        if self._by_size and n > EXACT:
            self._by_size = False
            if (there := self._call("query", filter="", output_fields=["count(*)"])[0]["count(*)"]) > EXACT:
                tqdm.write(f"An index of the {there:,} rows in {self.uri} is built, once.")
            grow(self.client, self._call)

    def _flush(self) -> None:
        if self.local:  # a server sees to it by itself, and refuses one flush soon after another
            self._call("flush")

    def _call(self, method: str, **options: Any) -> Any:
        try:
            wait = BUILD_S if self.local else CALL_S
            return self._attempt(getattr(self.client, method), self.name, timeout=wait, **options)
        except MilvusError as exc:
            raise (MilvusError(f"{exc}. {self._lacks}") if self._lacks else exc) from None

    def _attempt(self, function: Callable, *args: Any, **options: Any) -> Any:
        return attempt(function, *args, folder=self._folder, **options)

    def _rows(self, fields: list[str]) -> Iterator[dict[str, Any]]:
        """All rows. A local folder's are read where they lie: through Milvus Lite's calls each costs a third of a
        millisecond, because its vector comes too."""
        if self.local and (table := lite.table(Path(self._folder[0]), self.name, fields)) is not None:
            for batch in table.to_batches(max_chunksize=PAGE):
                for row in batch.to_pylist():
                    if meta := row.pop("$meta", None):
                        row["$meta"] = {} if meta == "{}" else json.loads(meta)
                    yield row
            return
        iterator = self._call("query_iterator", batch_size=PAGE, output_fields=fields, **self._level)
        while rows := self._attempt(iterator.next):
            yield from rows

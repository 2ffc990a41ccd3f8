"""The Milvus collection: items and their vectors go in, hits come out.

A `uri` that ends in .db is a local Milvus Lite folder; http(s)://... a server or cluster, Milvus 2.5 or newer.

A damaged local folder can open with rows missing and without an error. So whoever fills a collection asks
`outdated()` what to upsert, which also mends damage; a stored count would not tell which rows are gone.
"""

import os
import weakref
from collections.abc import Collection as Ids
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from rag_lib import paths
from rag_lib.collection import lite
from rag_lib.collection.calls import MilvusError, checked, connect, shown
from rag_lib.collection.filters import Where, filter_expression
from rag_lib.collection.rows import COLUMNS, schema, to_item, to_row
from rag_lib.errors import RagError
from rag_lib.records import Hit, Item

MAX_LIMIT = 16_384  # Milvus's own bound on the hits of one search
CONNECT_S, CALL_S = 5, 60  # time limits, seconds
OUTPUT = [*(name for name in COLUMNS if name != "vector"), "$meta"]
STRONG = {"consistency_level": "Strong"}  # a server's default does not show the latest writes at once


class Collection:
    """A named collection of `dim`-dimensional vectors under `uri`; made if missing, always loaded, a context manager.

    `dim`: None opens a collection that exists, whatever its dimension. `token`: for servers, else `MILVUS_TOKEN`.
    `root`: stored paths are relative to it where they lie below it, so that a moved catalog is still found.
    `index`: Milvus index type for a new collection. Local default FLAT: exact, and as fast as HNSW at this size.
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
        index: str | None = None,
        lock_timeout: float = 10.0,
    ):
        if not (name.isascii() and name.isidentifier() and len(name) <= 255):
            raise RagError(f"{name!r} cannot name a collection: use letters, digits and _, not beginning with a digit.")
        self.name = name
        self._root = None if root is None else Path(root)
        self._client = None
        local = str(uri).endswith(".db")
        resources = ExitStack()
        self._close = weakref.finalize(self, resources.close)  # also when a cell is run twice and the first forgotten
        try:
            if local:
                path = paths.resolve(uri)
                path = path.parent.resolve() / path.name  # one spelling for one folder
                self.uri = lite.shown(path)
                address, token, wait, channel = lite.acquire(path, timeout=lock_timeout), "", CALL_S, lite.CHANNEL
                resources.callback(lite.release, path)
            else:
                address, wait, channel = str(uri), CONNECT_S, {}
                token = token or os.environ.get("MILVUS_TOKEN", "")
                self.uri = shown(address)
            self._client = connect(address, token, wait, self.uri, channel)
            resources.callback(self._client.close)
            self.dim = self._prepare(dim, index or ("FLAT" if local else "AUTOINDEX"), mend=local)
        except BaseException as exc:
            self.close()
            if local and isinstance(exc, MilvusError):
                raise RagError(f"{exc}. If {self.uri} is damaged, delete it and make it again.") from None
            raise

    def upsert(self, items: Sequence[Item], vectors: np.ndarray, *, batch_size: int = 500, progress=True) -> int:
        """Insert or replace items; idempotent, because the key is `image_id`. Returns the number of distinct ids.

        `vectors`: (n, dim) float32, unit-length rows, row i for `items[i]`; all are checked before the first row
        is written. Ends with a flush, because unflushed rows are searched slowly.
        """
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.shape != (len(items), self.dim):
            raise RagError(f"The vectors of {len(items)} items have shape {vectors.shape}; dim here is {self.dim}.")
        if batch_size < 1:
            raise RagError(f"batch_size is {batch_size}; it must be at least 1.")
        for item, length in zip(items, np.linalg.norm(vectors, axis=1), strict=True):
            if not abs(length - 1) < 1e-2:  # written so that NaN fails too; half precision passes
                raise RagError(f"The vector of {item.image_id!r} has length {length:.3g}, not 1: normalize the rows.")
        pairs = zip(items, vectors, strict=True)
        rows = list({item.image_id: to_row(item, row, root=self._root) for item, row in pairs}.values())
        starts = range(0, len(rows), batch_size)
        for start in tqdm(starts, desc="upsert", unit="batch", disable=not progress or len(starts) < 2):
            self._call("upsert", data=rows[start : start + batch_size])
        if rows:
            self._call("flush")
        return len(rows)

    def search(self, vector: np.ndarray, limit: int = 9, where: Where = None, exclude: Ids[str] = ()) -> list[Hit]:
        """The nearest items, best first; equal scores (to six digits) in the order of their ids.

        `vector`: (dim,), any length but zero. `limit`: most hits, 1 to 16,384. `where`: a Milvus filter such as
        `'price < 20'`, or a mapping (see `filter_expression`). `exclude`: ids to leave out, e.g. the query's own image.
        """
        vector = np.asarray(vector, dtype=np.float32)
        if vector.shape != (self.dim,):
            raise RagError(f"The query vector has shape {vector.shape}, but {self.name!r} needs ({self.dim},).")
        if not (np.isfinite(vector).all() and vector.any()):
            raise RagError("The query vector is zero or not finite, so nothing is near it: check the encoder's output.")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
            raise RagError(f"limit is {limit!r}; it must be a whole number from 1 to {MAX_LIMIT:,}.")
        found = self._call(
            "search",
            data=[vector],
            limit=min(limit + 16, MAX_LIMIT),  # a few more, so that a tie at the end is cut in a stable order
            filter=filter_expression(where, exclude=exclude),
            output_fields=OUTPUT,
            **STRONG,
        )[0]
        pairs = [(min(1.0, float(hit["distance"])), to_item(hit["entity"], root=self._root)) for hit in found]
        pairs.sort(key=lambda pair: (-round(pair[0], 6), pair[1].image_id))
        return [Hit(rank, score, item) for rank, (score, item) in enumerate(pairs[:limit], start=1)]

    def count(self) -> int:
        """The exact number of rows, the latest writes included."""
        return self._call("query", filter="", output_fields=["count(*)"], **STRONG)[0]["count(*)"]

    __len__ = count

    def __bool__(self) -> bool:
        return True  # an empty collection is still a collection

    def ids(self) -> set[str]:
        """All stored ids."""
        return {row["image_id"] for row in self._rows(["image_id"])}

    def outdated(self, items: Iterable[Item]) -> list[Item]:
        """Those of `items` that are not stored, or with another path, title or metadata: encode and upsert them."""
        stored = {row["image_id"]: to_item(row, root=self._root) for row in self._rows(OUTPUT)}
        as_stored = ((item, to_item(to_row(item, None, root=self._root), root=self._root)) for item in items)
        return [item for item, wanted in as_stored if stored.get(item.image_id) != wanted]

    def delete(self, ids: Ids[str]) -> None:
        """Delete the rows of these ids; unknown ids are no error."""
        if ids:
            self._call("delete", ids=[ids] if isinstance(ids, str) else list(ids))
            self._call("flush")

    def drop(self) -> None:
        """Delete the whole collection and close."""
        self._call("drop_collection")
        self.close()

    def close(self) -> None:
        """Let go of the connection and, with the last Collection of this process, of the local folder's lock."""
        self._client = None
        self._close()

    @property
    def client(self) -> Any:
        """The `pymilvus.MilvusClient` itself, for what this class does not wrap."""
        if self._client is None:
            raise RagError(f"The collection {self.name!r} is closed: open it again with Collection(...).")
        return self._client

    def __enter__(self) -> "Collection":
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Collection({self.uri!r}, {self.name!r}, dim={self.dim}{', closed' * (self._client is None)})"

    def _call(self, method: str, **options: Any) -> Any:
        return checked(getattr(self.client, method), self.name, timeout=CALL_S, **options)

    def _rows(self, fields: list[str]) -> Iterator[dict[str, Any]]:
        iterator = self._call("query_iterator", batch_size=4_096, output_fields=fields, **STRONG)
        while rows := checked(iterator.next):
            yield from rows

    def _prepare(self, dim: int | None, index: str, *, mend: bool) -> int:
        """Make the collection if it is missing, check it if not, load it. -> its dimension.

        `mend`: build an index anew that cannot be read.
        """
        if not self._call("has_collection"):
            if dim is None:
                raise RagError(f"{self.uri} holds no collection {self.name!r}: give dim to make it.")
            self._call("create_collection", schema=schema(dim), **STRONG)
        fields = {field["name"]: field for field in self._call("describe_collection")["fields"]}
        if not fields.keys() >= set(COLUMNS):
            raise RagError(f"The collection {self.name!r} in {self.uri} was not made by rag_lib: use another name.")
        stored = int(fields["vector"]["params"]["dim"])
        if dim not in (None, stored):
            raise RagError(
                f"The collection {self.name!r} in {self.uri} holds vectors of dimension {stored}, not {dim}: "
                f"use another name, or delete it with Collection(uri, name).drop()."
            )
        if not self._call("list_indexes"):  # new, or its maker was stopped before this line
            self._build(index)
        try:
            self._call("load_collection")  # a reopened collection is released
        except MilvusError:
            if not mend:
                raise
            # A process that was killed while it wrote the index left half a file. The rows beside it are whole.
            self._call("drop_index", index_name="vector")
            self._build(index)
            self._call("load_collection")
        return stored

    def _build(self, index: str) -> None:
        params = self.client.prepare_index_params()
        params.add_index("vector", index_type=index, metric_type="COSINE")
        self._call("create_index", index_params=params)

"""The Milvus collection: items and their vectors go in, hits come out.

A `uri` that ends in .db is a local Milvus Lite folder; http(s)://host:port or http(s)://host:port/database a server or
cluster: Milvus 2.5 or newer, or an older one without search by words and without filters on missing values.

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
from rag_lib.collection.calls import CALL_S, CONNECT_S, MilvusError, checked, connect, shown
from rag_lib.collection.filters import Where, filter_expression
from rag_lib.collection.fusion import fused
from rag_lib.collection.opening import opened
from rag_lib.collection.rows import WORDS, to_item, to_row
from rag_lib.errors import RagError, did_you_mean
from rag_lib.records import Hit, Item

MAX_LIMIT = 16_384  # Milvus's own bound on the hits of one search
DEPTH = 200  # how far down each ranking is read before two are fused
LEVELS = ("Strong", "Session", "Bounded", "Eventually")


class Collection:
    """A named collection of `dim`-dimensional vectors under `uri`; made if missing, always loaded, a context manager.

    `dim`: None opens a collection that exists, whatever its dimension. `token`: for servers, else `MILVUS_TOKEN`.
    `root`: stored paths are relative to it where they lie below it, so that a moved catalog is still found.
    `index`: Milvus index type for a new collection. By default a local one is exact, and a server chooses.
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
        index: str | None = None,
        consistency: str = "Strong",
        lock_timeout: float = 10.0,
    ):
        if not (name.isascii() and name.isidentifier() and len(name) <= 255):
            raise RagError(f"{name!r} cannot name a collection: use letters, digits and _, not beginning with a digit.")
        if consistency not in LEVELS:
            near = did_you_mean(consistency, LEVELS)
            raise RagError(f"The consistency {consistency!r} is none of {', '.join(LEVELS)}.{near}")
        self.name = name
        self._level = {"consistency_level": consistency}
        self._root = None if root is None else Path(root)
        self._client = None
        self._local = local = str(uri).endswith(".db")
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
            options = {"place": self.uri, "index": index, "consistency": consistency, "local": local}
            self.dim, self._output, self._words, self._lacks = opened(self._client, name, dim, **options)
        except BaseException as exc:
            self.close()
            if local and isinstance(exc, MilvusError):
                raise RagError(f"{exc}. If {self.uri} is damaged, delete it and make it again.") from None
            raise

    def upsert(self, items: Sequence[Item], vectors: np.ndarray, *, batch_size: int = 500, progress=True) -> int:
        """Insert or replace items; idempotent, because the key is `image_id`. Returns the number of distinct ids.

        `vectors`: (n, dim) float32, unit-length rows (within 1%), row i for `items[i]`; all are checked before
        the first row is written. A local one is flushed at the end, because Milvus Lite searches unflushed rows slowly.
        """
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.shape != (len(items), self.dim):
            raise RagError(f"The vectors of {len(items)} items have shape {vectors.shape}; dim here is {self.dim}.")
        if batch_size < 1:
            raise RagError(f"batch_size is {batch_size}; it must be at least 1.")
        lengths = np.linalg.norm(vectors, axis=1)
        for item, length in zip(items, lengths, strict=True):
            if not abs(length - 1) < 1e-2:  # written so that NaN fails too; half precision passes
                raise RagError(f"The vector of {item.image_id!r} has length {length:.3g}, not 1: normalize the rows.")
        pairs = zip(items, vectors / lengths[:, None], strict=True)
        rows = list({item.image_id: to_row(item, row, root=self._root) for item, row in pairs}.values())
        starts = range(0, len(rows), batch_size)
        for start in tqdm(starts, desc="upsert", unit="batch", disable=not progress or len(starts) < 2):
            self._call("upsert", data=rows[start : start + batch_size])
        if rows:
            self._flush()
        return len(rows)

    def search(
        self,
        vector: np.ndarray,
        limit: int = 9,
        where: Where = None,
        exclude: Ids[str] = (),
        *,
        text: str | None = None,
    ) -> list[Hit]:
        """The nearest items, best first; equal scores (to six digits) in the order of their ids.

        `vector`: (dim,), any length but zero. `limit`: most hits, 1 to 16,384. `where`: a Milvus filter such as
        `'price < 20'`, or a mapping (see `filter_expression`). `exclude`: ids to leave out, e.g. the query's own image.
        `text`: words to look for in the titles as well (hybrid search): the best `DEPTH` by vector and by BM25 are
        fused (see `fused`). Scores stay cosines, so that they need not fall from hit to hit.
        """
        vector = np.asarray(vector, dtype=np.float32)
        if vector.shape != (self.dim,):
            raise RagError(f"The query vector has shape {vector.shape}, but {self.name!r} needs ({self.dim},).")
        if not (np.isfinite(vector).all() and vector.any()):
            raise RagError("The query vector is zero or not finite, so nothing is near it: check the encoder's output.")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
            raise RagError(f"limit is {limit!r}; it must be a whole number from 1 to {MAX_LIMIT:,}.")
        vector = vector / np.linalg.norm(vector)
        expression = filter_expression(where, exclude=exclude)
        if text and text.strip():
            return self._hybrid(vector, text, limit, expression)
        # a few more than asked for, so that a tie at the end is cut in a stable order
        found = self._best("vector", vector, limit + 8, expression, self._output)[:limit]
        return [Hit(rank, score, to_item(row, root=self._root)) for rank, (row, score) in enumerate(found, start=1)]

    def _hybrid(self, vector: np.ndarray, text: str, limit: int, expression: str) -> list[Hit]:
        """Fused here: Milvus's `hybrid_search` ranks equal scores by chance and returns no cosines."""
        if not self._words:
            raise RagError(
                self._lacks
                or f"The collection {self.name!r} in {self.uri} was made by an earlier version, without "
                f"search by words (text=): delete it with its drop() and fill it again."
            )
        pairs = (("vector", vector), (WORDS, text))
        found = (self._best(*pair, max(limit, DEPTH), expression, ["image_id"]) for pair in pairs)
        best = fused(*([(row["image_id"], score) for row, score in ranking] for ranking in found))[:limit]
        chosen = {"filter": filter_expression({"image_id": best}), "output_fields": [*self._output, "vector"]}
        rows = {row["image_id"]: row for row in self._call("query", **chosen, **self._level)} if best else {}
        rows = [rows[image_id] for image_id in best if image_id in rows]  # one may have been deleted meanwhile
        cosines = [min(1.0, float(np.dot(row["vector"], vector))) for row in rows]
        pairs = zip(cosines, rows, strict=True)
        return [Hit(rank, cosine, to_item(row, root=self._root)) for rank, (cosine, row) in enumerate(pairs, start=1)]

    def _best(self, field: str, query: Any, limit: int, expression: str, output: list[str]) -> list[tuple[dict, float]]:
        """(row, score) of the best rows by one field, equal scores (to six digits) in the order of their ids."""
        found = self._call(
            "search",
            data=[query],
            anns_field=field,
            limit=min(limit, MAX_LIMIT),
            filter=expression,
            output_fields=output,
            **self._level,
        )[0]
        # BM25 scores are never below zero; Milvus Lite gives them a minus. Cosines can be a rounding above 1.
        score = abs if field == WORDS else lambda cosine: min(1.0, cosine)
        pairs = [(hit["entity"], score(float(hit["distance"]))) for hit in found]
        return sorted(pairs, key=lambda pair: (-round(pair[1], 6), pair[0]["image_id"]))

    def count(self) -> int:
        """The exact number of rows, the latest writes included."""
        return self._call("query", filter="", output_fields=["count(*)"], **self._level)[0]["count(*)"]

    __len__ = count

    def __bool__(self) -> bool:
        return True  # an empty collection is still a collection

    def ids(self) -> set[str]:
        """All stored ids."""
        return {row["image_id"] for row in self._rows(["image_id"])}

    def outdated(self, items: Iterable[Item]) -> list[Item]:
        """Those of `items` that are not stored, or with another path, title or metadata: encode and upsert them."""
        stored = {row["image_id"]: to_item(row, root=self._root) for row in self._rows(self._output)}
        as_stored = ((item, to_item(to_row(item, None, root=self._root), root=self._root)) for item in items)
        return [item for item, wanted in as_stored if stored.get(item.image_id) != wanted]

    def delete(self, ids: Ids[str]) -> None:
        """Delete the rows of these ids; unknown ids are no error."""
        if ids:
            self._call("delete", ids=[ids] if isinstance(ids, str) else list(ids))
            self._flush()

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

    def __enter__(self) -> "Collection":
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Collection({self.uri!r}, {self.name!r}, dim={self.dim}{', closed' * (self._client is None)})"

    def _flush(self) -> None:
        if self._local:  # a server sees to it by itself, and refuses one flush soon after another
            self._call("flush")

    def _call(self, method: str, **options: Any) -> Any:
        try:
            return checked(getattr(self.client, method), self.name, timeout=CALL_S, **options)
        except MilvusError as exc:
            raise (MilvusError(f"{exc}. {self._lacks}") if self._lacks else exc) from None

    def _rows(self, fields: list[str]) -> Iterator[dict[str, Any]]:
        iterator = self._call("query_iterator", batch_size=4_096, output_fields=fields, **self._level)
        while rows := checked(iterator.next):
            yield from rows

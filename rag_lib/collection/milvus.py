"""The Milvus collection: items and their vectors go in, hits come out.

A `uri` that ends in .db is a local Milvus Lite folder; http(s)://host:port or http(s)://host:port/database a server or
cluster: Milvus 2.5 or newer, or an older one without search by words and without filters on missing values.

A damaged local folder can open with rows missing and without an error. So whoever fills a collection asks `compare`
what to upsert, which also mends damage; a stored count would not tell which rows are gone.
"""

import functools
from collections.abc import Collection as Ids
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from rag_lib.collection.connection import PAGE
from rag_lib.collection.damage import is_damaged
from rag_lib.collection.filters import filter_expression
from rag_lib.collection.owner import is_ours
from rag_lib.collection.rows import SOURCE, same_as, spread, to_item, to_row
from rag_lib.collection.searching import Searchable
from rag_lib.errors import RagError
from rag_lib.records import Item


class Difference(NamedTuple):
    """`outdated`: items that are not stored, or with another path, title or metadata. `stored`: all ids.

    `besides`: stored items that are none of those compared. They may be gone, or newer. On a server only rows that were
    written from this root are among them.
    """

    outdated: list[Item]
    besides: list[Item]
    stored: list[str]


class Collection(Searchable):
    """Items and vectors in a collection; opened as a `Connection` is."""

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
        kept = {"root": self._root, "source": self._source}
        rows = list({item.image_id: to_row(item, row, **kept) for item, row in pairs}.values())
        self.fit_index(len(rows))
        starts = range(0, len(rows), batch_size)
        for start in tqdm(starts, desc="upsert", unit="batch", disable=not progress or len(starts) < 2):
            self._call("upsert", data=rows[start : start + batch_size])
        if rows:
            self.fit_index(self.count() if self._by_size else 0)
            self._flush()
        return len(rows)

    def count(self) -> int:
        """The exact number of rows, the latest writes included."""
        return self._call("query", filter="", output_fields=["count(*)"], **self._level)[0]["count(*)"]

    __len__ = count

    def __bool__(self) -> bool:
        return True  # an empty collection is still a collection

    def ids(self) -> set[str]:
        """All stored ids."""
        return {row["image_id"] for row in self._rows(["image_id"])}

    def get(self, ids: Ids[str]) -> list[tuple[Item, np.ndarray]]:
        """The items of these ids with their vectors, (dim,) float32; unknown ids are left out."""
        chosen = {"filter": filter_expression({"image_id": list(ids)}), "output_fields": [*self._output, "vector"]}
        rows = self._call("query", **chosen, **self._level) if ids else []
        vectors = [np.asarray(row.pop("vector"), np.float32) for row in rows]
        return [(to_item(row, root=self._root), vector) for row, vector in zip(rows, vectors, strict=True)]

    def compare(self, items: Iterable[Item], *, progress: bool = False) -> Difference:
        """Read the rows and say how they differ from `items`; nothing is changed."""
        items, root = list(items), self._root
        bar = {"desc": "reading the collection", "unit": "row", "delay": 2, "disable": not progress}
        rows = tqdm(self._rows(self._output), total=self.count() if progress else None, **bar)
        stored = {row["image_id"]: row for row in rows}
        wanted = {item.image_id for item in items}
        ours = functools.cache(lambda source: self._source is None or is_ours(source, root))
        others = (row for image_id, row in stored.items() if image_id not in wanted)
        besides = [to_item(row, root=root) for row in others if ours(spread(row).get(SOURCE))]
        is_stored = same_as(root)
        outdated = [item for item in items if not is_stored(item, stored.get(item.image_id))]
        return Difference(outdated, besides, list(stored))

    def outdated(self, items: Iterable[Item]) -> list[Item]:
        """Those of `items` that are not stored, or with another path, title or metadata: encode and upsert them."""
        return self.compare(items).outdated

    def delete(self, ids: Ids[str]) -> None:
        """Delete the rows of these ids; unknown ids are no error."""
        ids = [ids] if isinstance(ids, str) else list(ids)
        for start in range(0, len(ids), PAGE):
            self._call("delete", ids=ids[start : start + PAGE])
        if ids:
            self._flush()

    def is_damaged(self, stored: Sequence[str], cache: Any = None) -> bool:
        """Whether a local collection must be made again. `stored`: its ids; `cache`: see `damage.is_damaged`."""
        return self.local and bool(stored) and is_damaged(self, stored, cache)

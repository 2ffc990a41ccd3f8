"""The Milvus collection: items and their vectors go in, hits come out.

A `uri` that ends in .db is a local Milvus Lite folder; http(s)://host:port or http(s)://host:port/database a server or
cluster: Milvus 2.5 or newer, or an older one without search by words and without filters on missing values.

A damaged local folder can open with rows missing and without an error. So whoever fills a collection asks `compare`
what to upsert, which also mends damage; a stored count would not tell which rows are gone.
"""

import functools
from collections.abc import Collection as Ids
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from rag_lib.collection.calls import MilvusError
from rag_lib.collection.connection import PAGE, Connection
from rag_lib.collection.filters import Where, explain_nothing, filter_expression
from rag_lib.collection.fusion import fuse
from rag_lib.collection.owner import is_ours
from rag_lib.collection.rows import SOURCE, WORDS, spread, to_item, to_row
from rag_lib.errors import RagError, warn_outside
from rag_lib.records import Hit, Item

MAX_LIMIT = 16_384  # Milvus's own bound on the hits of one search
MAX_COSINE = 1.001  # of unit vectors, roundings included
DEPTH = 200  # how far down each ranking is read before two are fused
SAMPLE = 1_000  # rows that are looked at for damage
EXTRA = 8  # how many more are asked for, so that a tie at the end can be put in order


class UnfoundWords(UserWarning):
    """No title holds any of the words that were looked for, so that the hits are those of the vector alone."""


class Difference(NamedTuple):
    """`outdated`: items that are not stored, or with another path, title or metadata. `stored`: all ids.

    `besides`: stored items that are none of those compared. They may be gone, or newer. On a server only rows that were
    written from this root are among them.
    """

    outdated: list[Item]
    besides: list[Item]
    stored: list[str]


class Collection(Connection):
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
        fused (see `fuse`). Scores stay cosines, so that they need not fall from hit to hit. Warns (`UnfoundWords`) if
        no title holds any. RagError if nothing can be found because a key of `where` is unknown, or its values of
        another kind.
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
            found = self._hybrid(vector, text, limit, expression)
        else:
            found = self._best("vector", vector, limit, expression, self._output)
        if isinstance(where, Mapping) and (not found or any(value is None for value in where.values())):
            explain_nothing(where, self._some)
        hits = ((min(1.0, score), to_item(row, root=self._root)) for row, score in found)
        return [Hit(rank, *scored) for rank, scored in enumerate(hits, start=1)]

    def _hybrid(self, vector: np.ndarray, text: str, limit: int, expression: str) -> list[tuple[dict, float]]:
        """Fused here: Milvus's `hybrid_search` ranks equal scores by chance and returns no cosines."""
        if not self._words:
            raise RagError(
                self._lacks
                or f"The collection {self.name!r} in {self.uri} was made by an earlier version, without "
                f"search by words (text=): delete it with its drop() and fill it again."
            )
        depth = max(limit, DEPTH)
        near, named = (
            [(row["image_id"], score) for row, score in self._best(field, query, depth, expression, ["image_id"])]
            for field, query in (("vector", vector), (WORDS, text))
        )
        if near and not named:
            warn_outside(
                f"No title that was searched holds a word of {text.strip()[:80]!r}: these are the hits of the vector. "
                "Titles are taken apart where a script has spaces or punctuation; elsewhere the whole run of letters "
                "counts.",
                UnfoundWords,
            )
        best = fuse(near, named)[:limit]
        chosen = {"filter": filter_expression({"image_id": best}), "output_fields": [*self._output, "vector"]}
        rows = {row["image_id"]: row for row in self._call("query", **chosen, **self._level)} if best else {}
        rows = [rows[image_id] for image_id in best if image_id in rows]  # one may have been deleted meanwhile
        return [(row, self._check_cosine(float(np.dot(row.pop("vector"), vector)))) for row in rows]

    def has_title_with(self, text: str, where: Where = None) -> bool:
        """Whether a title (of what passes `where`) holds any word of `text`, so that `search(text=)` can follow it."""
        return bool(self._best(WORDS, text, 1, filter_expression(where), ["image_id"]))

    def _best(self, field: str, query: Any, limit: int, expression: str, output: list[str]) -> list[tuple[dict, float]]:
        """(row, score) of the best rows by one field, equal scores (to six digits) in the order of their ids."""
        asked, options = min(limit + EXTRA, MAX_LIMIT), {"filter": expression, "output_fields": output, **self._level}
        # BM25 scores are never below zero; Milvus Lite gives them a minus.
        score = abs if field == WORDS else self._check_cosine
        while True:
            found = self._call("search", data=[query], anns_field=field, limit=asked, **options)[0]
            pairs = [(hit["entity"], score(float(hit["distance"]))) for hit in found]
            pairs.sort(key=lambda pair: (-round(pair[1], 6), pair[0]["image_id"]))
            # A tie that reaches from the last one asked for to the end of what came may go on: its order needs all.
            whole = len(pairs) < asked or round(pairs[limit - 1][1], 6) > round(pairs[-1][1], 6)
            if whole or asked == MAX_LIMIT:
                return pairs[:limit]
            asked = min(4 * asked, MAX_LIMIT)

    def _check_cosine(self, cosine: float) -> float:
        """RagError for one that no two unit vectors have, beyond a rounding."""
        if not abs(cosine) <= MAX_COSINE:  # written so that NaN fails too
            raise MilvusError(
                f"{self.uri} is damaged (a cosine of {cosine:.3g} came back): open it with open_index, which makes the "
                "collection again from the embedding cache"
            )
        return cosine

    def _some(self, expression: str, limit: int) -> list[dict[str, Any]]:
        options = {"output_fields": self._output, "limit": limit, **self._level}
        return [spread(row) for row in self._call("query", filter=expression, **options)]

    def count(self) -> int:
        """The exact number of rows, the latest writes included."""
        return self._call("query", filter="", output_fields=["count(*)"], **self._level)[0]["count(*)"]

    __len__ = count

    def __bool__(self) -> bool:
        return True  # an empty collection is still a collection

    def ids(self) -> set[str]:
        """All stored ids."""
        return {row["image_id"] for row in self._rows(["image_id"])}

    def compare(self, items: Iterable[Item], *, progress: bool = False) -> Difference:
        """Read the rows and say how they differ from `items`; nothing is changed."""
        items, stored, besides, root = list(items), {}, [], self._root
        wanted = {item.image_id for item in items}
        ours = functools.cache(lambda source: self._source is None or is_ours(source, root))
        bar = {"desc": "reading the collection", "unit": "row", "delay": 2, "disable": not progress}
        for row in tqdm(self._rows(self._output), total=self.count() if progress else None, **bar):
            item = stored[row["image_id"]] = to_item(row, root=root)
            if item.image_id not in wanted and ours(spread(row).get(SOURCE)):
                besides.append(item)
        as_stored = ((item, to_item(to_row(item, None, root=root), root=root)) for item in items)
        return Difference([item for item, row in as_stored if stored.get(item.image_id) != row], besides, list(stored))

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
        """Whether a local collection must be made again: rows come twice, or vectors are not those that were written.

        `stored`: its ids. `cache`: an `EmbeddingCache` of what was written, if there is one. Of up to `SAMPLE` rows
        the stored vector is looked at, and the index's by the scores of a vector at random.
        """
        if not self.local or not stored:
            return False
        if self.count() != len(stored):
            return True
        ids, where, one_bit = stored, "", {"atol": 1e-3, "rtol": 0}
        if len(stored) > SAMPLE:
            ids = np.random.default_rng().choice(stored, SAMPLE, replace=False).tolist()
            where = filter_expression({"image_id": ids})
        found = self._call("query", filter=where, output_fields=["vector"], limit=len(ids), **self._level)
        rows = np.array([row["vector"] for row in found], np.float32)
        cached = (None if cache is None else cache.get(row["image_id"]) for row in found)
        true = np.stack([row if known is None else known for known, row in zip(cached, rows, strict=True)])
        if not np.allclose(rows, true / np.linalg.norm(true, axis=1, keepdims=True), **one_bit):
            return True
        if self._call("describe_index", index_name="vector")["index_type"] != "FLAT":
            return False  # the scores of others are approximate
        probe = np.random.default_rng(0).normal(size=self.dim).astype(np.float32)
        probe /= np.linalg.norm(probe)
        expected = {row["image_id"]: cosine for row, cosine in zip(found, rows @ probe, strict=True)}
        try:
            scores = self._best("vector", probe, len(ids), where, ["image_id"])
        except MilvusError:
            return True
        found = {row["image_id"]: score for row, score in scores}
        return not np.allclose([found.get(image_id, np.nan) for image_id in expected], [*expected.values()], **one_bit)

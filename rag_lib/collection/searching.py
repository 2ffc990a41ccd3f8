"""Searching a collection: a query's vector goes in, with a filter, words or an id to leave out; hits come out."""

from collections.abc import Collection as Ids
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rag_lib.collection import lite
from rag_lib.collection.calls import MilvusError
from rag_lib.collection.connection import Connection
from rag_lib.collection.filters import Where, explain_nothing, filter_expression
from rag_lib.collection.fusion import fuse
from rag_lib.collection.opening import is_exact
from rag_lib.collection.rows import WORDS, spread, to_item
from rag_lib.errors import RagError, warn_outside
from rag_lib.records import Hit

MAX_LIMIT = 16_384  # Milvus's own bound on the hits of one search
MAX_COSINE = 1.02  # of unit vectors, roundings to 8 bits included
DEPTH = 200  # how far down each ranking is read before two are fused
EXTRA = 8  # how many more are asked for, so that a tie at the end can be put in order
WIDTH = 128  # rows of a local graph that are followed (HNSW's ef): recall@10 was 1.00 at 10,000 clustered vectors
ROWS = 50_000  # rows of one answer to many queries: some 25 MB


class UnfoundWords(UserWarning):
    """No title holds any of the words that were looked for, so that the hits are those of the vector alone."""


class Searchable(Connection):
    """An open collection's searches."""

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
        (hits,) = self._find(np.asarray(vector, dtype=np.float32)[None], limit, where, exclude, text or "")
        return hits

    def search_many(
        self, vectors: np.ndarray, limit: int = 9, where: Where = None, exclude: Ids[str] = ()
    ) -> list[list[Hit]]:
        """What `search` finds for each row of `vectors`, (n, dim); many queries travel in one call."""
        return self._find(np.asarray(vectors, dtype=np.float32), limit, where, exclude)

    def _find(
        self, vectors: np.ndarray, limit: int, where: Where, exclude: Ids[str], text: str = ""
    ) -> list[list[Hit]]:
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise RagError(f"The query vector has shape {vectors.shape[1:]}, but {self.name!r} needs ({self.dim},).")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and lengths.all()):
            raise RagError("The query vector is zero or not finite, so nothing is near it: check the encoder's output.")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
            raise RagError(f"limit is {limit!r}; it must be a whole number from 1 to {MAX_LIMIT:,}.")
        vectors, expression, found = vectors / lengths, filter_expression(where, exclude=exclude), []
        if text.strip():
            found.append(self._hybrid(vectors[0], text, limit, expression))
        else:
            step = max(1, ROWS // (limit + EXTRA))
            for start in range(0, len(vectors), step):
                found += self._best("vector", [*vectors[start : start + step]], limit, expression, self._output)
        if isinstance(where, Mapping) and (not any(found) or any(value is None for value in where.values())):
            explain_nothing(where, self._some)
        return [
            [
                Hit(rank, min(1.0, score), to_item(row, root=self._root))
                for rank, (row, score) in enumerate(best, start=1)
            ]
            for best in found
        ]

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
            [(row["image_id"], score) for row, score in self._best(field, [query], depth, expression, ["image_id"])[0]]
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
        return bool(self._best(WORDS, [text], 1, filter_expression(where), ["image_id"])[0])

    def _best(self, field: str, queries: list, limit: int, expression: str, output: list[str]) -> list[list[tuple]]:
        """For each query the (row, score) of the best rows by one field; equal scores (to six digits) in the order of
        their ids."""
        asked = min(limit + EXTRA, MAX_LIMIT)
        # BM25 scores are never below zero; Milvus Lite gives them a minus.
        score = abs if field == WORDS else self._check_cosine
        best, left = {}, list(range(len(queries)))
        while left:
            found = self._ask(field, [queries[number] for number in left], asked, expression, output)
            for number, hits in zip(left, found, strict=True):
                pairs = [(hit["entity"], score(float(hit["distance"]))) for hit in hits]
                pairs.sort(key=lambda pair: (-round(pair[1], 6), pair[0]["image_id"]))
                # A tie that reaches from the last one asked for to the end of what came may go on: it needs all.
                if len(pairs) < asked or asked == MAX_LIMIT or round(pairs[limit - 1][1], 6) > round(pairs[-1][1], 6):
                    best[number] = pairs[:limit]
            left, asked = [number for number in left if number not in best], min(4 * asked, MAX_LIMIT)
        return [best[number] for number in range(len(queries))]

    def _ask(self, field: str, queries: list, limit: int, expression: str, output: list[str]) -> list[list[dict]]:
        """One search; where filter or deletions leave little of a local graph, again and more widely until it gives the
        limit, or has been walked as a whole."""
        options = {"data": queries, "anns_field": field, "limit": limit, "filter": expression, "output_fields": output}
        if not self.local or field == WORDS:
            return self._call("search", **options, **self._level)
        width = max(WIDTH, 4 * limit)
        while True:
            params = {"params": {"ef": width, "nprobe": width // 8}}  # an exact index takes no notice
            found = self._call("search", search_params=params, **options, **self._level)
            fewest = min(map(len, found))
            if fewest == limit or is_exact(self._call) or width > lite.count_stored(Path(self._folder[0]), self.name):
                return found
            if not expression and fewest == self.count():
                return found
            width *= 8

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

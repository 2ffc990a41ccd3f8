"""What every reranker is: a query and hits go in, a Ranking comes out."""

from collections.abc import Sequence
from typing import Protocol

from rag_lib.errors import RagError
from rag_lib.records import Hit, Query, Ranking


class Reranker(Protocol):
    """`name`: as given to `load_reranker`."""

    name: str

    def rank(self, query: Query, hits: Sequence[Hit]) -> Ranking:
        """A permutation of `hits`, best first, with the reason for the best. Raises RagError if there are none."""
        ...


def checked(hits: Sequence[Hit], limit: int | None = None) -> tuple[Hit, ...]:
    """The hits as a tuple. Raises RagError if there is none, or more than `limit`."""
    hits = tuple(hits)
    if not hits:
        raise RagError("Nothing to rerank: the search found no hits. Loosen its filter, or fill the collection.")
    if limit is not None and len(hits) > limit:
        raise RagError(f"{len(hits)} hits are too many to rerank at once; give at most {limit}: hits[:{limit}].")
    return hits

"""The reranker that changes nothing: the baseline to which the others are compared.

In: a query and hits. Out: a Ranking in the search's order that says so.
"""

import time
from collections.abc import Sequence

from rag_lib.records import Hit, Query, Ranking
from rag_lib.rerank.base import check_hits


class IdentityReranker:
    """Keeps the search's order."""

    name = "identity"

    def rank(self, query: Query, hits: Sequence[Hit]) -> Ranking:
        """The hits as they came. Raises RagError if there are none."""
        started = time.perf_counter()
        hits = check_hits(hits)
        return Ranking(
            hits,
            reason="Nothing was reranked: this is the search's order, and the first is the nearest by cosine.",
            usage={"seconds": time.perf_counter() - started, "attempts": 0},
        )

"""The generation of RAG: an answer to the user's question in a few sentences that cite the hits by number.

In: a reranker that can write, a query and its ranking. Out: a WrittenAnswer, whose numbers, prices and titles were
checked against the catalog.
"""

from collections.abc import Sequence

from rag_lib.errors import RagError
from rag_lib.records import Hit, Query, Ranking, WrittenAnswer
from rag_lib.rerank.base import Reranker, check_hits, check_whole
from rag_lib.rerank.claims import check_claims
from rag_lib.rerank.describe import check_fields


def write_answer(
    reranker: Reranker,
    query: Query,
    ranking: Ranking | Sequence[Hit],
    *,
    describe: Sequence[str] = (),
    limit: int = 5,
) -> WrittenAnswer:
    """Have `reranker` answer in words, and check what it wrote.

    The first `limit` (1 to 25) of the hits, best first, are written about; they go by their `Hit.rank`. `describe`:
    names of metadata that the writer is told, as in `load_reranker`; of these the pocket uses "title" and "price". A
    model is asked once more, and its reply is kept like others. Whether a claim holds is decided by
    `claims.check_claims`, which says what it does not check; what fails is marked, never removed.
    Raises RagError for a reranker that writes no answer, no hits, two of one rank, and wrong options, and whatever
    `rank` raises for a model that fails.
    """
    from rag_lib.panorama import MAX_IMAGES  # loads Pillow

    check_whole("limit", limit, 1, MAX_IMAGES)
    hits = check_hits(ranking.hits if isinstance(ranking, Ranking) else ranking)
    describe, hits = check_fields(describe, hits), hits[:limit]
    draft = getattr(getattr(reranker, "inner", reranker), "draft", None)
    if draft is None:
        raise RagError(
            f"{reranker.name} looks at no picture and writes no answer. Use reranker='pocket', or a vision-language "
            "model."
        )
    if len({hit.rank for hit in hits}) < len(hits):
        raise RagError("Two of the hits have the same rank, so that a number could mean both: give hits of one search.")
    text, whole, usage = draft(query, hits, describe)
    text, citations, faults = check_claims(text, hits, asked=query.text)
    if not whole:
        faults += ("The answer was cut off: it is too long, or max_tokens is too low.",)
    return WrittenAnswer(text, citations, faults, usage)

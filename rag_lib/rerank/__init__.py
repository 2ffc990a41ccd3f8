"""Rerank the hits of a search and explain the best.

In: a query and its hits. Out: a Ranking, which is a permutation of the hits with a reason and evidence.
`identity` keeps the search's order, `pocket` works offline, any other name is a model behind an
OpenAI-compatible endpoint.
"""

from rag_lib.errors import RagError, did_you_mean
from rag_lib.rerank.base import Reranker

__all__ = ["Reranker", "load_reranker"]

_OWN = ("pocket", "identity")


def load_reranker(
    name: str, *, timeout: float = 60, base_url: str | None = None, on_failure: str = "raise"
) -> Reranker:
    """The reranker of that name: "pocket", "identity", or a model such as "gpt-4o".

    `timeout`: seconds for one attempt, `base_url`: of the endpoint (None: OPENAI_BASE_URL, else OpenAI),
    `on_failure`: "raise" or "keep" the search's order and say so; all three matter to models only.
    Raises RagError for an unknown name, and for a model whose key is missing.
    """
    name = name.strip() if isinstance(name, str) else ""
    if not name:
        raise RagError("The reranker has no name. Give 'pocket', 'identity', or a model such as 'gpt-4o'.")
    if name == "identity":
        from rag_lib.rerank.identity import IdentityReranker

        return IdentityReranker()
    if name == "pocket":
        from rag_lib.rerank.pocket import PocketReranker

        return PocketReranker()
    hint = did_you_mean(name, _OWN)
    # Who names an endpoint means a model, whatever it is called.
    if hint and base_url is None:
        raise RagError(f"There is no reranker {name!r}.{hint}")
    from rag_lib.rerank.openai import OpenAIReranker

    return OpenAIReranker(name, base_url=base_url, timeout=timeout, on_failure=on_failure)

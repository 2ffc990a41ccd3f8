"""Rerank the hits of a search and explain the best.

In: a query and its hits. Out: a Ranking, which is a permutation of the hits with a reason and evidence.
`identity` keeps the search's order, `pocket` works offline, a hub's name with "reranker" in it reads the titles, any
other name is a model behind an OpenAI-compatible endpoint, which looks at the pictures.
"""

import os

from rag_lib.errors import RagError, did_you_mean
from rag_lib.rerank.base import Cost, Reranker, cost

__all__ = ["Cost", "Reranker", "cost", "load_reranker", "reads_titles"]

_OWN = ("pocket", "identity")


def load_reranker(
    name: str,
    *,
    timeout: float = 60,
    base_url: str | None = None,
    on_failure: str = "raise",
    window: int = 9,
    step: int | None = None,
    shuffles: int = 1,
    seed: int = 0,
    cache: bool = True,
) -> Reranker:
    """The reranker of that name.

    "pocket", "identity"; a text reranker that FlagEmbedding loads, by its hub's name such as
    "BAAI/bge-reranker-v2-m3" (an owner and "reranker") or a local folder that holds one; else a model at an endpoint,
    such as "gpt-4o". Who gives `base_url` always means a model.

    All options matter to models only. `timeout`: seconds for one attempt, `base_url`: of the endpoint (None: from the
    environment, see `endpoint.find_endpoint`), `on_failure`: "raise" or "keep" the search's order and say so,
    `window`, `step`, `shuffles`, `seed`: how more hits than one panorama takes, up to 100, and several orders of them
    are ranked, see `listwise.ListwiseReranker`; `cost(reranker, n)` tells what that takes. `cache`: keep good replies
    under data/replies/, and do not ask again for what is there.
    Raises RagError for an unknown name, wrong options, and for a model whose key is missing while none of its replies
    is kept.
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
    if not base_url:
        if hint := did_you_mean(name, _OWN):
            raise RagError(f"There is no reranker {name!r}.{hint}")
        if reads_titles(name):
            from rag_lib.rerank.titles import TitleReranker

            return TitleReranker(name)
    from rag_lib.rerank.listwise import ListwiseReranker
    from rag_lib.rerank.openai import OpenAIReranker
    from rag_lib.rerank.replies import Replies

    model = OpenAIReranker(name, base_url=base_url, timeout=timeout, replies=Replies.of_model(name) if cache else None)
    return ListwiseReranker(model, window=window, step=step, shuffles=shuffles, seed=seed, on_failure=on_failure)


def reads_titles(name: str) -> bool:
    """Whether the name is a text reranker's: owner/...reranker..., or a folder with a model's config.json."""
    from rag_lib.paths import resolve

    return ("/" in name and "reranker" in name.lower()) or os.path.isfile(resolve(name) / "config.json")

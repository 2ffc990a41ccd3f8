"""Rerank the hits of a search, explain the best, and answer the user in words.

In: a query and its hits. Out: a Ranking, which is a permutation of the hits with a reason and evidence; of that, by
`write_answer`, a WrittenAnswer that cites them.
`identity` keeps the search's order, `pocket` works offline, `titles:` and a text reranker's name reads the titles, any
other name is a model behind an OpenAI-compatible endpoint, which looks at the pictures.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rag_lib.errors import RagError, did_you_mean
from rag_lib.records import as_text
from rag_lib.rerank.base import Cost, Reranker, cost
from rag_lib.rerank.writing import write_answer

__all__ = ["Cost", "Reranker", "cost", "load_reranker", "reads_titles", "write_answer"]

_OWN = ("pocket", "identity")
_TITLES = "titles:"  # before a text reranker's name
_BAAI = "baai/bge-reranker"


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
    parallel: int = 8,
    max_tokens: int | None = 4096,
    effort: str | None = None,
    detail: str | None = None,
    extra: Mapping[str, Any] | None = None,
    describe: Sequence[str] = (),
) -> Reranker:
    """The reranker of that name.

    "pocket", "identity"; "titles:" and a text reranker that FlagEmbedding loads, by its hub's name or its folder; else
    a model at an endpoint, such as "gpt-4o". Without the prefix too, "BAAI/bge-reranker-v2-m3" and others of BAAI's
    are text rerankers, and, where neither `base_url` nor OPENAI_BASE_URL names a server with models of its own, any
    owner/...reranker... and any folder with a config.json. Who gives `base_url` means a model, unless the prefix says
    otherwise.

    All options matter to models only. `timeout`: seconds for one attempt, `base_url`: of the endpoint (None: from the
    environment, see `endpoint.find_endpoint`), `on_failure`: "raise" or "keep" the search's order and say so,
    `window`, `step`, `shuffles`, `seed`: how more hits than one panorama takes, up to 100, and several orders of them
    are ranked, see `listwise.ListwiseReranker`; `cost(reranker, n)` tells what that takes. `cache`: keep good replies
    under data/replies/, and do not ask again for what is there. `parallel`, `max_tokens`, `effort`, `detail`, `extra`:
    how many questions at a time, and how a model is asked, a reasoning model above all, see `openai.OpenAIReranker`.
    `describe`: names of metadata that are quoted to the model beside the pictures, such as ("title", "price").
    Raises RagError for an unknown name, wrong options, and for a model whose key is missing while none of its replies
    is kept.
    """
    name = as_text(name, "The reranker's name").strip()
    if not name:
        raise RagError("The reranker has no name. Give 'pocket', 'identity', or a model such as 'gpt-4o'.")
    if name == "identity":
        from rag_lib.rerank.identity import IdentityReranker

        return IdentityReranker()
    if name == "pocket":
        from rag_lib.rerank.pocket import PocketReranker

        return PocketReranker()
    if reads_titles(name, base_url):
        from rag_lib.rerank.titles import TitleReranker

        return TitleReranker(name.removeprefix(_TITLES).strip())
    from rag_lib.rerank.endpoint import find_endpoint

    if find_endpoint(base_url).url is None and (hint := did_you_mean(name, _OWN)):
        raise RagError(f"There is no reranker {name!r}.{hint}")
    from rag_lib.rerank.listwise import ListwiseReranker
    from rag_lib.rerank.openai import OpenAIReranker
    from rag_lib.rerank.replies import Replies

    model = OpenAIReranker(
        name,
        base_url=base_url,
        timeout=timeout,
        max_tokens=max_tokens,
        effort=effort,
        detail=detail,
        extra=extra,
        parallel=parallel,
        replies=Replies.of_model(name) if cache else None,
        describe=describe,
    )
    return ListwiseReranker(model, window=window, step=step, shuffles=shuffles, seed=seed, on_failure=on_failure)


def reads_titles(name: str, base_url: str | None = None) -> bool:
    """Whether the name is a text reranker's, see `load_reranker`."""
    from rag_lib.paths import resolve

    if name.startswith(_TITLES):
        return True
    if name.lower().startswith(_BAAI) or base_url or os.environ.get("OPENAI_BASE_URL", "").strip():
        return name.lower().startswith(_BAAI) and not base_url
    return ("/" in name and "reranker" in name.lower()) or os.path.isfile(resolve(name) / "config.json")

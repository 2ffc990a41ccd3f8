"""What every reranker is: a query and hits go in, a Ranking comes out."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from rag_lib.errors import RagError
from rag_lib.records import Hit, Query, Ranking


class Reranker(Protocol):
    """`name`: as given to `load_reranker`.

    One that costs money also has `cost(n)`, see `cost`; one that can be asked about several orders at the same time
    has `rank_each(query, orders, done)`, and one that can write about the hits `draft(query, hits, describe)`, see
    `OpenAIReranker`.
    """

    name: str

    def rank(self, query: Query, hits: Sequence[Hit]) -> Ranking:
        """A permutation of `hits`, best first, with the reason for the best. Raises RagError if there are none.

        The reason calls a candidate by its `Hit.rank`, its number in the search, in whatever order `hits` come.
        """
        ...


class Draft(NamedTuple):
    """A written answer before it is checked. `whole`: False if it was cut off; `usage`: as of a Ranking."""

    text: str
    whole: bool
    usage: Mapping[str, float]


class Cost(NamedTuple):
    """`calls`: questions to a model, with one picture each. `image_tokens`: about how many its pictures take in all."""

    calls: int = 0
    image_tokens: int = 0

    def __str__(self) -> str:
        if not self.calls:
            return "no call of a model"
        calls = f"{self.calls} call{'s' if self.calls > 1 else ''} with one picture each"
        return f"{calls}, about {self.image_tokens:,} tokens of pictures"


def cost(reranker: Reranker, n: int) -> Cost:
    """What `reranker` will at most cost for `n` hits, known before the first call; nothing for one that runs here."""
    return reranker.cost(n) if hasattr(reranker, "cost") else Cost()


def image_tokens(width: int, height: int) -> int:
    """About how many tokens a picture of `width` x `height` pixels takes, by OpenAI's rule for GPT-4o at high detail.

    It is shrunk to fit 2048 x 2048, then until its short edge is 768; each square of 512 that it touches takes 170
    tokens, the picture 85 more (OpenAI's guide "Images and vision"). Other models count otherwise.
    """
    shrink = min(1, 2048 / max(width, height))
    shrink *= min(1, 768 / (min(width, height) * shrink))
    return 85 + 170 * math.ceil(round(width * shrink) / 512) * math.ceil(round(height * shrink) / 512)


def check_hits(hits: Sequence[Hit], limit: int | None = None) -> tuple[Hit, ...]:
    """The hits as a tuple. Raises RagError if there is none, or more than `limit`."""
    hits = tuple(hits)
    if not hits:
        raise RagError("Nothing to rerank: the search found no hits. Loosen its filter, or fill the collection.")
    if limit is not None and len(hits) > limit:
        raise RagError(f"{len(hits)} hits are too many to rerank at once; give at most {limit}: hits[:{limit}].")
    return hits


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Raises RagError for an option that is no whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RagError(f"{name} is {value!r}; it must be a whole number from {low} to {high:,}.")

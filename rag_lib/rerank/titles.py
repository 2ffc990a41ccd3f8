"""Rerank by words alone: FlagEmbedding's cross-encoder reads the instruction beside each title.

In: a query with an instruction and hits with titles. Out: a Ranking by how well the titles fit the words; no picture
is looked at. A title is only scored, so nothing that it says is obeyed; but one that repeats the instruction scores
high whatever its picture shows. Models: BAAI's bge-reranker-base, -large and -v2-m3, and others of their kind.
"""

import math
import time
from collections.abc import Sequence

from tqdm.auto import tqdm

from rag_lib.errors import QueryError, RagError
from rag_lib.paths import resolve
from rag_lib.records import Hit, Query, Ranking
from rag_lib.rerank.base import check_hits
from rag_lib.rerank.permutation import clean

_BATCH = 16  # titles
_MAX_CHARS = 500  # of a title or an instruction that are read; the models take 512 tokens for both


class TitleReranker:
    """`name`: a hub's name or a local folder. Raises RagError for what cannot be loaded or does not score pairs."""

    def __init__(self, name: str):
        folder = resolve(name)
        place = str(folder) if (folder / "config.json").is_file() else name
        self.name = name
        try:
            from FlagEmbedding import FlagReranker
            from transformers import AutoConfig

            config = AutoConfig.from_pretrained(place, trust_remote_code=False)
            # Any model loads as a scorer; what has no trained head for it would get one of random numbers.
            kind = (config.architectures or ["one of unknown kind"])[0]
            scores_pairs = kind.endswith("ForSequenceClassification") and config.num_labels == 1
            if scores_pairs:
                self._model = FlagReranker(place, use_fp16=False, trust_remote_code=False, batch_size=_BATCH)
        except ImportError as exc:
            raise RagError(f"The reranker {name!r} needs a package that is missing: {exc}") from None
        except Exception as exc:  # a damaged file, a missing one, no network: dozens of kinds
            raise RagError(
                f"The reranker {name!r} could not be loaded ({type(exc).__name__}): it is neither a folder with a "
                "whole model nor to be had from the hub. Check the name and the network, or use reranker='pocket', "
                "which works offline."
            ) from None
        if not scores_pairs:
            raise RagError(
                f"The model {name!r} is {kind} and has no head that gives a pair of texts one score. Choose a "
                "cross-encoder such as 'BAAI/bge-reranker-v2-m3'."
            )
        self._model.target_devices = self._model.target_devices[:1]  # several would each start a process

    def rank(self, query: Query, hits: Sequence[Hit]) -> Ranking:
        """Rank by score; hits without a title come last. Raises RagError without an instruction or any title."""
        started = time.perf_counter()
        hits = check_hits(hits)
        if not query.text:
            raise QueryError("This reranker reads titles beside words, and this query has no words: add some.")
        titles = {place: title for place, hit in enumerate(hits) if (title := clean(hit.item.title, _MAX_CHARS))}
        if not titles:
            raise RagError(
                f"{self.name} reads titles, and none of these {len(hits)} hits has one. Use reranker='pocket', or a "
                "vision-language model, which look at the pictures."
            )
        scores = [-math.inf] * len(hits)
        for place, score in zip(titles, self._scores(query.text[:_MAX_CHARS], list(titles.values())), strict=True):
            scores[place] = score
        order = sorted(range(len(hits)), key=lambda place: -scores[place])
        return Ranking(
            tuple(hits[place] for place in order),
            reason=_reason(hits, order, scores, untitled=len(hits) - len(titles)),
            usage={"seconds": time.perf_counter() - started, "attempts": 1},
        )

    def _scores(self, text: str, titles: Sequence[str]) -> list[float]:
        """One logit a title, higher fits better."""
        found = []
        for start in tqdm(range(0, len(titles), _BATCH), desc="reading titles", leave=False, delay=2):
            found += self._model.compute_score([(text, title) for title in titles[start : start + _BATCH]])
        return found


def _reason(hits: Sequence[Hit], order: list[int], scores: list[float], untitled: int) -> str:
    def called(place: int) -> str:
        return f'Number {hits[place].rank} ("{clean(hits[place].item.title, 80)}")'

    first, *others = order
    sentences = [f"{called(first)} has the title that fits the words best: {_share(scores[first])} of 1."]
    if others and scores[others[0]] > -math.inf:
        sentences.append(f"{called(others[0])} comes second: {_share(scores[others[0]])}.")
    if untitled:
        sentences.append(f"{untitled} without a title come{'s' if untitled == 1 else ''} last.")
    return " ".join([*sentences, "Only words were compared; no picture was looked at."])


def _share(logit: float) -> str:
    return f"{1 / (1 + math.exp(-max(-50.0, min(50.0, logit)))):.2f}"

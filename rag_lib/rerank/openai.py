"""Rerank with a vision-language model behind an OpenAI-compatible endpoint (GPT-4o, vLLM, Ollama, llama.cpp, ...).

In: a query and up to 25 hits. They become one labelled panorama and a prompt; the model looks and answers. Out: a
Ranking, or one RagError within a bounded time. Whatever the model answers is repaired to a permutation.
Chat completions rather than responses, because the local servers speak them.
"""

import base64
import io
import math
import time
from collections.abc import Sequence
from typing import Any

from rag_lib.errors import RagError
from rag_lib.panorama import MAX_IMAGES, layout, panorama
from rag_lib.records import Evidence, Hit, Query, Ranking
from rag_lib.rerank import faults
from rag_lib.rerank.answer import Answer, NoAnswer, NotJSON, read_answer
from rag_lib.rerank.base import Cost, checked
from rag_lib.rerank.endpoint import OFFLINE, find_endpoint
from rag_lib.rerank.labels import LABELS, spoken
from rag_lib.rerank.prompt import Schema, build_prompt
from rag_lib.rerank.replies import Replies
from rag_lib.rerank.sending import send

_MAX_TOKENS = 4096  # of the answer: room for the evidence of 25 candidates, an end for a model that babbles


class OpenAIReranker:
    """Shows the model the panorama and reads its ranking.

    `model`: its name at the endpoint, on Azure that of the deployment. `base_url`: see `find_endpoint`.
    `timeout`: seconds for one attempt. `max_retries`: further attempts after a 429, a 5xx, a timeout or a lost
    connection; the model is asked for at most (max_retries + 1) * (timeout + 2) seconds, whatever the server does.
    `replies`: where good replies are kept; what is there is not asked again. None: nowhere.
    The key comes from the environment and nowhere else. Raises RagError if it is missing where one is needed; with
    kept replies, only when the model must be asked.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        timeout: float = 60,
        max_retries: int = 2,
        replies: Replies | None = None,
    ):
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
            raise RagError(f"timeout is {timeout!r}; it must be a number of seconds above 0, such as 60.")
        self.name = self.model = model
        self.endpoint = find_endpoint(base_url)
        self.timeout = timeout
        self.max_retries = max_retries
        self.replies = replies
        if not replies:
            key = self.endpoint.key(model)
            self.endpoint.client(model, key, timeout=timeout, max_retries=max_retries).close()

    def rank(self, query: Query, hits: Sequence[Hit]) -> Ranking:
        """Ask the model. Raises RagError for no hits or more than 25, ModelError for a failure of the model.

        Reason and evidence call a candidate by its `Hit.rank`, its number in the search.
        """
        started = time.perf_counter()
        hits = checked(hits, MAX_IMAGES)
        _, answer, usage = self._ask(query, hits)
        numbers = {label: hit.rank for label, hit in zip(LABELS, hits, strict=False)}
        return Ranking(
            hits=tuple(hits[place] for place in answer.order),
            reason=spoken(answer.reason, numbers),
            evidence={hits[place].item.image_id: _named(each, numbers) for place, each in answer.evidence.items()},
            repairs=answer.repairs,
            usage={**usage, "seconds": time.perf_counter() - started},
        )

    def reply(self, query: Query, hits: Sequence[Hit]) -> str:
        """The raw body of the reply on which `rank` builds, to look at. A kept one costs nothing."""
        return self._ask(query, checked(hits, MAX_IMAGES))[0]

    def cost(self, n: int) -> Cost:
        """Of ranking `n` hits, at most 25."""
        return Cost(1, image_tokens(*layout(n).size))

    def request(self, query: Query, hits: Sequence[Hit]) -> dict[str, Any]:
        """What is sent: one message with the prompt and the panorama as a JPEG data URL, and the schema.

        Candidates are known by their label in the panorama alone: no title, file name or id goes out, so that no
        seller can talk to the model.
        """
        picture = panorama(query.image, [hit.item.path for hit in hits], labels=LABELS[: len(hits)])
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        url = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
        prompt = build_prompt(query.text, len(hits), has_image=query.image is not None)
        parts = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": url}}]
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": parts}],
            "response_format": Schema,
            "max_completion_tokens": _MAX_TOKENS,
        }

    def _ask(self, query: Query, hits: Sequence[Hit]) -> tuple[str, Answer, dict[str, float]]:
        """The reply, what it says, and what it took: from the kept replies, else from the model."""
        request, labels = self.request(query, hits), LABELS[: len(hits)]
        key = {**request, "response_format": Schema.model_json_schema(), "endpoint": self.endpoint.address}
        if self.replies is not None and (kept := self.replies.get(key)) is not None:
            try:
                return kept, read_answer(kept, labels), {"attempts": 0, "cached": 1}
            except NoAnswer:  # by a stricter reader than the one that kept it
                pass
        usage: dict[str, float] = {"attempts": 0}
        text = send(self.endpoint, request, timeout=self.timeout, max_retries=self.max_retries, usage=usage)
        try:
            answer = read_answer(text, labels)
        except NoAnswer as exc:
            raise self._unread(exc, usage) from None
        if self.replies is not None and answer.whole:
            self.replies.put(key, text)
        return text, answer, {**usage, **answer.tokens}

    def _unread(self, exc: NoAnswer, usage: dict[str, float]) -> faults.ModelError:
        quote = faults.scrub(exc.quote)
        what = f"{exc}: {quote}" if quote else str(exc)
        stop = "" if what[-1] in ".!?" else "."
        check = f"Check {self.endpoint.settings}" if isinstance(exc, NotJSON) else "Try again, choose another model"
        return faults.ModelError(f"{self.model} at {self.endpoint.place} {what}{stop} {check}, {OFFLINE}.", usage)


def image_tokens(width: int, height: int) -> int:
    """About how many tokens a picture of `width` x `height` pixels takes, by OpenAI's rule for GPT-4o at high detail.

    It is shrunk to fit 2048 x 2048, then until its short edge is 768; each square of 512 that it touches takes 170
    tokens, the picture 85 more (OpenAI's guide "Images and vision"). Other models count otherwise.
    """
    shrink = min(1, 2048 / max(width, height))
    shrink *= min(1, 768 / (min(width, height) * shrink))
    return 85 + 170 * math.ceil(round(width * shrink) / 512) * math.ceil(round(height * shrink) / 512)


def _named(evidence: Evidence, numbers: dict[int, int]) -> Evidence:
    sides = (evidence.keeps, evidence.changes, evidence.violates)
    return Evidence(*(tuple(spoken(phrase, numbers) for phrase in side) for side in sides))

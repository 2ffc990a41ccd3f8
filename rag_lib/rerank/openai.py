"""Rerank with a vision-language model behind an OpenAI-compatible endpoint (GPT-4o, vLLM, Ollama, llama.cpp, ...).

In: a query and up to 25 hits. They become one labelled panorama and a prompt; the model looks and answers. Out: a
Ranking, or one RagError within a bounded time. Whatever the model answers is repaired to a permutation.
Chat completions rather than responses, because the local servers speak them.
"""

import asyncio
import base64
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from functools import partial
from typing import Any

from rag_lib.errors import RagError
from rag_lib.panorama import MAX_IMAGES, layout, panorama
from rag_lib.records import Evidence, Hit, Query, Ranking
from rag_lib.rerank import faults
from rag_lib.rerank.answer import NoAnswer, NotJSON, read_answer, read_text
from rag_lib.rerank.base import Cost, Draft, check_hits, check_whole, image_tokens
from rag_lib.rerank.describe import check_fields, quote_data
from rag_lib.rerank.endpoint import OFFLINE, find_endpoint
from rag_lib.rerank.labels import LABELS, rename
from rag_lib.rerank.prompt import Schema, build_draft_prompt, build_prompt
from rag_lib.rerank.replies import Replies
from rag_lib.rerank.secrets import conceal
from rag_lib.rerank.sending import Sender, count_request

MAX_TOKENS = 4096  # of an answer: room for the evidence of 25 candidates, an end for a model that babbles
_OWN = {"model", "messages", "stream", "n"}  # fields of the request that nobody else may set


class OpenAIReranker:
    """Shows the model the panorama and reads its ranking.

    `model`: its name at the endpoint, on Azure that of the deployment. `base_url`: see `find_endpoint`.
    `timeout`: seconds for one attempt. `max_retries`: further attempts after a 429, a 5xx, a timeout or a lost
    connection; the model is asked for at most (max_retries + 1) * (timeout + 2) seconds, whatever the server does.
    `max_tokens`: of the answer, thoughts included, None for the server's own bound; `effort`: how much a reasoning
    model thinks, such as "low"; `detail`: at which the picture is looked at, "low", "high" or "auto"; `extra`: further
    fields of the request; None leaves each of them to the server. `parallel`: questions at a time, at most.
    `replies`: where good replies are kept; what is there is not asked again. None: nowhere. `describe`: names of
    metadata that a ranking's prompt quotes, see `describe.check_fields`.
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
        max_tokens: int | None = MAX_TOKENS,
        effort: str | None = None,
        detail: str | None = None,
        extra: Mapping[str, Any] | None = None,
        parallel: int = 8,
        replies: Replies | None = None,
        describe: Sequence[str] = (),
    ):
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
            raise RagError(f"timeout is {timeout!r}; it must be a number of seconds above 0, such as 60.")
        check_whole("parallel", parallel, 1, 100)
        if max_tokens is not None:
            check_whole("max_tokens", max_tokens, 1, 10**6)
        try:
            own = _OWN & set(dict(extra or {}))
            json.dumps(extra)
        except (TypeError, ValueError):
            own = _OWN
        if own or not all(isinstance(word, str | None) for word in (effort, detail)):
            fields = ", ".join(sorted(_OWN))
            raise RagError(f"effort and detail must be words, extra a mapping of JSON's values without {fields}.")
        self.name = self.model = model
        self.endpoint = find_endpoint(base_url)
        self.timeout, self.max_retries, self.parallel = timeout, max_retries, parallel
        self.max_tokens, self.effort, self.detail = max_tokens, effort or None, detail or None
        self.extra = dict(extra) if extra else None
        self.replies, self.describe = replies, describe
        if not replies:
            self.endpoint.client(model, self.endpoint.key(model), on_request=count_request)

    def rank(self, query: Query, hits: Sequence[Hit]) -> Ranking:
        """Ask the model. Raises RagError for no hits or more than 25, ModelError for a failure of the model.

        Reason and evidence call a candidate by its `Hit.rank`, its number in the search.
        """
        check_fields(self.describe, hits)
        return self.rank_each(query, [hits])[0]

    def draft(self, query: Query, hits: Sequence[Hit], describe: Sequence[str] = ()) -> Draft:
        """Have the model write, from the same picture, about results known by their `Hit.rank`; one more call.

        `describe`: names of metadata that its prompt quotes. Raises as `rank` does.
        """
        started, hits = time.perf_counter(), check_hits(hits, MAX_IMAGES)
        [(_, written, usage)] = self._ask_each([(partial(self.draft_request, query, hits, describe), read_text)])
        usage["seconds"] = time.perf_counter() - started
        return Draft(conceal(written.text, self.endpoint.secret), written.whole, dict(usage))

    def rank_each(
        self, query: Query, orders: Sequence[Sequence[Hit]], done: Callable[[], object] = bool
    ) -> list[Ranking]:
        """One ranking for each of several lists of hits, asked at the same time, but at most `parallel` at once.

        `done` is called after each. The first failure is raised, and what is still being asked is cancelled.
        """
        started = time.perf_counter()
        rankings, secret = [], self.endpoint.secret
        for hits, (_, answer, usage) in zip(orders, self._ask_orders(query, orders, done), strict=True):
            numbers = {label: hit.rank for label, hit in zip(LABELS, hits, strict=False)}

            def read(text: str, numbers: Mapping[int, int] = numbers) -> str:
                return rename(conceal(text, secret), numbers)

            evidence = {
                hits[place].item.image_id: Evidence(*(tuple(map(read, side)) for side in vars(each).values()))
                for place, each in answer.evidence.items()
            }
            order, usage["seconds"] = tuple(hits[place] for place in answer.order), time.perf_counter() - started
            rankings.append(Ranking(order, read(answer.reason), evidence, answer.repairs, dict(usage)))
        return rankings

    def reply(self, query: Query, hits: Sequence[Hit]) -> str:
        """The raw body of the reply on which `rank` builds, to look at. A kept one costs nothing."""
        return self._ask_orders(query, [hits])[0][0]

    def cost(self, n: int) -> Cost:
        """Of ranking `n` hits, at most 25."""
        return Cost(1, 85 if self.detail == "low" else image_tokens(*layout(n).size))

    def request(self, query: Query, hits: Sequence[Hit]) -> dict[str, Any]:
        """What is sent: one message with the prompt and the panorama as a JPEG data URL, and the schema.

        Candidates are known by their label in the panorama: no file name or id goes out, and, unless `describe` names
        it, no title, so that no seller can talk to the model.
        """
        labels = LABELS[: len(hits)]
        data = quote_data(hits, labels, self.describe)
        prompt = build_prompt(query.text, len(hits), has_image=query.image is not None, data=data)
        return self._request(query, hits, labels, prompt, Schema)

    def draft_request(self, query: Query, hits: Sequence[Hit], describe: Sequence[str] = ()) -> dict[str, Any]:
        """What is sent for a written answer: as `request`, with another prompt and without a schema.

        Nothing is chosen any more, so a result may carry the number that the answer is to cite, its `Hit.rank`.
        """
        numbers = [hit.rank for hit in hits]
        data = quote_data(hits, numbers, describe)
        prompt = build_draft_prompt(query.text, numbers, has_image=query.image is not None, data=data)
        return self._request(query, hits, numbers, prompt)

    def _request(
        self, query: Query, hits: Sequence[Hit], labels: Sequence[int], prompt: str, schema: type | None = None
    ) -> dict[str, Any]:
        buffer = io.BytesIO()
        panorama(query.image, [hit.item.path for hit in hits], labels=labels).save(buffer, "JPEG", quality=90)
        url = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
        image = {"url": url, **({"detail": self.detail} if self.detail else {})}
        parts = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": image}]
        request = {
            "model": self.model,
            "messages": [{"role": "user", "content": parts}],
            "response_format": schema,
            "max_completion_tokens": self.max_tokens,
            "reasoning_effort": self.effort,
            "extra_body": self.extra,
        }
        return {name: value for name, value in request.items() if value is not None}

    def _ask_orders(
        self, query: Query, orders: Sequence[Sequence[Hit]], done: Callable[[], object] = bool
    ) -> list[tuple[str, Any, Counter]]:
        orders = [check_hits(hits, MAX_IMAGES) for hits in orders]
        return self._ask_each(
            [(partial(self.request, query, hits), partial(read_answer, labels=LABELS[: len(hits)])) for hits in orders],
            done,
        )

    def _ask_each(
        self, questions: Sequence[tuple[Callable[[], dict], Callable[[str], Any]]], done: Callable[[], object] = bool
    ) -> list[tuple[str, Any, Counter]]:
        """For each question, what makes its request and what reads the reply: the reply, what was read, the usage."""
        from anyio.from_thread import start_blocking_portal

        usages = [Counter(attempts=0) for _ in questions]
        gate = asyncio.Semaphore(self.parallel)
        sender = Sender(self.endpoint, timeout=self.timeout, max_retries=self.max_retries)
        # A loop of its own in a thread of its own, because a notebook's is running already.
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(sender):
            asked = [
                portal.start_task_soon(self._ask, sender, gate, *question, usage)
                for question, usage in zip(questions, usages, strict=True)
            ]
            try:
                for each in as_completed(asked):
                    each.result()
                    done()
            except faults.ModelError as exc:
                exc.usage = dict(sum(usages, Counter()))  # with what the others took until now
                raise
            finally:
                for each in asked:
                    each.cancel()
        return [each.result() for each in asked]

    async def _ask(
        self, sender: Sender, gate: asyncio.Semaphore, make: Callable[[], dict], read: Callable, usage: Counter
    ) -> tuple[str, Any, Counter]:
        """The reply, what it says, and `usage`, to which it adds: from the kept replies, else from the model."""
        async with gate:
            request = make()
            form = {"response_format": Schema.model_json_schema()} if "response_format" in request else {}
            key = {**request, **form, "endpoint": self.endpoint.address}
            if self.replies is not None and (kept := self.replies.get(key)) is not None:
                try:
                    answer = read(kept)
                    if answer.whole:
                        usage["cached"] += 1
                        return kept, answer, usage
                except NoAnswer:  # by a stricter reader than the one that kept it
                    pass
            text = await sender.send(request, usage)
            try:
                answer = read(text)
            except NoAnswer as exc:
                usage.update(exc.tokens)
                raise self._unread(exc, usage) from None
            usage.update(answer.tokens)
            if self.replies is not None and answer.whole:
                self.replies.put(key, text)
            return text, answer, usage

    def _unread(self, exc: NoAnswer, usage: Mapping[str, float]) -> faults.ModelError:
        quote = faults.scrub(exc.quote, self.endpoint.secret)
        what = f"{exc}: {quote}" if quote else str(exc)
        stop = "" if what[-1] in ".!?" else "."
        check = f"Check {self.endpoint.settings}" if isinstance(exc, NotJSON) else "Try again, choose another model"
        text = f"{self.model} at {self.endpoint.place} {what}{stop} {check}, {OFFLINE}."
        return faults.ModelError(text, usage)

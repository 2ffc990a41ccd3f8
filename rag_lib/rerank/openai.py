"""Rerank with a vision-language model behind an OpenAI-compatible endpoint (GPT-4o, vLLM, Ollama, llama.cpp, ...).

In: a query and up to 25 hits. They become one numbered panorama and a prompt; the model looks and answers. Out: a
Ranking, or one RagError within a bounded time. Whatever the model answers is repaired to a permutation.
Chat completions rather than responses, because the local servers speak them.
"""

import base64
import io
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rag_lib.errors import RagError
from rag_lib.panorama import MAX_IMAGES, panorama
from rag_lib.records import Hit, Query, Ranking
from rag_lib.rerank import faults
from rag_lib.rerank.answer import NoAnswer, read_answer
from rag_lib.rerank.base import checked
from rag_lib.rerank.prompt import Schema, build_prompt

_OPENAI = "https://api.openai.com/v1"
_MAX_TOKENS = 4096  # of the answer: room for the evidence of 25 candidates, an end for a model that babbles
# Servers that do not know these options refuse them with a 400 that names them; the request is then sent without.
_OPTIONAL = {"response_format": ("response_format", "json_schema"), "max_completion_tokens": ("max_completion_tokens",)}


class OpenAIReranker:
    """Shows the model the panorama and reads its ranking.

    `model`: its name at the endpoint. `base_url`: None means OPENAI_BASE_URL, and without that OpenAI itself.
    `timeout`: seconds for one attempt. `max_retries`: further attempts after a 429, a 5xx, a timeout or a lost
    connection; the model is asked for at most (max_retries + 1) * (timeout + 2) seconds, whatever the server does.
    `on_failure`: "raise" a RagError, or "keep" the search's order and say so.
    The key comes from OPENAI_API_KEY and nowhere else. Raises RagError if it is missing and OpenAI needs it.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        timeout: float = 60,
        max_retries: int = 2,
        on_failure: str = "raise",
    ):
        if on_failure not in ("raise", "keep"):
            raise RagError(f"on_failure is {on_failure!r}; it must be 'raise' or 'keep'.")
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
            raise RagError(f"timeout is {timeout!r}; it must be a number of seconds above 0, such as 60.")
        self.name = self.model = model
        self.base_url = (base_url or os.environ.get("OPENAI_BASE_URL") or "").strip() or None
        self.timeout = timeout
        self.max_retries = max_retries
        self.on_failure = on_failure
        if self.base_url and not self.base_url.lower().startswith(("http://", "https://")):
            raise RagError("The base URL of the endpoint must start with http:// or https://; see OPENAI_BASE_URL.")
        self._secret()
        try:
            import openai  # noqa: F401
        except ImportError:
            raise RagError(f"{model} needs the openai client: pip install openai") from None

    def rank(self, query: Query, hits: Sequence[Hit]) -> Ranking:
        """Ask the model. Raises RagError for no hits, more than 25, or (see `on_failure`) a failure of the model."""
        hits = checked(hits, MAX_IMAGES)
        messages = self.messages(query, hits)
        usage: dict[str, float] = {"attempts": 0}
        started = time.perf_counter()
        try:
            answer = self._ask(messages, len(hits), usage)
        except RagError as exc:
            if self.on_failure == "raise":
                raise
            usage["seconds"] = time.perf_counter() - started
            return Ranking(hits, reason=f"Not reranked, this is the search's order. {exc}", usage=usage)
        return Ranking(
            hits=tuple(hits[number - 1] for number in answer.order),
            reason=answer.reason,
            evidence={hits[number - 1].item.image_id: evidence for number, evidence in answer.evidence.items()},
            repairs=answer.repairs,
            usage={**usage, **answer.tokens, "seconds": time.perf_counter() - started},
        )

    def messages(self, query: Query, hits: Sequence[Hit]) -> list[dict[str, Any]]:
        """What is sent: one message with the prompt and the panorama as a JPEG data URL.

        Candidates are known by their number in the panorama alone: no title, file name or id goes out.
        """
        picture = panorama(query.image, [hit.item.path for hit in hits])
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, "JPEG", quality=90)
        url = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
        prompt = build_prompt(query.text, len(hits), has_image=query.image is not None)
        parts = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": url}}]
        return [{"role": "user", "content": parts}]

    def _secret(self) -> str:
        """The key, "" for a server of one's own without one. Raises RagError."""
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        if not key and not self.base_url:
            raise RagError(
                f"OPENAI_API_KEY is not set, and {self.model} needs it. Set it in the environment, "
                f"or set OPENAI_BASE_URL to a local server, {faults.OFFLINE}."
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise RagError("OPENAI_API_KEY holds a character that no key has, such as a space. Set it again.")
        return key

    def _ask(self, messages: list[dict[str, Any]], n: int, usage: dict[str, float]) -> Any:
        """The model's Answer. `usage`: its attempts are counted up. Raises RagError."""
        secret = self._secret()
        try:
            text = self._send(messages, secret, usage)
        except Exception as exc:
            tries = max(1, int(usage["attempts"]))
            where = {"model": self.model, "base_url": self.base_url, "timeout": self.timeout}
            raise faults.explain(exc, **where, tries=tries, secret=secret) from None
        try:
            return read_answer(json.loads(text), n)
        except (ValueError, RecursionError):
            what = "answered with something that is not JSON, such as a web page"
            remedy = f"Check OPENAI_BASE_URL (or base_url; it usually ends in /v1), {faults.OFFLINE}."
        except NoAnswer as exc:
            quote = faults.scrub(exc.quote, secret)
            what = f"{exc}: {quote}" if quote else str(exc)
            remedy = f"Try again, choose another model, {faults.OFFLINE}."
        raise RagError(
            f"{self.model} at {faults.place(self.base_url)} {what}{'' if what[-1] in '.!?' else '.'} {remedy}"
        )

    def _send(self, messages: list[dict[str, Any]], secret: str, usage: dict[str, float]) -> str:
        """The body of the reply. Raises what the client raises, or TimeoutError."""
        import openai

        options: dict[str, Any] = {"response_format": Schema, "max_completion_tokens": _MAX_TOKENS}
        client = openai.OpenAI(
            api_key=secret or "none",  # a server of one's own needs no key, the client needs some string
            base_url=self.base_url or _OPENAI,
            timeout=self.timeout,
            max_retries=self.max_retries,
        )
        # The raw response, because `parse` alone loses the text of a reply that does not fit the schema.
        parse = client.chat.completions.with_raw_response.parse

        def send() -> str:
            while True:
                try:
                    raw = parse(model=self.model, messages=messages, **options)
                except openai.APIStatusError as exc:
                    usage["attempts"] += faults.attempts(exc)
                    refused = _refused(exc, options)
                    if refused is None:
                        raise
                    del options[refused]
                except openai.APIConnectionError as exc:
                    usage["attempts"] += faults.attempts(exc)
                    raise
                else:
                    usage["attempts"] += 1 + raw.retries_taken
                    return raw.http_response.text

        try:
            return _within((self.max_retries + 1) * (self.timeout + 2), send)
        finally:
            client.close()


def _refused(exc: Any, options: Mapping[str, Any]) -> str | None:
    """Which of the sent options a 400 or 422 complains about; None if about none."""
    if exc.status_code not in (400, 422):
        return None
    text = exc.response.text.lower()
    return next((option for option in options if any(word in text for word in _OPTIONAL[option])), None)


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """The result of `call`, or TimeoutError: the client's own timeout starts anew with every byte that drips in."""
    box: queue.SimpleQueue = queue.SimpleQueue()

    def work() -> None:
        try:
            box.put((call(), None))
        except BaseException as exc:
            box.put((None, exc))

    threading.Thread(target=work, daemon=True).start()
    try:
        result, exc = box.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"{seconds:g}") from None
    if exc is not None:
        raise exc
    return result

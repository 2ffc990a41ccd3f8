"""Questions to a vision-language model, each within a bounded time and number of attempts.

In: requests as the client's keyword arguments, within one event loop. Out: the bodies of the replies, or ModelErrors.
"""

import asyncio
import re
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

from rag_lib.rerank import faults
from rag_lib.rerank.endpoint import Endpoint
from rag_lib.rerank.secrets import conceal

SLACK = 2  # seconds an attempt, for the client's pauses between attempts
# What a server that does not take an option names in its refusal, and the option to send instead; None: none.
_OPTIONAL = {
    "response_format": (r"response.?format|json.?(?:schema|object|mode)|structured.?output|guided|grammar", None),
    "max_completion_tokens": (r"max.?completion.?tokens", "max_tokens"),
    "max_tokens": (r"max.?tokens", None),
}
_usage: ContextVar[MutableMapping[str, float]] = ContextVar("usage")  # of the question that a task asks


class Sender:
    """Asks an endpoint, at once what several tasks ask. A context manager: its client, which is made with the first
    question, is closed at the end.

    `timeout`: seconds for one attempt. `max_retries`: further attempts after a 408, a 409, a 429, a 5xx, a timeout or
    a lost connection.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float, max_retries: int):
        self.endpoint, self.timeout, self.max_retries = endpoint, timeout, max_retries
        self._client: Any = None

    async def send(self, request: Mapping[str, Any], usage: MutableMapping[str, float]) -> str:
        """The body of the reply, whatever it is, without the key in it. Raises RagError without a key, or ModelError.

        `request`: with its "model". It takes at most (max_retries + 1) * (timeout + SLACK) seconds, whatever the
        server does. `usage`: its "attempts" are counted up.
        """
        model, secret = request["model"], self.endpoint.key(request["model"])
        seconds = (self.max_retries + 1) * (self.timeout + SLACK)
        if self._client is None:
            options = {"timeout": self.timeout, "max_retries": self.max_retries, "on_request": count_request}
            self._client = self.endpoint.client(model, secret, **options)
        _usage.set(usage)
        try:
            async with asyncio.timeout(seconds):
                return conceal(await self._post(dict(request)), secret)
        except Exception as exc:
            told = {"model": model, "endpoint": self.endpoint, "seconds": (self.timeout, seconds)}
            raise faults.explain(exc, **told, secret=secret, usage=usage) from None

    async def _post(self, request: dict[str, Any]) -> str:
        import openai

        # The raw response, because `parse` alone loses the text of a reply that does not fit the schema.
        parse = self._client.chat.completions.with_raw_response.parse
        while True:
            try:
                return (await parse(**request)).http_response.text
            except openai.APIStatusError as exc:
                refused = _find_refused(exc, request)
                if refused is None:
                    raise
                value, instead = request.pop(refused), _OPTIONAL[refused][1]
                if instead:
                    request[instead] = value

    async def __aenter__(self) -> "Sender":
        return self

    async def __aexit__(self, *_: Any) -> None:
        if self._client is not None:
            await self._client.close()


async def count_request(_request: Any) -> None:
    _usage.get()["attempts"] += 1


def _find_refused(exc: Any, request: Mapping[str, Any]) -> str | None:
    """Which of the sent options a refusal names; None if none. Some servers name it in a 500."""
    if exc.status_code in (401, 403, 429):
        return None
    text = exc.response.text.lower()
    return next((name for name, (words, _) in _OPTIONAL.items() if name in request and re.search(words, text)), None)

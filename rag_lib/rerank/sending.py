"""One question to a vision-language model, within a bounded time and number of attempts.

In: a request as the client's keyword arguments. Out: the body of the reply, or one ModelError.
"""

import queue
import threading
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from rag_lib.rerank import faults
from rag_lib.rerank.endpoint import Endpoint

SLACK = 2  # seconds an attempt, for the client's pauses between attempts
# Servers that do not know these options refuse them with a 400 that names them; the request is then sent without.
_OPTIONAL = {"response_format": ("response_format", "json_schema"), "max_completion_tokens": ("max_completion_tokens",)}


def send(
    endpoint: Endpoint,
    request: Mapping[str, Any],
    *,
    timeout: float,
    max_retries: int,
    usage: MutableMapping[str, float],
) -> str:
    """The body of the reply, whatever it is, without the key in it. Raises RagError without a key, or ModelError.

    `request`: with its "model". `timeout`: seconds for one attempt. `max_retries`: further attempts after a 429, a
    5xx, a timeout or a lost connection; all of it takes at most (max_retries + 1) * (timeout + SLACK) seconds, whatever
    the server does. `usage`: its "attempts" are counted up.
    """
    model = request["model"]
    secret = endpoint.key(model)
    client = endpoint.client(model, secret, timeout=timeout, max_retries=max_retries)
    try:
        text = _within((max_retries + 1) * (timeout + SLACK), lambda: _post(client, dict(request), usage))
    except Exception as exc:
        told = {"model": model, "endpoint": endpoint, "timeout": timeout, "secret": secret, "usage": usage}
        raise faults.explain(exc, **told) from None
    finally:
        client.close()  # a worker that is still waiting to try again finds it closed, and sends nothing more
    return text.replace(secret, "***") if len(secret) > 8 else text  # a local server's "none" is no secret


def _post(client: Any, request: dict[str, Any], usage: MutableMapping[str, float]) -> str:
    import openai

    # The raw response, because `parse` alone loses the text of a reply that does not fit the schema.
    parse = client.chat.completions.with_raw_response.parse
    while True:
        try:
            raw = parse(**request)
        except openai.APIStatusError as exc:
            usage["attempts"] += faults.attempts(exc)
            refused = _refused(exc, request)
            if refused is None:
                raise
            del request[refused]
        except openai.APIConnectionError as exc:
            usage["attempts"] += faults.attempts(exc)
            raise
        else:
            usage["attempts"] += 1 + raw.retries_taken
            return raw.http_response.text


def _refused(exc: Any, request: Mapping[str, Any]) -> str | None:
    """Which of the sent options a 400 or 422 complains about; None if about none."""
    if exc.status_code not in (400, 422):
        return None
    text = exc.response.text.lower()
    return next((name for name, words in _OPTIONAL.items() if name in request and any(w in text for w in words)), None)


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

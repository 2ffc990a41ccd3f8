"""From what can go wrong with an endpoint to one sentence with the remedy.

In: an exception of the `openai` client, or the body of a reply. Out: a ModelError without any secret in it.
"""

import re
from collections.abc import Mapping

from rag_lib.errors import RagError
from rag_lib.rerank.endpoint import OFFLINE, Endpoint
from rag_lib.rerank.permutation import clean

_KEY_LIKE = re.compile(r"\b(?:sk|key|pk)-[\w*.-]{4,}|(?i:bearer)\s+\S+")


class ModelError(RagError):
    """A model, or the way to it, failed. `usage`: the attempts that this took."""

    def __init__(self, message: str, usage: Mapping[str, float]):
        super().__init__(message)
        self.usage = dict(usage)


def said(exc: Exception, secret: str = "") -> str:
    """What the server itself said, as one short line; "" if it said nothing that can be shown."""
    body = getattr(exc, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        text = inner.get("message") if isinstance(inner, dict) else inner
    else:
        text = body
    return scrub(text, secret)


def scrub(text: object, secret: str = "") -> str:
    """One line of at most 200 characters with nothing in it that is or looks like a key; "" for a web page."""
    if not isinstance(text, str) or text.lstrip().startswith("<"):
        return ""
    if secret:
        text = text.replace(secret, "***")
    return clean(_KEY_LIKE.sub("***", text), 200)


def attempts(exc: Exception) -> int:
    """How many requests the client had sent when it gave up."""
    try:
        return 1 + int(exc.request.headers.get("x-stainless-retry-count", 0))
    except (AttributeError, ValueError, RuntimeError):
        return 1


def explain(
    exc: Exception, *, model: str, endpoint: Endpoint, timeout: float, secret: str, usage: Mapping[str, float]
) -> ModelError:
    """The ModelError for an exception of the client. `timeout`: seconds of one attempt; `usage`: with its attempts."""
    import openai

    tries = max(1, int(usage["attempts"]))
    where, words = endpoint.place, said(exc, secret)
    quoted = f" It said: {words.rstrip('.')}." if words else ""
    times = "once" if tries == 1 else f"{tries} times"
    status = getattr(exc, "status_code", None)
    check = endpoint.settings
    if isinstance(exc, TimeoutError):
        text = f"{model} at {where} had not finished its answer after {exc} s, waits and retries included. Try later"
    elif isinstance(exc, openai.APITimeoutError):
        text = f"{model} at {where} gave no answer within {timeout:g} s, asked {times}. Raise timeout, try later"
    elif isinstance(exc, openai.APIConnectionError):
        text = f"{where} cannot be reached, tried {times}. Check the network and {check}"
    elif status == 401:
        # What a server says about a wrong key often repeats part of it, so it is not quoted.
        text = f"{where} refused the key (401). Set {endpoint.key_name} to a key that is valid there"
    elif status == 403:
        text = f"This key may not use {model} at {where} (403).{quoted} Choose another model or key"
    elif status == 404:
        text = (
            f"{where} has no model {model!r} (404), or its address is wrong.{quoted} Choose a model that it offers, "
            f"check {check}"
        )
    elif status == 429:
        text = (
            f"{where} refused, asked {times}: too many requests, or the account's quota is used up (429).{quoted}"
            f"{_pause(exc)} Wait a little, check the quota"
        )
    elif status is not None and status >= 500:
        text = f"{where} failed, asked {times} (status {status}).{quoted} Try later"
    elif status is not None and getattr(exc, "code", None) == "content_filter":  # so does Azure, with a 400
        text = f"{where} stopped the question by its content filter.{quoted} Try other pictures or another instruction"
    elif status is not None:
        text = f"{where} refused the request for {model} (status {status}).{quoted} Choose a model that takes pictures"
    else:
        # The text of an unforeseen exception may hold anything, headers too: only its kind is told.
        text = f"Asking {model} at {where} failed ({type(exc).__name__}). Check {check}"
    return ModelError(f"{re.sub('^the ', 'The ', text)}, {OFFLINE}.", {**usage, "attempts": tries})


def _pause(exc: Exception) -> str:
    """What the server asks to wait, if it says so in seconds."""
    asked = exc.response.headers.get("retry-after", "")
    return f" It asks to wait {asked} s." if re.fullmatch(r"[0-9]{1,9}", asked) else ""

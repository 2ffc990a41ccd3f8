"""From what can go wrong with an endpoint to one sentence with the remedy.

In: an exception of the `openai` client, or the body of a reply. Out: a ModelError without any secret in it.
"""

import re
from collections.abc import Mapping

from rag_lib.errors import RagError
from rag_lib.rerank.endpoint import OFFLINE, Endpoint
from rag_lib.rerank.permutation import clean
from rag_lib.rerank.secrets import conceal

_KEY_LIKE = re.compile(r"\b(?:sk|key|pk)-[\w*.-]{4,}|(?i:bearer)\s+\S+")
_CONTEXT = re.compile(r"context.{0,20}(?:length|size|window)|(?:model|context|seq).?len|too many tokens|prompt is too")
_PICTURES = re.compile(r"image|picture|vision|visual|multi.?modal|content.{0,20}(?:string|type|part)")


class ModelError(RagError):
    """A model, or the way to it, failed. `usage`: the attempts and tokens that this took. The message is for whoever
    chose the endpoint, and names it.
    """

    def __init__(self, message: str, usage: Mapping[str, float]):
        super().__init__(message)
        self.usage = dict(usage)


def scrub(said: object, secret: str = "") -> str:
    """What a server said, or the message in the body of its error, as one line of at most 200 characters with nothing
    in it that is or looks like a key; "" for a web page.
    """
    while isinstance(said, dict | list) and said:
        if isinstance(said, dict) and isinstance(said.get("loc"), list):  # FastAPI's servers name the field so
            said = f"{'.'.join(map(str, said['loc']))}: {said.get('msg')}"
        else:
            names = ("error", "message", "detail", "msg")
            said = said[0] if isinstance(said, list) else next((said[name] for name in names if name in said), None)
    if not isinstance(said, str) or said.lstrip().startswith("<"):
        return ""
    return clean(_KEY_LIKE.sub("***", conceal(said, secret)), 200)


def explain(
    exc: Exception, *, model: str, endpoint: Endpoint, seconds: tuple[float, float], secret: str, usage: Mapping
) -> ModelError:
    """The ModelError for an exception of the client. `seconds`: of one attempt, of all; `usage`: with the attempts."""
    import openai

    attempt, whole = seconds
    tries = max(1, int(usage["attempts"]))
    where, words = endpoint.place, scrub(getattr(exc, "body", None), secret)
    quoted = f" It said: {words.rstrip('.')}." if words else ""
    times = "once" if tries == 1 else f"{tries} times"
    status = getattr(exc, "status_code", None)
    check = endpoint.settings
    if isinstance(exc, TimeoutError):
        text = (
            f"{model} at {where} had not finished its answer after {whole:g} s, waits and retries included. Try later"
        )
    elif isinstance(exc, openai.APITimeoutError):
        text = f"{model} at {where} gave no answer within {attempt:g} s, asked {times}. Raise timeout, try later"
    elif isinstance(exc, openai.APIConnectionError):
        text = f"{where} cannot be reached, tried {times}. Check the network and {check}"
    elif status is None:
        # The text of an unforeseen exception may hold anything, headers too: only its kind is told.
        text = f"Asking {model} at {where} failed ({type(exc).__name__}). Check {check}"
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
    elif _CONTEXT.search(words.lower()):
        text = (
            f"The context of {model} at {where} is too small for the picture and the answer (status {status})."
            f"{quoted} Start the server with a larger context, lower window or max_tokens"
        )
    elif status >= 500:
        text = f"{where} failed, asked {times} (status {status}).{quoted} Try later"
    elif getattr(exc, "code", None) == "content_filter":  # so does Azure, with a 400
        text = f"{where} stopped the question by its content filter.{quoted} Try other pictures or another instruction"
    elif not words or _PICTURES.search(words.lower()):
        text = f"{where} refused the request for {model} (status {status}).{quoted} Choose a model that takes pictures"
    else:
        text = f"{where} refused the request for {model} (status {status}).{quoted} Change that, choose another model"
    return ModelError(f"{re.sub('^the ', 'The ', text)}, {OFFLINE}.", {**usage, "attempts": tries})


def _pause(exc: Exception) -> str:
    """What the server asks to wait, if it says so in seconds."""
    asked = exc.response.headers.get("retry-after", "")
    return f" It asks to wait {asked} s." if re.fullmatch(r"[0-9]{1,9}", asked) else ""

"""Read the body of a chat completion, which is untrusted.

In: decoded JSON as it came, and `n`, how many candidates were shown. Out: an Answer of plain, clean parts, or
NoAnswer with what was there instead. Pure.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rag_lib.records import Evidence
from rag_lib.rerank.permutation import Reply, clean, number, parse_text, repair


class NoAnswer(Exception):
    """The body holds no ranking. The message completes "The model ..."; `quote`: untrusted words of the server."""

    def __init__(self, what: str, quote: object = ""):
        super().__init__(what)
        self.quote = quote


class Answer(NamedTuple):
    """`order`: a permutation of 1..n, best first. `evidence`: number -> Evidence, for whom the model gave it.

    `repairs`: kind -> count. `tokens`: the server's counts, those that it gave.
    """

    order: list[int]
    reason: str
    evidence: Mapping[int, Evidence]
    repairs: Mapping[str, int]
    tokens: Mapping[str, int]


def read_answer(body: Any, n: int) -> Answer:
    """The answer in `body`, repaired to a permutation. Raises NoAnswer."""
    body = body if isinstance(body, dict) else {}
    reply = _reply(body, n)
    order, repairs = repair(reply.numbers, n)
    return Answer(order, reply.reason, _evidence(reply, n), repairs, _tokens(body))


def _reply(body: Mapping[str, Any], n: int) -> Reply:
    if error := body.get("error"):
        raise NoAnswer("answered with an error", error.get("message") if isinstance(error, dict) else error)
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message") if isinstance(choice.get("message"), dict) else {}
    finish = choice.get("finish_reason")
    if message.get("refusal"):
        raise NoAnswer("refused", message["refusal"])
    if finish == "content_filter":
        raise NoAnswer("was stopped by its content filter, so try other pictures or another instruction")
    content = message.get("content")
    if isinstance(content, list):  # some servers answer in parts
        content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    reply = parse_text(content, n)
    if finish == "length":
        # The ranking comes first, so that it is often whole even if the rest was cut off.
        if not reply.numbers:
            raise NoAnswer("was cut off before it had given its ranking, so rank fewer hits")
        return reply._replace(reason=f"{reply.reason} … (cut off)")
    if reply.numbers:
        return reply
    if not reply.reason:
        raise NoAnswer("gave an empty answer")
    raise NoAnswer(f"gave no ranking of the {n} candidates", reply.reason)


def _tokens(body: Mapping[str, Any]) -> dict[str, int]:
    counts = body.get("usage") if isinstance(body.get("usage"), dict) else {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: counts[name] for name in names if isinstance(counts.get(name), int)}


def _evidence(reply: Reply, n: int) -> dict[int, Evidence]:
    found = {}
    for entry in reply.evidence:
        candidate = number(entry.get("number")) if isinstance(entry, dict) else None
        if candidate is not None and 1 <= candidate <= n:
            found[candidate] = Evidence(*(_phrases(entry.get(side)) for side in ("keeps", "changes", "violates")))
    return found


def _phrases(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else []
    return tuple(phrase for phrase in (clean(entry, 200) for entry in values[:10]) if phrase)

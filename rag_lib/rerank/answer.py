"""Read the body of a chat completion, which is untrusted.

In: the body as it came, and the labels of the candidates that were shown. Out: an Answer of plain, clean parts, or
the Written text, or NoAnswer with what was there instead. Pure.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from rag_lib.records import Evidence
from rag_lib.rerank.permutation import Reply, clean, drop_thoughts, number, parse_text, repair

MAX_CHARS = 4000  # of a written answer, asked for in two to five sentences
_MID_THOUGHT = "was cut off in the midst of its thoughts, so raise max_tokens or lower effort"


class NoAnswer(Exception):
    """The body holds no ranking. The message completes "The model ..."; `quote`: untrusted words of the server;
    `tokens`: as in Answer.
    """

    def __init__(self, what: str, quote: object = ""):
        super().__init__(what)
        self.quote, self.tokens = quote, {}


class NotJSON(NoAnswer):
    """The body is not what any server of this form sends: it is the wrong address."""


class Answer(NamedTuple):
    """`order`: places among the labels, from 0, each once, best first. `evidence`: place -> Evidence, where given.

    `reason` and evidence still speak of labels. `repairs`: kind -> count. `tokens`: the server's counts, those that it
    gave. `whole`: False if the reply was cut off behind its ranking, or leaves candidates out.
    """

    order: list[int]
    reason: str
    evidence: Mapping[int, Evidence]
    repairs: Mapping[str, int]
    tokens: Mapping[str, int]
    whole: bool


class Written(NamedTuple):
    """`text`: lines of plain, clean text, at least one. `tokens`: as in Answer. `whole`: False if it was cut off."""

    text: str
    tokens: Mapping[str, int]
    whole: bool


class _Message(NamedTuple):
    """What a choice holds. `thought`: whether the model did so at all; `called`: whether it called a tool."""

    content: object
    finish: object
    thought: bool
    called: bool


def read_answer(body: str, labels: Sequence[int]) -> Answer:
    """The answer in `body`, repaired to a permutation. Raises NoAnswer."""
    decoded, tokens = _decode(body)
    with _counted(tokens):
        reply, whole = _read_reply(_open(decoded, tokens), labels)
    places = {label: place for place, label in enumerate(labels, 1)}
    numbers = [value if (found := number(value)) is None else places.get(found, 0) for value in reply.numbers]
    order, repairs = repair(numbers, len(labels))
    order = [place - 1 for place in order]
    whole = whole and "missing" not in repairs
    return Answer(order, reply.reason, _read_evidence(reply, labels), repairs, tokens, whole)


def read_text(body: str) -> Written:
    """The text in `body`, without the model's thoughts, its first 4,000 characters. Raises NoAnswer."""
    decoded, tokens = _decode(body)
    with _counted(tokens):
        message = _open(decoded, tokens)
        said, thinking = drop_thoughts(message.content) if isinstance(message.content, str) else ("", False)
        said = said.strip()
        text = "\n".join(line for each in said[:MAX_CHARS].splitlines() if (line := clean(each, MAX_CHARS)))
        cut = message.finish == "length" or len(said) > MAX_CHARS
        if thinking or (cut and message.thought and not text):
            raise NoAnswer(_MID_THOUGHT)
        if not text:
            raise NoAnswer("called a tool instead of answering" if message.called else "gave an empty answer")
    return Written(f"{text} … (cut off)" if cut else text, tokens, not cut)


def _decode(body: str) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        raise NotJSON("answered with something that is not JSON, such as a web page") from None
    decoded = decoded if isinstance(decoded, dict) else {}
    return decoded, _count_tokens(decoded)


@contextmanager
def _counted(tokens: Mapping[str, int]) -> Iterator[None]:
    try:
        yield
    except NoAnswer as exc:
        exc.tokens = tokens
        raise


def _open(body: Mapping[str, Any], tokens: Mapping[str, int]) -> _Message:
    if error := body.get("error") or body.get("detail"):
        raise NoAnswer("answered with an error", error)
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
    # Some servers split the thoughts off, some count them only.
    thought = message.get("reasoning_content") or message.get("reasoning") or tokens.get("reasoning_tokens")
    return _Message(content, finish, bool(thought), bool(message.get("tool_calls") or message.get("function_call")))


def _read_reply(message: _Message, labels: Sequence[int]) -> tuple[Reply, bool]:
    reply, finish = parse_text(message.content, len(labels), labels), message.finish
    if reply.thinking or (finish == "length" and message.thought and not (reply.numbers or reply.reason)):
        raise NoAnswer(_MID_THOUGHT)
    if finish == "length":
        # The ranking comes first, so that it is often whole even if the rest was cut off.
        if not reply.numbers:
            raise NoAnswer(
                "was cut off before it had given its ranking, so raise max_tokens or rank fewer hits at once"
            )
        return reply._replace(reason=f"{reply.reason} … (cut off)"), False
    if reply.numbers:
        return reply, True
    if message.called:
        raise NoAnswer("called a tool instead of answering")
    if not reply.reason:
        raise NoAnswer("gave an empty answer")
    raise NoAnswer(f"gave no ranking of the {len(labels)} candidates", reply.reason)


def _count_tokens(body: Mapping[str, Any]) -> dict[str, int]:
    counts = body.get("usage") if isinstance(body.get("usage"), dict) else {}
    details = counts.get("completion_tokens_details")
    counts = {**counts, **(details if isinstance(details, dict) else {})}
    names = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "total_tokens")
    return {name: counts[name] for name in names if isinstance(counts.get(name), int)}


def _read_evidence(reply: Reply, labels: Sequence[int]) -> dict[int, Evidence]:
    places = {label: place for place, label in enumerate(labels)}
    found = {}
    for entry in reply.evidence:
        place = places.get(number(entry.get("number"))) if isinstance(entry, dict) else None
        if place is not None:
            found[place] = Evidence(*(_read_phrases(entry.get(side)) for side in ("keeps", "changes", "violates")))
    return found


def _read_phrases(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else []
    return tuple(phrase for phrase in (clean(entry, 200) for entry in values[:10]) if phrase)

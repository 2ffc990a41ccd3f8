"""From a model's reply to an order that can be trusted.

In: the text of a reply, or the list of numbers that it holds, and `n`, how many candidates were shown (numbered
from 1, or by labels). Out: every number from 1 to n exactly once, best first, and a count of what had to be mended.
Pure, standard library only; no string makes it raise.
"""

import json
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

KINDS = ("wrong form", "unknown", "duplicate", "missing")
_MAX_CHARS = 100_000  # of a reply that are read: a runaway reply must not cost minutes
_MAX_OBJECTS = 50  # places where a JSON object is tried
_MAX_LISTS = 1000

# "3", "#3", "[3]", "Image 3", "No. 3": one short number with at most one word before it.
_LIKE_NUMBER = re.compile(r"\s*[\[(#]*\s*(?:[A-Za-z]{1,12}[ ._:#-]{0,3})?([0-9]{1,9})(?:\.0*)?\s*[\])]*\.?\s*")
_CHAIN = re.compile(r"\[\s*#?[0-9]{1,9}\s*\](?:\s*[>,]\s*\[\s*#?[0-9]{1,9}\s*\])+")  # [3] > [1] > [2]
_BRACKETS = re.compile(r"\[[^\[\]]*\]")
_BARE = re.compile(r"#?[0-9]{1,9}(?:\s*[>,]\s*#?[0-9]{1,9})+")  # 3, 1, 2
_STRONG = re.compile(r"ranked\W{1,3}list|[\"']ranking[\"']\s*:", re.IGNORECASE)
_WEAK = re.compile(r"rank(?:ing|ed|s)?\b|order\s*:", re.IGNORECASE)
_DIRECT = re.compile(r"(?:ranked\W{1,3}list|rank(?:ing|ed)?|order)[*_ ]*(?::|is\b)[^\w\[\]]*$", re.IGNORECASE)
# What reasoning models put around their thoughts: <think>, </think>, [THINK], <|END_THINKING|>, ◁/think▷ ...
_THOUGHT = re.compile(
    r"<\|?(?:/|END_|START_)?(?:seed:)?(?:think(?:ing)?|thoughts?|reasoning|analysis)\|?>|\[/?THINK\]|◁/?think▷",
    re.IGNORECASE,
)
_REASON = re.compile(r"\b(?:reasons?|reasoning|explanation)\b[*_\"' ]*[:\-][*_ ]*", re.IGNORECASE)
_RANKING_KEYS = ("ranking", "ranked_list", "ranked list", "ranked", "order")
_REASON_KEYS = ("reason", "reasons", "explanation")


class Reply(NamedTuple):
    """What a reply holds, still as the model gave it.

    `numbers`: unchecked entries of the list, empty if there is no list; `reason`: one clean string, maybe empty;
    `evidence`: unchecked entries of the JSON form, empty in the text form; `thinking`: whether it ends in mid-thought.
    """

    numbers: list[Any]
    reason: str = ""
    evidence: Sequence[Any] = ()
    thinking: bool = False


def number(value: object) -> int | None:
    """The whole number that `value` stands for (3, 3.0, "3", "#3", "Image 3"), or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and (match := _LIKE_NUMBER.fullmatch(value[:50])):
        return int(match[1])
    return None


def repair(reply_numbers: Sequence[object], n: int) -> tuple[list[int], dict[str, int]]:
    """Make a permutation of 1..n of what a model gave.

    Returns the numbers, best first, and kind -> count of what was mended, kinds that did not occur left out:
    "wrong form" (not a number: dropped), "unknown" (not between 1 and n: dropped), "duplicate" (the first place
    counts), "missing" (left out by the model: appended in the search's order).

    >>> repair([3, 3, 9, "x"], 3)
    ([3, 1, 2], {'wrong form': 1, 'unknown': 1, 'duplicate': 1, 'missing': 2})
    """
    order: dict[int, None] = {}
    counts = dict.fromkeys(KINDS, 0)
    for value in reply_numbers:
        found = number(value)
        if found is None:
            counts["wrong form"] += 1
        elif not 1 <= found <= n:
            counts["unknown"] += 1
        elif found in order:
            counts["duplicate"] += 1
        else:
            order[found] = None
    missing = [candidate for candidate in range(1, n + 1) if candidate not in order]
    counts["missing"] = len(missing)
    return [*order, *missing], {kind: count for kind, count in counts.items() if count}


def parse_text(reply: object, n: int, labels: Collection[int] = ()) -> Reply:
    """Find the ranking in a reply: JSON (bare, fenced, within prose) or the tutorial's text form.

    The text form is "Ranked list: [3, 1, 2]  Reasons: ...". Thoughts are no part of the answer; of several rankings
    (a draft, the form repeated) those in JSON or after "Ranked list" go first, of these the fullest, then one that
    follows "ranking" or "order", then the last. `numbers` is empty if nothing in the reply reads as a ranking of the
    candidates, or if it ends in mid-thought. `labels`: by which they are known; none for 1 to `n`.
    """
    text, thinking = drop_thoughts(reply) if isinstance(reply, str) else ("", False)
    if thinking:
        return Reply([], clean(text), thinking=True)
    text, known = text[:_MAX_CHARS], set(labels or range(1, n + 1))
    found, rest = _find_objects(text, known)
    found += _find_list(rest, known)
    # The order of the sort: explicit or not, how many candidates, how it is introduced, where.
    return max(found, key=lambda each: each[0])[1] if found else Reply([], clean(text))


def drop_thoughts(text: str) -> tuple[str, bool]:
    """The text without the model's thoughts, and whether it ends within one."""
    if text.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            json.loads(text)
            return text, False  # marks within its strings are words
    kept, start, thinking = [], 0, False
    for place, mark in enumerate(_THOUGHT.finditer(text)):
        ends = "/" in mark[0] or "END_" in mark[0].upper()
        if not thinking and (place or not ends):  # if the first mark is an end, the prompt held the beginning
            kept.append(text[start : mark.start()])
        thinking, start = not ends, mark.end()
    return "".join(kept if thinking else [*kept, text[start:]]), thinking


def clean(text: object, limit: int = 2000) -> str:
    """One printable line of at most `limit` characters, whatever came over the wire."""
    if not isinstance(text, str):
        return ""
    text = " ".join(text[: 4 * limit].encode("utf-8", "replace").decode("utf-8").split())
    text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _count(numbers: Sequence[object], known: set[int]) -> int:
    """How many different candidates a list names."""
    return len(known.intersection(map(number, numbers)))


def _find_objects(text: str, known: set[int]) -> tuple[list[tuple[tuple, Reply]], str]:
    """The rankings in JSON, each behind what it is chosen by, and the text with blanks in their places."""
    decoder, found, end = json.JSONDecoder(), [], 0
    for start in [match.start() for match in re.finditer(r"\{", text)][:_MAX_OBJECTS]:
        if start < end:
            continue
        try:
            decoded, stop = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        keys = {key.lower(): value for key, value in decoded.items()}
        numbers = next((keys[key] for key in _RANKING_KEYS if isinstance(keys.get(key), list)), [])
        if count := _count(numbers, known):
            reason = next((clean(keys[key]) for key in _REASON_KEYS if clean(keys.get(key))), "")
            evidence = keys.get("evidence")
            reply = Reply(numbers, reason, evidence if isinstance(evidence, list) else ())
            found.append(((True, count, 2, start), reply))
            text, end = f"{text[:start]}{' ' * (stop - start)}{text[stop:]}", stop
    return found, text


def _find_list(text: str, known: set[int]) -> list[tuple[tuple, Reply]]:
    """The best ranking in prose, if there is one, behind what it is chosen by."""
    found = []
    for start, end, numbers in _list_numbers(text):
        count, strength = _count(numbers, known), _rate_introduction(text, start)
        # A lone [3] in a sentence is a citation, not a ranking; "1, 2" is one only where it is announced as such.
        if text[start] == "[":
            is_ranking = strength or count >= min(len(known), 2)
        else:
            is_ranking = _DIRECT.search(text[max(0, start - 40) : start])
        if count and is_ranking:
            found.append(((strength == 2, count, strength, start), end, numbers))
    if not found:
        return []
    key, end, numbers = max(found)
    marks = list(_REASON.finditer(text))
    if after := [mark for mark in marks if mark.start() >= end]:
        reason = text[after[0].end() :]
    elif before := [mark for mark in marks if mark.end() <= key[-1]]:
        reason = text[before[-1].end() : key[-1]]
    else:
        reason = text[end:]
    return [(key, Reply(numbers, clean(reason).strip("`*_\"'} ")))]


def _list_numbers(text: str) -> list[tuple[int, int, list[str]]]:
    """Where lists of numbers stand: start, end, entries. A chain like [3] > [1] is one list, not several."""
    found = []
    for pattern in (_CHAIN, _BRACKETS, _BARE):
        for match in islice(pattern.finditer(text), _MAX_LISTS):
            inside = match[0].strip("[]")
            parts = re.split(r"[,>;]", inside) if re.search(r"[,>;]", inside) else inside.split()
            parts = [part.strip(" \t\r\n'\"`[]") for part in parts]
            found.append((*match.span(), [part for part in parts if part]))
        text = pattern.sub(lambda match: " " * len(match[0]), text)  # each list is found once
    return found


def _rate_introduction(text: str, start: int) -> int:
    """2 if "ranked list" stands shortly before `start`, 1 for "ranking" or "order", else 0."""
    before = re.split(r"[\[\]]", text[max(0, start - 40) : start])[-1]
    return 2 if _STRONG.search(before) else 1 if _WEAK.search(before) else 0

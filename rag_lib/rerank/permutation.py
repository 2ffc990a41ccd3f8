"""From a model's reply to an order that can be trusted.

In: the text of a reply, or the list of numbers that it holds, and `n`, how many candidates were shown (numbered
from 1, or by labels). Out: every number from 1 to n exactly once, best first, and a count of what had to be mended.
Pure, standard library only; no string makes it raise.
"""

import json
import re
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any, NamedTuple

KINDS = ("wrong form", "unknown", "duplicate", "missing")
_MAX_CHARS = 100_000  # of a reply that are read: a runaway reply must not cost minutes
_MAX_OBJECTS = 50  # places where a JSON object is tried
_MAX_LISTS = 1000

# "3", "#3", "[3]", "Image 3", "No. 3": one short number with at most one word before it.
_LIKE_NUMBER = re.compile(r"\s*[\[(#]*\s*(?:[A-Za-z]{1,12}[ ._:#-]{0,3})?([0-9]{1,9})(?:\.0*)?\s*[\])]*\.?\s*")
_CHAIN = re.compile(r"\[\s*[0-9]{1,9}\s*\](?:\s*[>,]\s*\[\s*[0-9]{1,9}\s*\])+")  # [3] > [1] > [2]
_BRACKETS = re.compile(r"\[[^\[\]]*\]")
_BARE = re.compile(r"[0-9]{1,9}(?:\s*[>,]\s*[0-9]{1,9})+")  # 3, 1, 2
_STRONG = re.compile(r"ranked\W{1,3}list", re.IGNORECASE)
_WEAK = re.compile(r"rank(?:ing|ed|s)?\b|order\s*:", re.IGNORECASE)
_REASON = re.compile(r"\b(?:reasons?|reasoning|explanation)\b[*_\"' ]*[:\-][*_ ]*", re.IGNORECASE)
_RANKING_KEYS = ("ranking", "ranked_list", "ranked list", "ranked", "order")
_REASON_KEYS = ("reason", "reasons", "explanation")


class Reply(NamedTuple):
    """What a reply holds, still as the model gave it.

    `numbers`: unchecked entries of the list, empty if there is no list; `reason`: one clean string, maybe empty;
    `evidence`: unchecked entries of the JSON form, empty in the text form.
    """

    numbers: list[Any]
    reason: str = ""
    evidence: Sequence[Any] = ()


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

    The text form is "Ranked list: [3, 1, 2]  Reasons: ...". Of several lists the one that follows "Ranked list"
    is taken, else one that follows "ranking" or "order", else the fullest. `numbers` is empty if nothing in the
    reply reads as a ranking of the candidates. `labels`: by which they are known; none for 1 to `n`.
    """
    text = reply[:_MAX_CHARS] if isinstance(reply, str) else ""
    known = set(labels or range(1, n + 1))
    return _from_json(text, known) or _from_prose(text, known) or Reply([], clean(text))


def clean(text: object, limit: int = 2000) -> str:
    """One printable line of at most `limit` characters, whatever came over the wire."""
    if not isinstance(text, str):
        return ""
    text = " ".join(text[: 4 * limit].encode("utf-8", "replace").decode("utf-8").split())
    text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _valid(numbers: Sequence[object], known: set[int]) -> int:
    """How many different candidates a list names."""
    return len(known.intersection(map(number, numbers)))


def _from_json(text: str, known: set[int]) -> Reply | None:
    decoder = json.JSONDecoder()
    for start in [match.start() for match in re.finditer(r"\{", text)][:_MAX_OBJECTS]:
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        keys = {key.lower(): value for key, value in found.items()}
        numbers = next((keys[key] for key in _RANKING_KEYS if isinstance(keys.get(key), list)), [])
        if _valid(numbers, known):
            reason = next((clean(keys[key]) for key in _REASON_KEYS if clean(keys.get(key))), "")
            evidence = keys.get("evidence")
            return Reply(numbers, reason, evidence if isinstance(evidence, list) else ())
    return None


def _from_prose(text: str, known: set[int]) -> Reply | None:
    best = None
    for start, end, numbers in _lists(text):
        valid = _valid(numbers, known)
        strength = _introduced(text, start)
        # A lone [3] in a sentence is a citation, not a ranking; so is "1, 2" that nothing introduces.
        bare = text[start] != "["
        if not valid or (not strength and (bare or valid < min(len(known), 2))):
            continue
        key = (strength, valid, start)  # a later list is the model's second thought
        if best is None or key > best[0]:
            best = key, end, numbers
    if best is None:
        return None
    (_, _, start), end, numbers = best
    marks = list(_REASON.finditer(text))
    if after := [mark for mark in marks if mark.start() >= end]:
        reason = text[after[0].end() :]
    elif before := [mark for mark in marks if mark.end() <= start]:
        reason = text[before[-1].end() : start]
    else:
        reason = text[end:]
    return Reply(numbers, clean(reason).strip("`*_\"'} "))


def _lists(text: str) -> list[tuple[int, int, list[str]]]:
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


def _introduced(text: str, start: int) -> int:
    """2 if "ranked list" stands shortly before `start`, 1 for "ranking" or "order", else 0."""
    before = re.split(r"[\[\]]", text[max(0, start - 40) : start])[-1]
    return 2 if _STRONG.search(before) else 1 if _WEAK.search(before) else 0

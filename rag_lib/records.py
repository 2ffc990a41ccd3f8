"""The plain records that flow between the parts: Item -> Hit -> Ranking, with Query and Catalog beside them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rag_lib.errors import QueryError, RagError

MAX_TEXT = 65_535  # bytes of one text


def find_fault(value: Any) -> str | None:
    """Why no store can keep a plain value (text, number, bool, list, dict; a title, or one of metadata); or None.

    JSON has whole numbers of any length and infinite floats, and Python has halves of an emoji; a database has not.
    """
    if isinstance(value, Mapping):
        odd = [key for key in value if not isinstance(key, str) or key == "$meta"]
        parts = [*value, *value.values()]
        return f"the key {odd[0]!r} is reserved: rename it" if odd else next(filter(None, map(find_fault, parts)), None)
    if isinstance(value, list | tuple):
        return next(filter(None, map(find_fault, value)), None)
    if isinstance(value, str):
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            return f"the text {value[:40]!a} holds half of a character (a lone surrogate): write it whole"
        return f"a text has {size:,} bytes, and {MAX_TEXT:,} fit: shorten it" if size > MAX_TEXT else None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return f"the number {str(value)[:40]} has more than 64 bits: write it as text, in quotes"
    if isinstance(value, float) and not math.isfinite(value):
        return f"the number is {value}, which is not finite: leave it empty or write it as text"
    return None


def as_text(value: Any, what: str) -> str:
    """`value` as text; None is "". `what`: how a refusal begins, such as "The query's instruction".

    papermill makes numbers and truth values of `-p query_text 2024` and `True`: they become text again.
    Raises RagError for what is no text, and for half of a character (a lone surrogate), which nothing could store.
    """
    text = "" if value is None else str(value) if isinstance(value, (int, float)) else value
    if not isinstance(text, str):
        raise RagError(f"{what} is of the type {type(value).__name__}: give it as text.")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        whole = text.encode(errors="replace").decode()
        raise RagError(f"{what} {whole[:80]!r} holds half of a character: write it anew.")
    return text


@dataclass(frozen=True)
class Item:
    """One picture of a catalog.

    `image_id`: hash of the file's content, so that the same picture has the same id wherever it lies.
    `metadata`: category, theme, color (str), price (float) and whatever else the catalog knows.
    """

    image_id: str
    path: Path
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Skipped(NamedTuple):
    """A file that was left out, and why: never dropped in silence."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Catalog:
    """Items to search in and pictures to search with.

    `name`: short and safe for a collection's name, e.g. "drawn". `root`: the folder below which the items lie.
    `query_pictures`: name -> path of pictures that are no items.
    """

    name: str
    root: Path
    items: tuple[Item, ...]
    query_pictures: Mapping[str, Path] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Query:
    """What the user gives: a picture (a path or a PIL image), an instruction, or both (a composed query)."""

    image: Any = None
    text: str | None = None

    def __post_init__(self):
        text = as_text(self.text, "The query's instruction").strip()
        if self.image is None and not text:
            raise QueryError("The query is empty: give a picture, an instruction, or both.")
        object.__setattr__(self, "text", text or None)


@dataclass(frozen=True)
class Hit:
    """A candidate found by the search. `rank`: from 1. `score`: cosine, -1 to 1, higher is nearer."""

    rank: int
    score: float
    item: Item


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against one candidate, as short phrases.

    `keeps`: what it keeps of the query picture; `changes`: what it changes as the instruction asks;
    `violates`: where it goes against either.
    """

    keeps: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    violates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ranking:
    """A reranker's answer.

    `hits`: a permutation of what was given, best first; each Hit keeps the rank and score of the search.
    `reason`: why the first is the best. `evidence`: image_id -> Evidence. `repairs`: kind -> count of what had to
    be mended in a model's reply (wrong form, duplicate, unknown, missing). `usage`: seconds, attempts, tokens.
    """

    hits: tuple[Hit, ...]
    reason: str = ""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    repairs: Mapping[str, int] = field(default_factory=dict)
    usage: Mapping[str, float] = field(default_factory=dict)

    @property
    def best(self) -> Hit:
        return self.hits[0]


@dataclass(frozen=True)
class WrittenAnswer:
    """An answer to the user's question, in a few sentences that cite hits by number, checked against the catalog.

    `text`: what failed the check stands in it, with a mark in brackets behind it. `citations`: the `Hit.rank` of the
    hits that it cites, in the order of their first mention. `faults`: a sentence for each mark. `usage`: as of a
    Ranking.
    """

    text: str
    citations: tuple[int, ...] = ()
    faults: tuple[str, ...] = ()
    usage: Mapping[str, float] = field(default_factory=dict)

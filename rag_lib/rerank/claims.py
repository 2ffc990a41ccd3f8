"""Check what a written answer claims against the catalog: numbers, prices and titles, by rules, without a model.

In: the text, which is untrusted, and the hits that it may cite. Out: the text with a mark in brackets behind each
claim that fails, the citations, and a sentence for each mark. Pure, standard library only.
"""

import math
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from rag_lib.records import Hit
from rag_lib.rerank.describe import MARKS, MAX_CHARS
from rag_lib.rerank.permutation import clean

_CITED = re.compile(r"[\[【]\s*#?\d{1,9}(?:\s*(?:[,;&–-]|and)\s*#?\d{1,9})*\s*[\]】]")
_QUOTED = re.compile(
    r'(?<!\w)"(?=\S)[^"\n]+?(?<=\S)"(?!\w)|“[^”\n]+”|«[^»\n]+»|„[^“”\n]+[“”]|「[^」\n]+」|『[^』\n]+』'
)
_CITE, _QUOTE = "\x01", "\x02"  # stand for each letter of a citation or a quote while the rest is read
_SENTENCE = re.compile(r"(?<=[.!?])(?<!\bvs\.)(?<!\b[Nn]o\.)\s+(?![a-z])|(?<=[。！？])|\n")  # noqa: RUF001
_PART = re.compile(rf"[;,]\s|(?<!{_CITE})\sand\s|\sand\s(?!{_CITE})|\s(?:but|while|whereas)\s")

_AMOUNT = r"(?<![\d.,])\d+(?:[.,]\d+)*"
_MONEY = re.compile(
    rf"(?:[$€£¥₹]|\b(?:USD|EUR|GBP))\s?({_AMOUNT})"
    rf"|({_AMOUNT})\s?(?:[$€£¥₹円元]|(?:USD|EUR|GBP|(?:US )?dollars?|euros?|pounds?)\b)"
    rf"|\b(?:cost(?:s|ing)?|pric(?:e|ed|es))(?: of {_CITE}+)?(?:,? (?:at|of|is|was|only|just|about))*:? ({_AMOUNT})"
    r"|(?:\b(?:at|for) |\()([0-9]+\.[0-9]{1,2})\b(?! ?(?:x|[cm]?m|inch|k?g|oz|m?l)\b)",
    re.IGNORECASE,
)
_AT_MOST = re.compile(r"\b(?:under|below|(?:less|cheaper) than|up to|at most|no more than|within) $")
_AT_LEAST = re.compile(r"\b(?:over|above|more than|at least) $")
_NO_PRICE = re.compile(r"\b(?:budget|limit|sav(?:e|es|ing)|differ(?:s|ence))(?: (?:of|is|by))? $")
_DIFFERENCE = re.compile(r" ?(?:cheaper|dearer|less|more|off|apart|budget|limit)\b")

_COMPARED = re.compile(
    r"\b(?:(?P<low>cheaper|less expensive|costs? less|lower[- ]priced?)"
    r"|(?P<high>dearer|pricier|costlier|more expensive|costs? more|higher[- ]priced?)"
    r"|(?P<lowest>cheapest|least expensive|lowest[- ]priced?)"
    r"|(?P<highest>dearest|priciest|costliest|most expensive|highest[- ]priced?))\b",
    re.IGNORECASE,
)
_RUN = rf"(?P<run>(?:{_CITE}+(?:, ?{_CITE}+)*,? (?:and|&) )?{_CITE}+)"  # "[1], [3] and [5]"
_RUNS = re.compile(_RUN)
_NOT = re.compile(r"(?:\b(?:not|no|never|neither|nor|hardly)|n['’]t)(?: \w+){0,2} $", re.IGNORECASE)
_GROUP = re.compile(rf"\b(?:of|among|between) (?:the )?{_RUN}", re.IGNORECASE)
_THAN = re.compile(rf"[^;]*?\bthan (?:(?:the|{_QUOTE}+) )*{_RUN}?")
_IS = re.compile(rf"(?: \w+)? (?:is|are) {_RUN}")
_OF_ALL = re.compile(
    r"(?: (?:one|option|result|choice|overall|here|of (?:all|them|these)))*"
    rf"(?:\W*$|[,.;:!?)]| (?:and|but|at|is|are|{_CITE}))"
)


class _Cited(NamedTuple):
    start: int
    end: int
    number: int


def check_claims(
    text: str, hits: Sequence[Hit], *, asked: str | None = None
) -> tuple[str, tuple[int, ...], tuple[str, ...]]:
    """The text with marks, the numbers that it cites of the hits', and a sentence for each mark.

    - Each number in brackets must be a hit's `rank`, and there must be one.
    - A price must be that of the one result cited beside it, to the cent; of several, that of one of them. A price is
      an amount with a currency, behind "costs" or "price", or with decimals behind "at" or "for"; "under $20" must
      hold; differences and budgets ("$3 less", "your budget of $20") are left. Beside it is what the same part of the
      sentence cites, between commas, "and" and "but"; else the part before; else the sentence; else it is every hit.
    - Double quotes must stand within the title of a result cited beside them. `asked`: the instruction, which may be
      quoted, too.
    - "Cheaper", "dearer" and the like must be true of the result cited last before it, against those behind "than",
      else against the one other that the sentence cites; "cheapest" against those behind "of", else, if it says
      cheapest of all, against all hits. Of a hit without a price none is.

    Not checked: all else, such as what is said about the pictures, titles without quotes, comparisons across sentences
    or with "not", amounts in words, other languages' words for cheap, and the currency, which catalogs do not name.
    """
    known = {hit.rank: hit for hit in hits}
    prices = {rank: _price(hit) for rank, hit in known.items()}
    quotes = _find_quotes(text, hits)
    cites = []
    masked = _mask(text, quotes, _QUOTE)
    for match in list(_CITED.finditer(masked)):
        digits = re.compile(r"\d+").finditer(masked, *match.span())
        cites += [_Cited(each.start(), each.end(), int(each[0])) for each in digits]
        masked = _mask(masked, [match.span()], _CITE)
    marks = []  # (where, mark, fault)
    for cite in cites:
        if cite.number not in known:
            marks.append(
                (cite.end, ": no such result", f"The answer cites [{cite.number}], and there is no such result.")
            )
    for start, end in _split(_SENTENCE, masked, 0, len(masked)):
        parts = list(_split(_PART, masked, start, end))
        for match in _MONEY.finditer(masked, start, end):
            near = _beside(cites, match.start(), parts, (start, end))
            marks += _check_price(match, text, masked, near, prices)
        for quote in quotes:
            if start <= quote[0] < end:
                near = _beside(cites, quote[0], parts, (start, end))
                marks += _check_title(text, quote, near, known, asked)
        for match in _COMPARED.finditer(masked, start, end):
            marks += _check_comparison(match, masked, cites, (start, end), prices)
    citations = tuple(dict.fromkeys(cite.number for cite in cites if cite.number in known))
    if not cites:
        marks.append(
            (len(text), " [cites no result]", "The answer cites no result, so that nothing in it can be checked.")
        )
    for where, mark, _ in sorted(marks, reverse=True):
        text = f"{text[:where]}{mark}{text[where:]}"
    return text, citations, tuple(dict.fromkeys(fault for *_, fault in sorted(marks)))


def _check_price(
    match: re.Match, text: str, masked: str, near: Sequence[int], prices: Mapping[int, float | None]
) -> Iterator[tuple[int, str, str]]:
    before = masked[max(0, match.start() - 30) : match.start()]
    if _NO_PRICE.search(before) or _DIFFERENCE.match(masked, match.end()):
        return
    amount = _read_amount(next(filter(None, match.groups())))
    found = [price for rank in near or prices if (price := prices.get(rank)) is not None]
    if _AT_MOST.search(before):
        right = any(price <= amount + 0.005 for price in found)
    elif _AT_LEAST.search(before):
        right = any(price >= amount - 0.005 for price in found)
    else:
        right = any(abs(price - amount) < 0.005 for price in found)
    if not right:
        said = text[match.start() : match.end()].lstrip("(")
        says = _say_prices(near, prices) if near else "no result costs that"
        about = f" of {_list(near)}" if near else ""
        yield match.end(), f" [{says}]", f'The answer says "{said}"{about}: {says}.'


def _check_title(
    text: str, quote: tuple[int, int], near: Sequence[int], known: Mapping[int, Hit], asked: str | None
) -> Iterator[tuple[int, str, str]]:
    said = text[quote[0] + 1 : quote[1] - 1]
    words = _fold(said).strip(" .,;:!?…")
    titles = [known[rank].item.title for rank in near or known if rank in known]
    if not any(words in _fold(title) for title in (*titles, asked or "")):
        of, numbers = (_list(near), ", ".join(map(str, near))) if near else ("any result", "any result")
        fault = f'The answer quotes "{said}", which is not in the title of {of}.'
        yield quote[1], f" [not in the title of {numbers}]", fault


def _check_comparison(
    match: re.Match, text: str, cites: Sequence[_Cited], span: tuple[int, int], prices: Mapping[int, float | None]
) -> Iterator[tuple[int, str, str]]:
    start, end = next(each for each in _split(re.compile(";"), text, *span) if match.start() < each[1])
    superlative = bool(match["lowest"] or match["highest"])

    def numbers(found: re.Match | None) -> list[int]:
        run = found.span("run") if found else (-1, -1)
        return [cite.number for cite in cites if run[0] <= cite.start < run[1]]

    if _NOT.search(text[start : match.start()]):
        return
    runs = list(_RUNS.finditer(text, start, match.start()))
    subject = numbers(_IS.match(text, match.end(), end)) or numbers(runs[-1] if runs else None)
    if superlative:
        others = numbers(_GROUP.search(text, start, end))
        if not others and _OF_ALL.match(text, match.end(), end):
            others = [rank for rank, price in prices.items() if price is not None]
    elif than := _THAN.match(text, match.end(), end):
        others = numbers(than)
    else:
        others = {cite.number for cite in cites if span[0] <= cite.start < span[1]} - {*subject}
        others = others if len(others) == 1 else ()
    others = [rank for rank in others if rank not in subject]
    if not subject or not others:
        return
    sign = 1 if match["low"] or match["lowest"] else -1
    pairs = [(prices.get(one), prices.get(other)) for one in subject for other in others]
    if any(None in pair or not (sign * (pair[1] - pair[0]) > (-0.005 if superlative else 0.005)) for pair in pairs):
        if superlative:  # of all of them, name the one that shows it
            others = [min(others, key=lambda rank: -math.inf if prices.get(rank) is None else sign * prices[rank])]
        says = _say_prices([*subject, *others], prices)
        yield match.end(), f" [{says}]", f'The answer calls {_list(subject)} "{match[0]}": {says}.'


def _beside(
    cites: Sequence[_Cited], place: int, parts: Sequence[tuple[int, int]], sentence: tuple[int, int]
) -> list[int]:
    own = next(number for number, part in enumerate(parts) if place < part[1])
    for start, end in (*parts[own::-1], sentence):
        if found := [cite.number for cite in cites if start <= cite.start < end]:
            return list(dict.fromkeys(found))
    return []


def _find_quotes(text: str, hits: Sequence[Hit]) -> list[tuple[int, int]]:
    """Where quotes stand. Whole titles first: they may hold quotes and brackets of their own."""
    found, rest = [], text
    titles = {clean(hit.item.title, limit) for hit in hits for limit in (2000, MAX_CHARS)} - {""}
    titles = sorted(titles, key=len, reverse=True)
    for pattern in (*(re.compile(rf"[{MARKS}]{re.escape(title)}[{MARKS}]") for title in titles), _QUOTED):
        spans = [match.span() for match in pattern.finditer(rest)]
        found, rest = found + spans, _mask(rest, spans, _QUOTE)
    return sorted(found)


def _mask(text: str, spans: Collection[tuple[int, int]], letter: str) -> str:
    for start, end in spans:
        text = f"{text[:start]}{letter * (end - start)}{text[end:]}"
    return text


def _split(pattern: re.Pattern, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in pattern.finditer(text, start, end):
        yield start, match.end()
        start = match.end()
    yield start, end


def _price(hit: Hit) -> float | None:
    price = hit.item.metadata.get("price")
    return None if isinstance(price, bool) or not isinstance(price, int | float) else float(price)


def _read_amount(digits: str) -> float:
    """ "1,299.00", "18.50", "18,50", "1.299,00"; NaN for what is none of these."""
    if re.fullmatch(r"[\d.]*,\d\d?", digits):
        digits = digits.replace(".", "").replace(",", ".")
    try:
        return float(digits.replace(",", ""))
    except ValueError:
        return math.nan


def _say_prices(ranks: Sequence[int], prices: Mapping[int, float | None]) -> str:
    said = {rank: "no price" if prices.get(rank) is None else f"{prices[rank]:.2f}" for rank in ranks}
    if len(said) == 1:
        return f"the catalog says {next(iter(said.values()))}"
    return "the catalog says " + ", ".join(f"{rank}: {price}" for rank, price in said.items())


def _list(ranks: Sequence[int]) -> str:
    return ", ".join(f"[{rank}]" for rank in ranks)


def _fold(text: str) -> str:
    """Without differences of case, width, spaces and the kind of quotes."""
    return re.sub(rf"[{MARKS}‘’]", "'", clean(unicodedata.normalize("NFKC", text))).casefold()

"""The offline reranker: it reads the attributes of query and candidates, and ranks by how well they agree.

In: a query and hits. Out: a Ranking whose evidence is what the pocket model read from the pictures themselves, never
from titles or metadata. The pocket model knows the drawn world; a query's photograph goes through `photo`. What it
reads into words that it does not know is dropped, and the reason says which words these are.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image

from rag_lib.images import ImageError, open_image
from rag_lib.records import Evidence, Hit, Query, Ranking
from rag_lib.rerank.attributes import Wish, agreement, compose, evidence, wishes
from rag_lib.rerank.base import Draft, check_hits
from rag_lib.rerank.describe import quote
from rag_lib.rerank.permutation import clean


class Reader(Protocol):
    """What reads attributes. `labels`: attribute -> names, in the order of the columns; rows are probabilities.

    `encoder`: with a `vocabulary`, which says what a text names and which of its words the reader does not know; its
    `vocabulary` is None for a reader of any text.
    """

    labels: Mapping[str, Sequence[str]]
    encoder: Any

    def read_images(self, images: list[Any]) -> Mapping[str, np.ndarray]:
        """What each picture (a path or a PIL image) shows: attribute -> (n, names) float32."""
        ...

    def read_query(self, image: Any, text: str | None) -> Mapping[str, np.ndarray]:
        """What a query asks for: attribute -> (names,) float32."""
        ...


class PocketReranker:
    """Score of a candidate = its cosine + `weight` * how well its attributes agree with what the query asks for, its
    cosine alone if the query has no words.

    `reader`: None loads the pocket model. `weight`: what one unit of log probability is worth in cosine; chosen on the
    drawn validation split, where all from 0.06 to 0.2 do about equally well. 0 keeps the search's order.
    """

    name = "pocket"

    def __init__(self, reader: Reader | None = None, *, weight: float = 0.06):
        if reader is None:
            # The one adapter that uses another: reranker and encoder share a model.
            from rag_lib.encoders import load_encoder

            reader = load_encoder("pocket").reader()
        self.reader = reader
        self.weight = weight

    def rank(self, query: Query, hits: Sequence[Hit]) -> Ranking:
        """Rank by agreement; equal scores stay in the search's order. Raises RagError if there are no hits."""
        started = time.perf_counter()
        hits = check_hits(hits)
        reader, vocabulary = self.reader, self.reader.encoder.vocabulary
        # Of a photograph it has what the encoder could name, in words; the search was asked with the same.
        look = reader.encoder.photograph(query.image, query.text)
        if look and look.words:
            query = Query(None, look.say(query.text, vocabulary))
        meant = vocabulary.meant(query.text) if vocabulary else {}
        pictured = None if query.image is None else _row(reader.read_images([query.image]), 0)
        asked = reader.read_query(query.image, query.text)
        asked = compose(asked, reader.labels, pictured=pictured, meant=meant)
        written = reader.read_query(None, query.text) if query.text else None
        pinned = wishes(asked, reader.labels, text=query.text, pictured=pictured, written=written)
        if vocabulary:
            pinned = [wish for wish in pinned if wish.source == "image" or wish.attribute in meant]
        scores = np.full(len(hits), -np.inf)  # what cannot be opened comes last
        found = [Evidence(violates=("a picture that cannot be opened",))] * len(hits)
        pictures = {place: image for place, hit in enumerate(hits) if (image := _open(hit.item.path))}
        if pictures:
            shown = reader.read_images(list(pictures.values()))
            agreed = agreement(asked, shown, pinned)
            for row, place in enumerate(pictures):
                # A picture alone asks for all of its look, and the readings know only three things of that.
                scores[place] = hits[place].score + (self.weight * agreed[row] if query.text else 0)
                found[place] = evidence(pinned, _row(shown, row), reader.labels)
        lack = _lack(vocabulary, query.text)
        order = np.argsort(-scores, kind="stable").tolist()
        return Ranking(
            hits=tuple(hits[place] for place in order),
            reason=" ".join(filter(None, [_reason(hits, order, found, pinned), lack, str(look or "")])),
            evidence={hit.item.image_id: each for hit, each in zip(hits, found, strict=True)},
            usage={"seconds": time.perf_counter() - started, "attempts": 1},
        )

    def draft(self, query: Query, hits: Sequence[Hit], describe: Sequence[str] = ()) -> Draft:
        """Sentences about `hits`, best first, by their `Hit.rank`: what `rank` reads in their pictures, and, of what
        the shop knows, the best's title and the prices, if `describe` names "title" and "price".
        """
        read = self.rank(query, hits)
        return Draft(_write(hits, read.evidence, describe), True, read.usage)


def _write(hits: Sequence[Hit], read: Mapping[str, Evidence], describe: Sequence[str]) -> str:
    first, *others = hits
    name = f"[{first.rank}] {quote(first.item.title) if 'title' in describe else ''}".strip()
    found = read[first.item.image_id]
    good = _good(found)
    if found == Evidence():
        sentences = [f"{name} is the nearest by its cosine: nothing that the query asks for could be read."]
    else:
        sentences = [f"{name} fits best: it {good}." if good else f"{name} comes nearest, but does not fit."]
    if found.violates:
        sentences.append(f"[{first.rank}] falls short: {'; '.join(found.violates)}.")
    alike: dict[Evidence, list[str]] = {}  # what reads the same is said once
    for hit in others:
        alike.setdefault(read[hit.item.image_id], []).append(f"[{hit.rank}]")
    for each, names in alike.items():
        bad, many = "; ".join(each.violates), len(names) > 1
        said = [_good(each, many=many), f"{'fall' if many else 'falls'} short: {bad}" if bad else ""]
        if said := ", but ".join(filter(None, said)):
            *ahead, last = names
            sentences.append(f"{', '.join(ahead)}{' and ' if ahead else ''}{last} {said}.")
    return " ".join([*sentences, *_compare_prices(hits, read)] if "price" in describe else sentences)


def _good(found: Evidence, *, many: bool = False) -> str:
    """ "keeps the leopard theme of your picture and shows a phone case, as asked"; "" if there is nothing to say."""
    end = "" if many else "s"
    parts = [(f"keep{end}", found.keeps), (f"show{end}", found.changes)]
    return " and ".join(f"{verb} {'; '.join(phrases)}" for verb, phrases in parts if phrases)


def _compare_prices(hits: Sequence[Hit], read: Mapping[str, Evidence]) -> list[str]:
    """A sentence on the price of the best, beside the cheapest of those that fit no less, else of all."""
    priced = [hit for hit in hits if isinstance(hit.item.metadata.get("price"), int | float)]
    if hits[0] not in priced:
        return []

    def price(hit: Hit) -> float:
        return hit.item.metadata["price"]

    def faults(hit: Hit) -> int:
        return len(read[hit.item.image_id].violates)

    first, said = hits[0], f"[{hits[0].rank}] costs {price(hits[0]):.2f}"
    cheaper = [hit for hit in priced if price(hit) < price(first)]
    if not cheaper:
        return [f"{said} and is the cheapest of these." if len(priced) > 1 else f"{said}."]
    best = min(cheaper, key=lambda hit: (faults(hit) > faults(first), price(hit)))
    less = ", but it fits less" if faults(best) > faults(first) else ""
    return [f"{said}; [{best.rank}] is cheaper, it costs {price(best):.2f}{less}."]


def _open(path: Any) -> Image.Image | None:
    try:
        return open_image(path)
    except ImageError:
        return None


def _lack(vocabulary: Any, text: str | None) -> str:
    """The sentence on the words that the reader does not know, "" if there are none."""
    lack = vocabulary.lack(text) if vocabulary else ""
    return lack and f"{lack}."


def _row(reading: Mapping[str, np.ndarray], place: int) -> dict[str, np.ndarray]:
    return {attribute: rows[place] for attribute, rows in reading.items()}


def _reason(hits: Sequence[Hit], order: list[int], found: list[Evidence], pinned: list[Wish]) -> str:
    """One to three sentences: the best and why, where it falls short, and where the runner-up does.

    Candidates go by the number that the search gave them, their `rank`.
    """
    first = order[0]
    title = clean(hits[first].item.title, 80)
    best = f'Number {hits[first].rank} ("{title}")' if title else f"Number {hits[first].rank}"
    if not pinned:
        return f"{best} is first by its cosine: nothing that the query asks for could be read with confidence."
    good = (*found[first].changes, *found[first].keeps)
    sentences = [f"{best} fits best: {'; '.join(good)}." if good else f"{best} comes nearest, but does not fit."]
    if found[first].violates:
        sentences.append(f"It falls short: {'; '.join(found[first].violates)}.")
    if len(order) > 1 and found[order[1]].violates:
        sentences.append(f"Number {hits[order[1]].rank} comes second: {'; '.join(found[order[1]].violates)}.")
    return " ".join(sentences)

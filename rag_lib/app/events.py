"""What happens on the page: from what its controls hold to what it shows next.

In: the page's parts. Out: gradio's events. A visitor's picture and answer are held in his session's state, in memory.
"""

import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from rag_lib.app import cards, uploads
from rag_lib.app.choices import PARTS
from rag_lib.app.faults import sentence
from rag_lib.app.picture import current_picture, example_value
from rag_lib.app.pipeline import Answer, Pipeline
from rag_lib.app.report import report
from rag_lib.app.request import SearchRequest
from rag_lib.errors import QueryError, RagError

FIELDS = ("text", "words", "without", "title", "category", "limit", *PARTS)  # of a SearchRequest, each a control
FORGET = 3600  # seconds after which the state of a visitor who does nothing is dropped
# On a phone the answer stands below the controls.
TO_ANSWER = "() => { if (innerWidth <= 800) document.querySelector('#answer').scrollIntoView({ behavior: 'smooth' }); }"

Update = dict[Any, Any]  # component -> what it shows next


def _safe(function: Callable[..., Update]) -> Callable[..., Update]:
    """A method whose errors are a sentence in `status`; all else stays."""

    @functools.wraps(function)
    def wrapped(self, *arguments):
        try:
            return function(self, *arguments)
        except Exception as exc:
            return {self.parts.status: cards.status([sentence(exc)], kind="error")}

    return wrapped


class Events:
    """`folder`: of the uploads; `parts`: the page's; `mine`: the picture that it opens with, if none of the catalog's.

    Of an event's outputs only those change that its method names.
    """

    def __init__(self, pipeline: Pipeline, folder: Path, parts: SimpleNamespace, mine: Any):
        self.pipeline, self.folder, self.parts = pipeline, folder, parts
        self.held = gr.State(mine, time_to_live=FORGET)  # his picture
        self.answered = gr.State(None, time_to_live=FORGET)  # what the search that is shown found
        self.ranked = gr.State(None, time_to_live=FORGET)  # the answer with a ranking, on its way to being shown

    def connect(self) -> None:
        """Within the page's frame."""
        parts, own = self.parts, [self.parts.picture, self.held]
        quiet = {"api_visibility": "private", "show_progress": "hidden"}
        busy = {"api_visibility": "private", "show_progress": "minimal", "show_progress_on": [parts.found]}
        parts.picture.upload(self.take, own, own, **quiet)
        parts.examples.select(self.pick, [parts.catalog], [parts.status, *own], **quiet)
        ranked = parts.rerank.click(self.rank, [self.answered, parts.reranker], [parts.status, self.ranked], **busy)
        judged = [parts.status, parts.save, parts.best, parts.found, self.ranked]
        shown = ranked.success(self.show_ranking, [self.ranked, self.answered], judged, **quiet)
        # What a visitor has left behind shall not come after what he asked for since. The browser works off events in
        # the order in which they are declared, each to its end: what is cancelled comes first.
        searches = [parts.search.click, parts.text.submit, parts.without.submit, parts.title.submit]
        gr.on(searches, fn=None, cancels=[ranked, shown])
        asked_with = {getattr(parts, name) for name in ("picture", "low", "high", *FIELDS)} | {self.held}
        answer = [parts.status, parts.bar, parts.heading, parts.save, parts.rerank, parts.best, parts.found, parts.more]
        asked = gr.on(searches, self.search, asked_with, [*answer, self.answered], trigger_mode="always_last", **busy)
        asked.success(None, js=TO_ANSWER)
        parts.catalog.input(fn=None, cancels=[asked, ranked, shown])
        renewed = [*answer, parts.category, parts.examples, parts.picture, self.answered]
        parts.catalog.input(self.change_catalog, [parts.catalog, parts.picture], renewed, **quiet)

    def take(self, value: Mapping[str, Any] | None, held: Any):
        """The upload that the picture field names; without one the picture was removed."""
        if not (value or {}).get("path"):
            return {}, None
        try:
            image = uploads.take(value, self.folder)
        except Exception as exc:
            return {"error": sentence(exc)}, None
        return {"preview": cards.data_url(image)}, image

    @_safe
    def pick(self, event: gr.EventData, catalog: str) -> Update:
        """One of the catalog's query pictures."""
        value = example_value(self.pipeline, event.name, catalog)
        return {self.parts.status: "", self.parts.picture: value, self.held: None}

    @_safe
    def search(self, values: Mapping[Any, Any]) -> Update:
        """`values`: component -> what it holds."""
        parts = self.parts
        given = {name: values[getattr(parts, name)] for name in FIELDS}
        picture = values[parts.picture] or {}
        image = current_picture(picture, values[self.held], lambda name: self.pipeline.example(name, given["catalog"]))
        if image is not None:
            image = uploads.crop(image, picture.get("crop"))
        price = _price(values[parts.low]), _price(values[parts.high])
        answer = self.pipeline.find(SearchRequest.of(image=image, price=price, **given))
        notes, price = answer.notes, ""
        if answer.hits:
            try:
                price = self.pipeline.cost(given["reranker"], len(answer.hits))
            except RagError as exc:
                notes = (*notes, sentence(exc))
        return {
            parts.status: cards.status(notes),
            parts.bar: gr.Row(visible=True),
            parts.heading: f"<h2>{_nearest(answer)}</h2>" + (f"<p>Reranking: {price}</p>" if price else ""),
            parts.save: self._download(answer),
            parts.rerank: gr.Button(interactive=bool(answer.hits)),
            parts.best: "",
            parts.found: cards.gallery(answer.hits),
            parts.more: cards.alone(answer.halves),
            self.answered: answer,
        }

    @_safe
    def rank(self, answer: Answer | None, label: str, request: gr.Request) -> Update:
        """Ask the reranker about the hits that are shown."""
        if answer is None:
            raise QueryError("Nothing to rerank: search first.")
        return {self.ranked: self.pipeline.rerank(answer, label, visitor=request.client.host)}

    @_safe
    def show_ranking(self, ranked: Answer | None, answered: Answer | None) -> Update:
        """Unless another search is shown by now."""
        if ranked is None or answered is None or ranked.hits is not answered.hits:
            return {self.ranked: None}
        parts = self.parts
        return {
            parts.status: cards.status(ranked.notes),
            parts.save: self._download(ranked),
            parts.best: cards.winner(ranked.ranking) + cards.panorama(ranked.panorama) + cards.others(ranked.ranking),
            parts.found: cards.gallery(ranked.hits, ranking=ranked.ranking),
            self.ranked: None,
        }

    @_safe
    def change_catalog(self, catalog: str, picture: Mapping[str, Any] | None) -> Update:
        """Another catalog has other categories and pictures; a picture of one's own stays."""
        parts = self.parts
        update = {
            parts.status: "",
            parts.bar: gr.Row(visible=False),
            parts.best: "",
            parts.found: cards.wall(self.pipeline.catalog(catalog)),
            parts.more: "",
            parts.category: gr.Dropdown(choices=self.pipeline.categories(catalog), value=[]),
            parts.examples: cards.examples(self.pipeline.catalog(catalog)),
            self.answered: None,
        }
        return update | ({parts.picture: {}} if (picture or {}).get("example") else {})

    def _download(self, answer: Answer) -> str:
        return cards.download(report(answer, self.pipeline.labels(answer.request)))


def _nearest(answer: Answer) -> str:
    count = len(answer.hits)
    return "Nothing found" if not count else f"The {count} nearest" if count > 1 else "The nearest"


def _price(text: str | None) -> float | None:
    """A text field, because a number field turns "open" into 0."""
    text = (text or "").strip()
    try:
        price = float(text.replace(",", ".")) if text else None
    except ValueError:
        price = math.nan
    if price is not None and not math.isfinite(price):
        raise QueryError(f"{text[:40]!r} is no price: write a number such as 19.90, or leave the field empty.")
    return price

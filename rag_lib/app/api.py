"""The HTTP API: one function, `/ask`, with what the page offers and nothing more.

In: JSON, the picture as an uploaded file. Out: the answer as `report` writes it, with `rerank` also the ranking and the
panorama as a data URL. From Python: `gradio_client.Client(url).predict(..., api_name="/ask")`.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import gradio as gr

from rag_lib.app import cards, uploads
from rag_lib.app.choices import PARTS
from rag_lib.app.pipeline import Pipeline, Question
from rag_lib.app.report import report
from rag_lib.app.shared import Unavailable
from rag_lib.errors import RagError

FAULT = "Something went wrong on the server. The next query may work; the server's log says what it was."


def sentence(error: Exception) -> str:
    """What a visitor is told. What he cannot mend goes to the log, and only that it happened to him."""
    log = logging.getLogger(__name__)
    if isinstance(error, Unavailable):
        log.error("A visitor's query failed: %s", error.__cause__)
    if isinstance(error, RagError):
        return str(error)
    log.error("A visitor's query failed", exc_info=error)
    return FAULT


def asker(pipeline: Pipeline, folder: Path) -> Callable[..., dict]:
    """The function behind `/ask`. `folder`: of the uploads."""

    def ask(
        image: dict | None = None,
        text: str = "",
        words: float = 0.5,
        without: str = "",
        title: str = "",
        category: list[str] | None = None,
        price: list[float] | None = None,
        crop: list[float] | None = None,
        limit: int = 9,
        rerank: bool = False,
        catalog: str = "",
        encoder: str = "",
        reranker: str = "",
        milvus_uri: str = "",
    ) -> dict:
        """Search with a picture and an instruction; with `rerank`, let the reranker judge the hits."""
        try:
            picture = uploads.take(image.get("path"), folder) if image else None
            question = Question(
                image=None if picture is None else uploads.crop(picture, crop),
                text=_text(text, "text"),
                words=_number(words, "words"),
                without=_text(without, "without"),
                title=_text(title, "title"),
                category=tuple(_text(name, "category") for name in category or ()),
                price=_range(price),
                limit=_number(limit, "limit", kind=int),
                parts=dict(zip(PARTS, (catalog, encoder, reranker, milvus_uri), strict=True)),
            )
            answer = pipeline.find(question)
            if rerank:
                answer = pipeline.rerank(answer, reranker)
            result = report(answer, pipeline.used(answer.question))
            return result | ({"panorama": cards.data_url(answer.panorama)} if rerank else {})
        except Exception as exc:
            raise gr.Error(sentence(exc), print_exception=False) from None

    return ask


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise RagError(f"{name} is {value!r:.80}: give a text.")
    return value


def _number(value: object, name: str, kind: type = float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or kind(value) != value:
        raise RagError(f"{name} is {value!r:.80}: give a {'whole number' if kind is int else 'number'}.")
    return kind(value)


def _range(price: object) -> tuple[float | None, float | None]:
    if price is None:
        return None, None
    if not isinstance(price, list | tuple) or len(price) != 2:
        raise RagError("price is no range: give [from, to], null where it is open.")
    low, high = (None if end is None else _number(end, "price") for end in price)
    return low, high

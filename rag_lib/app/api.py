"""The HTTP API: one function, `/ask`, with what the page offers and nothing more.

In: JSON, the picture as an uploaded file. Out: the answer as `report` writes it, with `rerank` also the ranking and the
panorama as a data URL. From Python: `gradio_client.Client(url).predict(..., api_name="/ask")`.
"""

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from rag_lib.app import cards, uploads
from rag_lib.app.faults import sentence
from rag_lib.app.pipeline import Pipeline
from rag_lib.app.report import report
from rag_lib.app.request import SearchRequest
from rag_lib.errors import QueryError


def make_ask(pipeline: Pipeline, folder: Path) -> Callable[..., dict]:
    """The function behind `/ask`. `folder`: of the uploads."""

    def ask(
        request: gr.Request,
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
            if not isinstance(rerank, bool):
                raise QueryError(f"rerank is {rerank!r:.80}: give true or false.")
            asked = SearchRequest.of(
                image=None if image is None else uploads.crop(uploads.take(image, folder), crop),
                text=text,
                words=words,
                without=without,
                title=title,
                category=category,
                price=price,
                limit=limit,
                catalog=catalog,
                encoder=encoder,
                reranker=reranker,
                milvus_uri=milvus_uri,
            )
            answer = pipeline.find(asked)
            if rerank:
                answer = pipeline.rerank(answer, asked.reranker, visitor=request.client.host)
            result = report(answer, pipeline.labels(answer.request))
            return result | ({"panorama": cards.data_url(answer.panorama)} if rerank else {})
        except Exception as exc:
            raise gr.Error(sentence(exc), print_exception=False) from None

    return ask

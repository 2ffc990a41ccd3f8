"""The page: controls, what happens when they are used, and the HTTP API.

In: a `Pipeline` and the folder where uploads lie. Out: a `gradio.Blocks`. What a visitor uploads and is answered is
held in his session's state, in memory.
"""

import functools
import math
from collections.abc import Callable
from pathlib import Path

import gradio as gr

from rag_lib.app import cards, uploads
from rag_lib.app.api import asker, sentence
from rag_lib.app.choices import PARTS
from rag_lib.app.guard import Page
from rag_lib.app.picture import asked_with, example_value, picture_field, start_with
from rag_lib.app.pipeline import Answer, Pipeline, Question
from rag_lib.app.report import report
from rag_lib.errors import RagError
from rag_lib.panorama import MAX_IMAGES
from rag_lib.records import Catalog

STYLE = Path(__file__).with_name("page.css")
SYSTEM = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")  # fonts that are there without a network
TITLE = "Multimodal search with Milvus"
LABELS = {"catalog": "Catalog", "encoder": "Encoder", "reranker": "Reranker", "milvus_uri": "Store"}
FORGET = 3600  # seconds after which the state of a visitor who does nothing is dropped
PICK = """element.addEventListener('click', (event) => {
  const name = event.target.closest('[data-name]')?.dataset.name;
  if (name) trigger('select', { name });
});"""
# On a phone the answer stands below the controls.
TO_ANSWER = "() => { if (innerWidth <= 800) document.querySelector('#answer').scrollIntoView({ behavior: 'smooth' }); }"


def theme() -> gr.themes.Base:
    """Quiet, with the system's fonts: nothing is fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue="blue", neutral_hue="slate", radius_size="lg", font=SYSTEM, font_mono=("ui-monospace", "monospace")
    )


def build(pipeline: Pipeline, folder: Path, *, left_after: int) -> gr.Blocks:
    """`folder`: of the uploads; `left_after`: seconds after which they are deleted."""
    choices = pipeline.choices
    shop = pipeline.catalog()
    value, mine = start_with(pipeline, choices.query_image)
    with Page(
        title=TITLE, analytics_enabled=False, delete_cache=(left_after // 2, left_after), fill_width=True
    ) as page:
        held = gr.State(mine, time_to_live=FORGET)
        answered = gr.State(None, time_to_live=FORGET)
        gr.HTML(
            "<header><h1>Show it. Say what should change.</h1><p>A picture and an instruction become one query; "
            "Milvus finds what fits both.</p></header>",
            apply_default_css=False,
        )
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=0, min_width=300, elem_id="ask"):
                picture = picture_field(value)
                examples = gr.HTML(cards.examples(shop), js_on_load=PICK, elem_id="examples", apply_default_css=False)
                text = gr.Textbox(
                    choices.query_text,
                    label="Instruction",
                    placeholder="e.g. phone case with this image theme",
                    max_length=500,
                    elem_id="text",
                )
                words = gr.Slider(0, 1, 0.5, step=0.05, label="Picture or words", elem_id="words", buttons=[])
                search = gr.Button("Search", variant="primary", elem_id="search")
                with gr.Accordion("Refine", open=False, elem_id="refine"):
                    without = gr.Textbox(label="Without", placeholder="e.g. stripes", max_length=500, elem_id="without")
                    title = gr.Textbox(
                        label="Words in the title", placeholder="e.g. bagless", max_length=500, elem_id="title"
                    )
                    category = gr.Dropdown(_categories(shop), multiselect=True, label="Category", elem_id="category")
                    with gr.Row():
                        low = gr.Textbox(label="Price from", min_width=80, elem_id="low")
                        high = gr.Textbox(label="to", min_width=80, elem_id="high")
                    limit = gr.Slider(
                        1, MAX_IMAGES, min(choices.limit, MAX_IMAGES), step=1, label="Results", buttons=[]
                    )
                with gr.Accordion("Advanced", open=False, elem_id="advanced"):
                    parts = {
                        part: gr.Dropdown(
                            list(offered := getattr(choices, part)),
                            value=next(iter(offered)),
                            label=LABELS[part],
                            interactive=len(offered) > 1,
                            filterable=False,
                        )
                        for part in PARTS
                    }
            with gr.Column(elem_id="answer"):
                status = gr.HTML(elem_id="status", apply_default_css=False)
                with gr.Row(elem_id="bar", visible=False) as bar:
                    heading = gr.HTML(apply_default_css=False, elem_id="heading")
                    save = gr.HTML(apply_default_css=False, elem_id="save")
                    rerank = gr.Button("Ask the reranker", variant="primary", elem_id="rerank")
                best = gr.HTML(apply_default_css=False, elem_id="best")
                found = gr.HTML(cards.wall(shop), apply_default_css=False, elem_id="found")
                more = gr.HTML(apply_default_css=False, elem_id="more")

        def safe(function: Callable, *, shown: int) -> Callable:
            """`function`, its errors as a sentence in `status`, the first of `shown` outputs; the rest stay."""

            @functools.wraps(function)
            def wrapped(*arguments):
                try:
                    return function(*arguments)
                except Exception as exc:
                    return cards.status([sentence(exc)], kind="error"), *[gr.skip()] * (shown - 1)

            return wrapped

        def take(value, session):
            path = (value or {}).get("path")
            if not path:
                return {}, None
            try:
                image = uploads.take(path, folder)
            except Exception as exc:
                return {"error": sentence(exc)}, None
            return {"preview": cards.data_url(image)}, image

        def pick(event: gr.EventData, catalog):
            return "", example_value(pipeline, event.name, catalog), None

        def find(value, image, text, words, without, title, category, low, high, limit, *labels):
            value = value or {}
            image = asked_with(value, image, lambda name: pipeline.example(name, labels[0]))
            question = Question(
                image=None if image is None else uploads.crop(image, value.get("crop")),
                text=text or "",
                words=words,
                without=without or "",
                title=title or "",
                category=tuple(category or ()),
                price=(_price(low), _price(high)),
                limit=int(limit),
                parts=dict(zip(PARTS, labels, strict=True)),
            )
            answer = pipeline.find(question)
            notes, price = answer.notes, ""
            if answer.hits:
                try:
                    price = pipeline.cost(question.parts["reranker"], len(answer.hits))
                except RagError as exc:
                    notes = (*notes, sentence(exc))
            return (
                cards.status(notes),
                gr.Row(visible=True),
                f"<h2>{_nearest(answer)}</h2>" + (f"<p>Reranking: {price}</p>" if price else ""),
                cards.download(report(answer, pipeline.used(question))),
                gr.Button(interactive=bool(answer.hits)),
                "",
                cards.gallery(answer.hits),
                cards.alone(answer.halves),
                answer,
            )

        def judge(answer, label):
            if answer is None:
                raise RagError("Nothing to rerank: search first.")
            answer = pipeline.rerank(answer, label)
            return (
                cards.status(answer.notes),
                cards.download(report(answer, pipeline.used(answer.question))),
                cards.winner(answer.ranking) + cards.panorama(answer.panorama) + cards.others(answer.ranking),
                cards.gallery(answer.hits, ranking=answer.ranking),
                answer,
            )

        def change(catalog, value):
            """Another catalog has other categories and pictures."""
            shop = pipeline.catalog(catalog)
            kept = gr.skip() if (value or {}).get("example") is None else {}
            categories = gr.Dropdown(choices=_categories(shop), value=[])
            return "", categories, cards.examples(shop), cards.wall(shop), "", kept, gr.Row(visible=False), ""

        private = {"api_visibility": "private", "show_progress": "hidden"}
        picture.upload(take, [picture, held], [picture, held], **private)
        examples.select(safe(pick, shown=3), [parts["catalog"]], [status, picture, held], **private)
        questions = [picture, held, text, words, without, title, category, low, high, limit, *parts.values()]
        answers = [status, bar, heading, save, rerank, best, found, more, answered]
        asked = gr.on(
            [search.click, text.submit, without.submit, title.submit],
            safe(find, shown=len(answers)),
            questions,
            answers,
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=[found],
        )
        asked.then(None, js=TO_ANSWER)
        ranked = [status, save, best, found, answered]
        rerank.click(
            safe(judge, shown=len(ranked)),
            [answered, parts["reranker"]],
            ranked,
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=[found],
        )
        renewed = [status, category, examples, found, more, picture, bar, best]
        parts["catalog"].input(safe(change, shown=len(renewed)), [parts["catalog"], picture], renewed, **private)
        gr.api(asker(pipeline, folder), api_name="ask")
    return page.queue(default_concurrency_limit=4, max_size=64)


def _categories(shop: Catalog) -> list[str]:
    return sorted({str(item.metadata["category"]) for item in shop.items if item.metadata.get("category")})


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
        raise RagError(f"'{text[:40]}' is no price: write a number such as 19.90, or leave the field empty.")
    return price

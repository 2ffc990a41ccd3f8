"""What the page consists of: the controls at the left, the results at the right. What they do is in events.py.

In: a `Pipeline`. Out: gradio's components, by name.
"""

from types import SimpleNamespace
from typing import Any

import gradio as gr

from rag_lib.app import cards
from rag_lib.app.picture import picture_field
from rag_lib.app.pipeline import Pipeline
from rag_lib.app.request import MAX_TEXT
from rag_lib.panorama import MAX_IMAGES

LABELS = {"catalog": "Catalog", "encoder": "Encoder", "reranker": "Reranker", "milvus_uri": "Store"}
PICK = """element.addEventListener('click', (event) => {
  const name = event.target.closest('[data-name]')?.dataset.name;
  if (name) trigger('select', { name });
});"""


def add_controls(parts: SimpleNamespace, pipeline: Pipeline, picture: dict[str, Any]) -> None:
    """`picture`: the value of its field at first, see picture.js."""
    choices = pipeline.choices
    with gr.Column(scale=0, min_width=300, elem_id="ask"):
        parts.picture = picture_field(picture)
        parts.examples = html("examples", cards.examples(pipeline.catalog()), js_on_load=PICK)
        parts.text = _words("text", "Instruction", "phone case with this image theme", choices.query_text)
        parts.words = gr.Slider(0, 1, 0.5, step=0.05, label="Picture or words", elem_id="words", buttons=[])
        parts.search = gr.Button("Search", variant="primary", elem_id="search")
        with gr.Accordion("Refine", open=False, elem_id="refine"):
            parts.without = _words("without", "Without", "stripes")
            parts.title = _words("title", "Words in the title", "bagless")
            parts.category = gr.Dropdown(pipeline.categories(), multiselect=True, label="Category", elem_id="category")
            with gr.Row():
                parts.low = gr.Textbox(label="Price from", min_width=80, elem_id="low")
                parts.high = gr.Textbox(label="to", min_width=80, elem_id="high")
            count = min(choices.limit, MAX_IMAGES)
            parts.limit = gr.Slider(1, MAX_IMAGES, count, step=1, label="Results", buttons=[])
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            for part, label in LABELS.items():
                offered = list(getattr(choices, part))
                options = {"label": label, "interactive": len(offered) > 1, "filterable": False}
                setattr(parts, part, gr.Dropdown(offered, value=offered[0], **options))


def add_results(parts: SimpleNamespace, pipeline: Pipeline) -> None:
    """Sentences (`status`), a bar, the winner (`best`), the gallery (`found`), what each half had found (`more`)."""
    with gr.Column(elem_id="answer"):
        parts.status = html("status")
        with gr.Row(elem_id="bar", visible=False) as parts.bar:
            parts.heading, parts.save = html("heading"), html("save")
            parts.rerank = gr.Button("Ask the reranker", variant="primary", elem_id="rerank")
        parts.best, parts.found, parts.more = html("best"), html("found", cards.wall(pipeline.catalog())), html("more")


def html(name: str | None, value: str = "", **options: Any) -> gr.HTML:
    """Markup of ours, in our style."""
    return gr.HTML(value, elem_id=name, apply_default_css=False, **options)


def _words(name: str, label: str, example: str, value: str = "") -> gr.Textbox:
    return gr.Textbox(value, label=label, placeholder=f"e.g. {example}", max_length=MAX_TEXT, elem_id=name)

"""The page: its frame, its looks, its parts put together, and the HTTP API.

In: a `Pipeline` and the folder where uploads lie. Out: a `gradio.Blocks`.
"""

from pathlib import Path
from types import SimpleNamespace

import gradio as gr

from rag_lib.app.api import make_ask
from rag_lib.app.events import Events
from rag_lib.app.guard import Page
from rag_lib.app.layout import add_controls, add_results, html
from rag_lib.app.picture import start_with
from rag_lib.app.pipeline import Pipeline

STYLE = Path(__file__).with_name("page.css")
SYSTEM = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")  # fonts that are there without a network
TITLE = "Multimodal search with Milvus"
HEADER = (
    "<header><h1>Show it. Say what should change.</h1><p>A picture and an instruction become one query; "
    "Milvus finds what fits both.</p></header>"
)


def theme() -> gr.themes.Base:
    """Quiet, with the system's fonts: nothing is fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue="blue", neutral_hue="slate", radius_size="lg", font=SYSTEM, font_mono=("ui-monospace", "monospace")
    )


def build(pipeline: Pipeline, folder: Path, *, left_after: int) -> gr.Blocks:
    """`folder`: of the uploads; `left_after`: seconds after which they are deleted."""
    picture, mine = start_with(pipeline, pipeline.choices.query_image)
    forget = (left_after // 2, left_after)
    with Page(title=TITLE, analytics_enabled=False, delete_cache=forget, fill_width=True) as page:
        html(None, HEADER)
        parts = SimpleNamespace()
        with gr.Row(elem_id="desk"):
            add_controls(parts, pipeline, picture)
            add_results(parts, pipeline)
        Events(pipeline, folder, parts, mine).connect()
        gr.api(make_ask(pipeline, folder), api_name="ask")
    return page.queue(default_concurrency_limit=4, max_size=64)

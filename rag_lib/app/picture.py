"""The page's picture field, and which picture a search means.

In: the field's value, see picture.js, and the visitor's last upload. Out: a picture, or the field's next value.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from rag_lib.app import cards, uploads
from rag_lib.app.pipeline import Pipeline
from rag_lib.catalog import query_picture
from rag_lib.errors import QueryError
from rag_lib.images import open_image

SCRIPT = Path(__file__).with_name("picture.js")


def picture_field(value: dict[str, Any]) -> gr.HTML:
    """The visitor's picture; see picture.js for its value."""
    script = SCRIPT.read_text("utf-8").replace("MAX_BYTES", str(uploads.MAX_BYTES))
    return gr.HTML(value, html_template="<div></div>", js_on_load=script, elem_id="picture", apply_default_css=False)


def current_picture(
    value: Mapping[str, Any], held: Image.Image | None, example: Callable[[str], Image.Image]
) -> Image.Image | None:
    """The picture that the visitor sees. `held`: his last upload, which lags behind `value`, the picture field's.

    Raises QueryError while the upload is on its way, and if it was forgotten.
    """
    if value.get("path"):
        raise QueryError("Your picture is still on its way: search again in a moment.")
    if value.get("example"):
        return example(value["example"])
    if not value.get("preview"):
        return None
    if held is None:
        raise QueryError("Your picture was forgotten, because this page was left alone: choose it again.")
    return held


def start_with(pipeline: Pipeline, name: str) -> tuple[dict[str, str], Image.Image | None]:
    """What the picture field shows at first, and the picture if it is none of the catalog's. Raises RagError."""
    shop = pipeline.catalog()
    path = query_picture(shop, name)
    if path is None:
        return {}, None
    if name in shop.query_pictures:
        return example_value(pipeline, name), None
    image = open_image(path, max_edge=uploads.MAX_EDGE)
    return {"preview": cards.data_url(image)}, image


def example_value(pipeline: Pipeline, name: str, catalog: str | None = None) -> dict[str, str]:
    """The value of the picture field for one of the catalog's query pictures."""
    return {"example": name, "preview": cards.data_url(pipeline.example(name, catalog))}

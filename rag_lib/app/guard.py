"""What gradio would do for any visitor, and this app does not: fetch a file from an address that he names.

In: what a visitor sends, as gradio has decoded it. Out: the same, or a refusal.
"""

from typing import Any

import gradio as gr
from gradio.exceptions import InvalidPathError
from gradio_client.utils import is_file_obj_with_meta, is_http_url_like, traverse

from rag_lib.app.uploads import GONE

REFUSAL = "Nothing is fetched from an address: upload the picture itself."


class Page(gr.Blocks):
    """The page's frame. Gradio itself takes an address for a file, in every input of every function, of any size."""

    async def preprocess_data(self, block_fn, inputs, *rest, **options):
        traverse(inputs, _refuse_address, is_file_obj_with_meta)
        try:
            return await super().preprocess_data(block_fn, inputs, *rest, **options)
        except InvalidPathError:  # a file of the server that is no upload: in its words, the folder is named
            raise gr.Error(GONE, print_exception=False) from None


def _refuse_address(file: dict[str, Any]) -> None:
    if is_http_url_like(file["path"]):  # only that is fetched; "url" is where a client shows its upload from
        raise gr.Error(REFUSAL, print_exception=False)

"""What gradio would do for any visitor, and this app does not: fetch a file from an address, take whatever is sent.

In: what a visitor sends, as bytes or as gradio has decoded it. Out: the same, or a refusal.
"""

from typing import Any

import gradio as gr
from gradio.exceptions import InvalidPathError
from gradio_client.utils import is_file_obj_with_meta, is_http_url_like, traverse
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException

from rag_lib.app.uploads import GONE, MAX_BYTES

REFUSAL = "Nothing is fetched from an address: upload the picture itself."
ENVELOPE = 2**16  # bytes that a request may have beside its file
TOO_LARGE = f"A request has at most the maximum allowed size of {MAX_BYTES + ENVELOPE} bytes."
TOO_MANY = "One file is uploaded at a time."


class Page(gr.Blocks):
    """The page's frame. Gradio itself takes an address for a file, in every input of every function, of any size."""

    async def preprocess_data(self, block_fn, inputs, *rest, **options):
        traverse(inputs, _refuse_address, is_file_obj_with_meta)
        try:
            return await super().preprocess_data(block_fn, inputs, *rest, **options)
        except InvalidPathError:  # a file of the server that is no upload: in its words, the folder is named
            raise gr.Error(GONE, print_exception=False) from None


class Gate:
    """ASGI middleware: a request of many files, or a larger one than a file takes, is not read to its end.

    Gradio bounds the size of one file, and takes a thousand with one request. What it parses the body with answers
    the exception that is raised here, and deletes what it has stored.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        _, options = parse_options_header(Headers(scope=scope).get("content-type"))
        boundary = b"--" + options[b"boundary"] if options.get(b"boundary") else None
        size, boundaries, tail = 0, 0, b""

        async def counted():
            nonlocal size, boundaries, tail
            message = await receive()
            body = message.get("body", b"")
            size += len(body)
            if size > MAX_BYTES + ENVELOPE:
                raise MultiPartException(TOO_LARGE)
            if boundary:
                body = tail + body
                boundaries += body.count(boundary)
                tail = body[len(body) - len(boundary) + 1 :] if len(body) >= len(boundary) else body
                if boundaries > 2:  # before the file and behind it
                    raise MultiPartException(TOO_MANY)
            return message

        await self.app(scope, counted, send)


def _refuse_address(file: dict[str, Any]) -> None:
    if is_http_url_like(file["path"]):  # only that is fetched; "url" is where a client shows its upload from
        raise gr.Error(REFUSAL, print_exception=False)

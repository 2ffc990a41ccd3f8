"""A model's server on this machine: the whole path of picture, base64, HTTP, schema and parse, without network or key.

In: a function from a request to the text of an answer. Out: an address for `load_reranker(name, base_url=...)`.
With an `Eye` for that function the answer is computed from the panorama that was sent. An Eye is no vision-language
model: it sees what its reranker reads in pictures of its world, and says what that reranker argues.
"""

import base64
import io
import json
import re
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from PIL import Image

from rag_lib.panorama import layout
from rag_lib.records import Hit, Item, Query
from rag_lib.rerank.base import Reranker
from rag_lib.rerank.prompt import WRITE


class Seen(NamedTuple):
    """What a request shows: the instruction, the query picture, and label -> picture in the panorama's order."""

    text: str | None
    image: Image.Image | None
    tiles: dict[int, Image.Image]


def read_request(request: Mapping[str, Any]) -> Seen:
    """Cut up the panorama of a request; it must be one of `OpenAIReranker.request`.

    The places come from the panorama's layout, labels and instruction from the prompt. ValueError if they disagree.
    """
    text, image = request["messages"][0]["content"]
    instruction = re.search(r"^The user's instruction: (.*)$", text["text"], re.MULTILINE)
    # Both stand before what the user and the shop say, so that nobody else's words are taken for them.
    labels, pictured = re.search(r"number in its corner: ([\d, ]+)\.( The query picture)?", text["text"]).groups()
    labels = labels.split(", ")
    data = base64.b64decode(image["image_url"]["url"].split(",")[1], validate=True)
    panorama = Image.open(io.BytesIO(data)).convert("RGB")
    places = layout(len(labels), query=bool(pictured))
    if panorama.size != places.size:
        raise ValueError(f"the picture is {panorama.size}, a panorama of {len(labels)} candidates {places.size}")
    return Seen(
        json.loads(instruction[1]) if instruction else None,
        panorama.crop(places.query) if places.query else None,
        {int(label): panorama.crop(box) for label, box in zip(labels, places.tiles, strict=True)},
    )


def read_data(request: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """What a request quotes of the shop, see `describe`: label -> field -> value, {} if nothing."""
    text = request["messages"][0]["content"][0]["text"]
    block = re.search(r"^<data>\n(.*?)\n</data>$", text, re.MULTILINE | re.DOTALL)
    rows = [row.split(": ", 1) for row in block[1].split("\n")] if block else []
    return {int(label): json.loads(values) for label, values in rows}


class Eye:
    """Answers a request by looking at it: `reranker` ranks the tiles by what it reads and by `encoder`'s cosines, or
    writes about them if that is asked. Of the shop's data it knows what the request quotes.
    """

    def __init__(self, reranker: Reranker, encoder: Any):
        self.reranker, self.encoder = reranker, encoder

    def __call__(self, request: Mapping[str, Any]) -> str:
        """The text of the answer: a written one, else in the form of `prompt.Schema`."""
        text, picture, tiles = read_request(request)
        data = read_data(request)
        query = Query(picture, text)
        vectors = self.encoder.encode_images(list(tiles.values()), progress=False).vectors
        cosines = vectors @ self.encoder.encode_query(picture, text)
        hits = []
        for (label, tile), cosine in zip(tiles.items(), cosines, strict=True):
            values = data.get(label, {})
            hits.append(Hit(label, float(cosine), Item(str(label), tile, values.get("title", ""), values)))
        if request["messages"][0]["content"][0]["text"].startswith(WRITE):
            return self.reranker.draft(query, hits, tuple({name: None for each in data.values() for name in each})).text
        ranking = self.reranker.rank(query, hits)
        evidence = [
            {"number": int(label), "keeps": each.keeps, "changes": each.changes, "violates": each.violates}
            for label, each in ranking.evidence.items()
        ]
        order = [int(hit.item.image_id) for hit in ranking.hits]
        return json.dumps({"ranking": order, "reason": ranking.reason, "evidence": evidence})


class LocalEndpoint:
    """Speaks chat completions at `url`, on 127.0.0.1 and a free port, until `stop()`; also a context manager.

    `answer`: is given a request's JSON and returns the text of the answer, whatever that is. If it raises, the client
    is told so with a status 500.
    """

    def __init__(self, answer: Callable[[Mapping[str, Any]], str]):
        self.answer = answer
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                endpoint.respond(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *_: Any) -> None:
                pass  # not on the terminal

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # a client that hung up is nothing to tell
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def respond(self, http: BaseHTTPRequestHandler, request: Mapping[str, Any]) -> None:
        """Answer one request."""
        try:
            status, body = 200, completion(self.answer(request))
        except Exception as exc:
            status, body = 500, {"error": {"message": f"{type(exc).__name__}: {exc}"}}
        send_body(http, status, body)

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "LocalEndpoint":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()


def completion(content: Any, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """The body of a chat completion whose message holds `content`. It counts no tokens."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    return {"id": "local", "object": "chat.completion", "created": 0, "model": "local", "choices": [choice]}


def send_body(http: BaseHTTPRequestHandler, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
    """A whole response. `body`: text, or something for JSON; `headers`: more of them, or others in their place."""
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    http.send_response(status)
    given = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
    for name, value in given.items():
        http.send_header(name, value)
    http.end_headers()
    http.wfile.write(data)

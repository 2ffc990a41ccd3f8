"""A real chat-completions server on loopback for tests: it answers by script, fails by script, or looks for itself."""

import base64
import io
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

from rag_lib.panorama import layout
from rag_lib.records import Hit, Item, Query


class Endpoint:
    """`script`: one step a request, the last one repeats; `requests`: what came: path, headers, json.

    A step is (status, body) or (status, body, headers), a body a str or something for JSON; one of "hang" (says
    nothing), "drip" (a byte now and then, for ever), "reset" (drops the connection); or a function that is given
    the request's JSON and returns a step.
    """

    def __init__(self):
        self.script, self.requests, self.stopped = [], [], threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                endpoint.requests.append({"path": self.path, "headers": headers, "json": body})
                step = endpoint.script[min(len(endpoint.requests), len(endpoint.script)) - 1]
                if callable(step):
                    step = step(body)
                if step == "hang":
                    endpoint.stopped.wait(20)
                elif step == "drip":
                    self._drip()
                elif step != "reset":
                    self._answer(*step)
                    return
                self.close_connection = True

            def _answer(self, status, body, headers=()):
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                given = {"Content-Type": "application/json", "Content-Length": str(len(data)), **dict(headers)}
                for name, value in given.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def _drip(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "1000")
                self.end_headers()
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline and not endpoint.stopped.wait(0.05):
                    try:
                        self.wfile.write(b" ")
                    except OSError:
                        return

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def root(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def url(self):
        return f"{self.root}/v1"

    def stop(self):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def completion(content, finish="stop", **message):
    """The body of a chat completion."""
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
        ],
        "usage": {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940},
    }


def structured(ranking, reason="It is blue.", evidence=()):
    """A completion that keeps to the schema."""
    return completion(json.dumps({"ranking": list(ranking), "reason": reason, "evidence": list(evidence)}))


def seen(request):
    """What a request shows: instruction or None, query picture or None, and label -> picture, cut out of the panorama.

    The places come from the panorama's layout, the labels and the instruction from the prompt.
    """
    text, image = request["messages"][0]["content"]
    instruction = re.search(r"^The user's instruction: (.*)$", text["text"], re.MULTILINE)
    labels = re.search(r"number in its corner: ([\d, ]+)\.", text["text"])[1].split(", ")
    data = base64.b64decode(image["image_url"]["url"].split(",")[1], validate=True)
    panorama = Image.open(io.BytesIO(data)).convert("RGB")
    places = layout(len(labels), query="blue border" in text["text"])
    assert panorama.size == places.size
    query = None if places.query is None else panorama.crop(places.query)
    tiles = {int(label): panorama.crop(box) for label, box in zip(labels, places.tiles, strict=True)}
    return json.loads(instruction[1]) if instruction else None, query, tiles


class Eye:
    """A step for the script: a model that looks at the panorama it was sent, with a reranker and an encoder of ours."""

    def __init__(self, reranker, encoder):
        self.reranker, self.encoder = reranker, encoder

    def __call__(self, request):
        instruction, picture, tiles = seen(request)
        query = Query(picture, instruction)
        vectors = self.encoder.encode_images(list(tiles.values()), progress=False).vectors
        scores = vectors @ self.encoder.encode_query(query.image, query.text)
        hits = [
            Hit(label, float(score), Item(str(label), tile))
            for (label, tile), score in zip(tiles.items(), scores, strict=True)
        ]
        ranking = self.reranker.rank(query, hits)
        evidence = [
            {"number": int(label), "keeps": each.keeps, "changes": each.changes, "violates": each.violates}
            for label, each in ranking.evidence.items()
        ]
        best = ranking.best.item.image_id
        return 200, structured([int(hit.item.image_id) for hit in ranking.hits], f"Number {best} fits best.", evidence)

"""Small real parts for the reranker's tests: pictures on disk, and an endpoint on loopback."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from rag_lib.records import Hit, Item

COLORS = {"red": (220, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 220)}


@pytest.fixture
def picture(tmp_path):
    """Make a picture of one color on disk: picture("red") -> its path."""

    def make(color, size=(48, 32)):
        path = tmp_path / f"{color}-{len(list(tmp_path.iterdir()))}.png"
        Image.new("RGB", size, COLORS[color]).save(path)
        return path

    return make


@pytest.fixture
def hits(picture):
    """Three hits: red, green, blue, in the search's order."""
    return [
        Hit(rank, 1 - rank / 10, Item(f"id-{color}", picture(color), title=f"A {color} thing"))
        for rank, color in enumerate(COLORS, 1)
    ]


class Endpoint:
    """A chat-completions server. `script`: one step a request, the last one repeats; `requests`: what came.

    A step is (status, body) or (status, body, headers), a body a str or something for JSON; or one of "hang" (says
    nothing), "drip" (a byte now and then, for ever), "reset" (drops the connection).
    """

    def __init__(self):
        self.script, self.requests, self.stopped = [], [], threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.requests.append(
                    {
                        "path": self.path,
                        "headers": {name.lower(): value for name, value in self.headers.items()},
                        "json": json.loads(body),
                    }
                )
                step = endpoint.script[min(len(endpoint.requests), len(endpoint.script)) - 1]
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
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def stop(self):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def endpoint(monkeypatch):
    """An Endpoint that OPENAI_BASE_URL names, with a key in the environment."""
    server = Endpoint()
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-VERYSECRET0123456789")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.stop()

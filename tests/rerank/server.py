"""The library's own local endpoint for tests: it answers by script, and fails by script."""

import json
import threading
import time

from rag_lib.rerank import loopback
from rag_lib.rerank.loopback import LocalEndpoint, read_request

__all__ = ["Endpoint", "completion", "read_request", "structured"]


class Endpoint(LocalEndpoint):
    """`script`: one step a request, the last one repeats; `requests`: what came: path, headers, json.

    A step is (status, body) or (status, body, headers), a body a str or something for JSON; one of "hang" (says
    nothing), "drip" (a byte now and then, for ever), "reset" (drops the connection); or a function that is given
    the request's JSON and returns a step.
    """

    def __init__(self):
        self.script, self.requests, self.stopped = [], [], threading.Event()
        super().__init__(None)
        self.root = self.url.removesuffix("/v1")

    def respond(self, http, request):
        headers = {name.lower(): value for name, value in http.headers.items()}
        self.requests.append({"path": http.path, "headers": headers, "json": request})
        step = self.script[min(len(self.requests), len(self.script)) - 1]
        if callable(step):
            step = step(request)
        if step == "hang":
            self.stopped.wait(20)
        elif step == "drip":
            self._drip(http)
        elif step != "reset":
            loopback.send_body(http, *step)
            return
        http.close_connection = True

    def stop(self):
        self.stopped.set()
        super().stop()

    def _drip(self, http):
        http.send_response(200)
        http.send_header("Content-Type", "application/json")
        http.send_header("Content-Length", "1000")
        http.end_headers()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not self.stopped.wait(0.05):
            try:
                http.wfile.write(b" ")
            except OSError:
                return


def completion(content, finish="stop", **message):
    """The body of a chat completion, with counted tokens."""
    usage = {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940}
    return {**loopback.completion(content, finish, **message), "usage": usage}


def structured(ranking, reason="It is blue.", evidence=()):
    """A completion that keeps to the schema."""
    return completion(json.dumps({"ranking": list(ranking), "reason": reason, "evidence": list(evidence)}))

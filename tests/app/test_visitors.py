"""Many visitors, and each in a hurry: whose answer is shown, what is held for them, and what they may spend."""

import json
import os
import pathlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from PIL import Image

from rag_lib.app import allowance, server
from rag_lib.app.allowance import Allowance
from rag_lib.app.choices import Choices
from rag_lib.app.pipeline import Pipeline
from rag_lib.app.request import SearchRequest
from rag_lib.errors import QueryError
from rag_lib.rerank.loopback import read_request


@pytest.fixture
def leopard(home):
    return home / "pictures" / "query" / "leopard.jpg"


def last_first(request):
    """A model that turns the order around."""
    return json.dumps({"ranking": list(read_request(request).tiles)[::-1], "reason": "Turned around.", "evidence": []})


class Slow:
    """The first answer waits for `go_on`; the later ones do not."""

    def __init__(self):
        self.asked, self.go_on, self.count = threading.Event(), threading.Event(), 0

    def __call__(self, request):
        self.count += 1
        if self.count == 1:
            self.asked.set()
            assert self.go_on.wait(120)
        return last_first(request)


@pytest.fixture
def slow():
    slow = Slow()
    yield slow
    slow.go_on.set()


def search(page, text):
    page.fill("#text textarea", text)
    page.click("#search")
    page.wait_for_function("text => document.querySelector('#found .hit .title')?.innerText.endsWith(text)", arg=text)


def test_a_late_ranking_does_not_replace_a_newer_search(serve, model, visit, slow):
    model(slow)
    page = visit(at=serve(reranker="slow").url)
    search(page, "toaster")
    page.click("#rerank")
    assert slow.asked.wait(60)
    search(page, "lamp")
    page.click("#rerank")  # need not wait for the one that nobody wants any more
    page.wait_for_selector(".winner")
    titles = page.locator("#found .hit .title").all_inner_texts()
    slow.go_on.set()
    page.wait_for_timeout(3000)
    assert page.locator("#found .hit .title").all_inner_texts() == titles
    assert page.inner_text(".winner h3") == titles[0] and "lamp" in titles[-1]


def test_a_late_ranking_does_not_show_up_in_another_catalog(serve, model, visit, slow):
    model(slow)
    page = visit(at=serve(reranker="slow", catalog=["pictures", "lamps"]).url)
    search(page, "toaster")
    page.click("#rerank")
    assert slow.asked.wait(60)
    page.click("#advanced .label-wrap")
    page.get_by_label("Catalog", exact=True).click()
    page.get_by_role("option", name="lamps").click()
    page.wait_for_selector("#found .wall")
    slow.go_on.set()
    page.wait_for_timeout(3000)
    assert page.locator(".winner").count() == 0 and page.locator("#found .wall").count() == 1


def test_a_search_that_is_asked_while_another_runs_is_the_one_that_is_shown(serve, visit, monkeypatch):
    begun, go_on, find = threading.Event(), threading.Event(), Pipeline.find

    def late(self, request):
        begun.set()
        assert request.text != "toaster" or go_on.wait(120)
        return find(self, request)

    monkeypatch.setattr(Pipeline, "find", late)
    page = visit(at=serve().url)
    page.fill("#text textarea", "toaster")
    page.click("#search")
    assert begun.wait(60)
    page.fill("#text textarea", "lamp")
    page.click("#search")
    go_on.set()
    page.wait_for_function("document.querySelector('#found .hit .title')?.innerText.endsWith('lamp')")


def test_a_ranking_is_shown_with_the_search_that_it_belongs_to(serve, visitor):
    guest = visitor(serve().url)
    guest.call("search", text="toaster")
    guest.call("rank")
    guest.call("search", text="lamp")
    assert guest.call("show_ranking") == {}
    guest.call("rank")
    assert "winner" in guest.call("show_ranking")["best"]
    assert guest.call("show_ranking") == {}, "it is held until it is shown, and no longer"


def test_of_so_many_visitors_pictures_are_held(serve, visitor, leopard, monkeypatch):
    monkeypatch.setattr(server, "SESSIONS", 2)
    url = serve().url
    guests = [visitor(url) for _ in range(3)]
    shown = {"picture": guests[0].upload(leopard), "text": "lamp"}
    assert "leopard lamp" in guests[0].call("search", **shown)["found"]
    guests[1].upload(leopard)
    assert "leopard lamp" in guests[0].call("search", **shown)["found"], "two are held"
    for guest in guests[1:]:
        guest.upload(leopard)
    assert "was forgotten" in guests[0].call("search", **shown)["status"]


def test_what_is_held_of_a_visitor_is_small(serve, visitor, tmp_path):
    """His picture, and once more what he cropped it to: some 6 MB, whatever he uploads."""
    running = serve(limit=25)
    guest = visitor(running.url)
    Image.effect_noise((3000, 3000), 90).save(tmp_path / "large.png")
    shown = {"picture": guest.upload(tmp_path / "large.png") | {"crop": [0, 0, 0.99, 1]}, "text": "lamp"}
    guest.call("search", **shown)
    guest.call("rank")
    guest.call("show_ranking")
    states = running.page.state_holder.session_data[guest.session].state_data.values()
    images = {id(image): image for state in states for image in pictures(state)}
    assert 2 * 2**20 < sum(len(image.tobytes()) for image in images.values()) < 7 * 2**20


def pictures(state):
    if isinstance(state, Image.Image):
        return [state]
    return [] if state is None else [each for each in (state.request.image, state.query.image, state.panorama) if each]


def test_rankings_that_cost_money_are_counted_for_each_visitor_and_for_all(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(allowance.time, "monotonic", lambda: now[0])
    budget = Allowance(2, 3)
    budget.spend("ann"), budget.spend("ann"), budget.spend("bob")
    with pytest.raises(
        QueryError, match="Your 2 rankings of this hour are spent: ask again in 60 min, or choose another"
    ):
        budget.spend("ann")
    with pytest.raises(QueryError, match="The 3 rankings of this hour are spent: ask again in 60 min"):
        budget.spend("bob")
    now[0] += 3599
    with pytest.raises(QueryError, match="in 1 min,"):
        budget.spend("ann")
    now[0] += 1
    kept = budget.spend("ann")
    budget.give_back(kept)
    budget.give_back(kept)
    for visitor in ("ann", "ann", "bob"):
        budget.spend(visitor)
    with pytest.raises(QueryError):
        budget.spend("bob")
    with pytest.raises(QueryError, match="hour are spent: choose another reranker"):
        Allowance(0, 5).spend("ann")


def test_the_owner_says_how_many_rankings_may_be_spent(serve, model, visitor):
    model(last_first)
    guest = visitor(serve(reranker=["paid", "identity"], rankings_per_visitor=2, rankings_per_hour=5).url)

    def told(text, reranker="paid"):
        guest.call("search", text=text, Reranker=reranker)
        return guest.call("rank", Reranker=reranker) or guest.call("show_ranking")

    assert "winner" in told("lamp")["best"] and "winner" in told("toaster")["best"]
    assert "Your 2 rankings of this hour are spent" in told("camera")["status"]
    assert "winner" in told("camera", "identity")["best"], "what costs nothing is not counted"


def test_a_kept_reply_is_not_counted(serve, model, visitor):
    model(last_first)
    guest = visitor(serve(reranker="paid", rankings_per_visitor=2).url)
    for text in ("lamp", "lamp", "lamp", "toaster"):
        guest.call("search", text=text)
        assert guest.call("rank") == {}
        assert "Turned around" in guest.call("show_ranking")["best"]
    guest.call("search", text="camera")
    assert "Your 2 rankings of this hour are spent" in guest.call("rank")["status"]


def test_a_request_uploads_one_file(serve, upload, leopard, home, tmp_path):
    url = serve().url
    (tmp_path / "large.jpg").write_bytes(bytes(10 * 2**20 + 1))
    (tmp_path / "most.jpg").write_bytes(bytes(10 * 2**20))
    assert upload(url, tmp_path / "most.jpg").endswith("most.jpg")
    for paths in ([leopard] * 300, [leopard] * 2, [tmp_path / "most.jpg", leopard], [tmp_path / "large.jpg"]):
        refused = upload(url, *paths)
        assert refused.status_code in (400, 413), refused
    uploads = list((pathlib.Path(os.environ["GRADIO_TEMP_DIR"])).rglob("*.*"))
    assert [path.name for path in uploads] == ["most.jpg"]


def test_nothing_larger_than_a_picture_is_read(serve):
    url = serve().url
    for path in ("gradio_api/call/ask", "gradio_api/queue/join", "gradio_api/upload"):
        assert httpx.post(url + path, json={"data": ["x" * 11 * 2**20]}, timeout=60).status_code in (400, 413, 422)


@pytest.fixture
def front():
    """front(url, below) -> the address below which a web server passes all on to `url`, as one on the internet does."""

    def front(url, below):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                if not self.path.startswith(f"{below}/"):
                    return self.send_error(404)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
                headers |= {"X-Forwarded-Host": headers["Host"], "X-Forwarded-Proto": "http"}
                address = url.rstrip("/") + self.path.removeprefix(below)
                with httpx.stream(self.command, address, headers=headers, content=body, timeout=120) as reply:
                    self.send_response(reply.status_code)
                    for name, value in reply.headers.items():
                        if name not in ("transfer-encoding", "content-length", "connection"):
                            self.send_header(name, value)
                    self.send_header("Connection", "close")
                    self.end_headers()
                    for piece in reply.iter_raw():
                        self.wfile.write(piece)
                        self.wfile.flush()
                self.close_connection = True

            do_GET = do_POST = do_HEAD = pass_on

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *_: None  # a browser that hung up
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}{below}/"

    servers = []
    yield front
    for each in servers:
        each.shutdown()
        each.server_close()


@pytest.mark.parametrize("root_path", ["/shop/search", "shop/search/", "{front}"])
def test_behind_a_web_server_it_works_below_a_path(serve, front, visit, leopard, root_path):
    server_port = free_port()
    address = front(f"http://127.0.0.1:{server_port}", "/shop/search")
    serve(port=server_port, root_path=root_path.format(front=address))
    page = visit(at=address)
    page.set_input_files("#picture input[type=file]", leopard)
    page.wait_for_selector("#picture .stage:not([hidden])")
    search(page, "lamp")
    page.click("#rerank")
    page.wait_for_selector(".winner")
    assert page.faults == [] and page.asked <= {address.split("/")[2], ""}


def free_port():
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


@pytest.fixture
def pipeline(machine):
    parts = {"catalog": "pictures", "encoder": "pocket", "reranker": "pocket", "milvus_uri": "data/own.db"}
    pipeline = Pipeline(Choices.of(parts))
    yield pipeline
    pipeline.close()


def test_queries_are_encoded_one_at_a_time(pipeline, leopard):
    """One has all cores; two at once would only take turns, and twice the memory."""
    encoder, inside, most = pipeline.encoder(), [], []
    embed = encoder.embed_queries

    def watched(prepared, texts):
        inside.append(1)
        most.append(len(inside))
        try:
            return embed(prepared, texts)
        finally:
            inside.pop()

    encoder.embed_queries = watched
    request = SearchRequest(image=Image.open(leopard), text="lamp", words=0.3)
    threads = [threading.Thread(target=pipeline.find, args=(request,)) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert len(most) == 12 and set(most) == {1}


@pytest.mark.parametrize("words", [0, 0.3, 0.5, 0.8, 1])
def test_no_half_of_a_query_is_encoded_twice(pipeline, leopard, words):
    encoder, asked = pipeline.encoder(), []
    embed = encoder.embed_queries
    encoder.embed_queries = lambda prepared, texts: asked.append((prepared is None, texts)) or embed(prepared, texts)
    pipeline.find(SearchRequest(image=Image.open(leopard), text="zebra lamp", words=words, without="brick"))
    assert len(asked) == len({str(each) for each in asked})

"""The real app over a small drawn shop: served by its own process, asked over HTTP and in a real browser."""

import contextlib
import csv
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
CATEGORIES = ("phone case", "toaster", "lamp", "camera")
LOOKS = (("leopard", "natural"), ("zebra", "natural"), ("brick", "natural"), ("stripes", "red"), ("dots", "blue"))
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"> {{#each}} ${1+1} `"
START_S = 240  # a loaded machine takes a minute to import torch and gradio
WAIT_S = 60  # for what a page shows after a click
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NOT_HERE = "Not tested here: the app in a real browser (no Chromium starts, and none could be installed)"


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A RAG_HOME with two catalogs: `pictures/`, 20 products and three query pictures, and `lamps/`, 5 and one."""
    home = tmp_path_factory.mktemp("home")
    fill(home / "pictures", CATEGORIES, (("leopard", "animal"), ("zebra", "animal"), ("brick", "house")))
    fill(home / "lamps", ["lamp"], [("zebra", "animal")])
    (home / "tmp").mkdir()
    return home


def fill(folder, categories, queries):
    """A folder of pictures with their titles and prices."""
    from rag_lib.drawn.drawing import draw_product, draw_query_picture

    (folder / "query").mkdir(parents=True)
    rows = []
    for category in categories:
        for theme, color in LOOKS:
            rng = np.random.default_rng(len(rows))
            name = f"{category}-{theme}.jpg".replace(" ", "-")
            Image.fromarray(draw_product(rng, category, theme, color, 160)).save(folder / name)
            title = HOSTILE if (category, theme) == ("camera", "dots") else f"{theme} {category}"
            rows.append((name, title, category, theme, 10 + len(rows)))
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "title", "category", "theme", "price"), *rows])
    for theme, kind in queries:
        pixels = draw_query_picture(np.random.default_rng(7), theme, "natural", kind, 160)
        Image.fromarray(pixels).save(folder / "query" / f"{theme}.jpg")


@pytest.fixture(scope="session")
def served(home):
    """The running `python -m rag_lib.app`: (address, process). It ends by SIGTERM, as a service does.

    It stands behind a proxy that does not answer, which no word between this machine and itself may need.
    """
    command = [sys.executable, "-m", "rag_lib.app", "--port", "0", "-p", "catalog", "pictures", "-p", "query_text", ""]
    command += ["-p", "catalog", "lamps", "-p", "limit", "6", "-p", "reranker", "pocket", "-p", "reranker", "gpt-4o"]
    unset = ("no_proxy", "NO_PROXY", "OPENAI_API_KEY", "OPENAI_BASE_URL")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")
    environment |= {"RAG_HOME": str(home), "TMPDIR": str(home / "tmp"), "TQDM_DISABLE": "1"}
    log = home / "app.log"
    with open(log, "w") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + START_S
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())):
            assert process.poll() is None and time.monotonic() < end, f"the app did not start:\n{log.read_text()}"
            time.sleep(0.2)
        yield found[0], process
    finally:
        process.terminate()
        process.wait(60)
    assert process.returncode == 0, log.read_text()
    assert not list((home / "tmp").glob("rag-app-*")), "the folder of the uploads goes with the server"


@pytest.fixture(scope="session")
def url(served):
    return served[0]


@pytest.fixture
def ask(url, monkeypatch):
    """The HTTP API: ask(text=..., image=path, ...) -> the answer. A refusal raises `gradio_client`'s AppError."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    from gradio_client import Client, handle_file

    client = Client(url, verbose=False, analytics_enabled=False)

    def ask(image=None, **options):
        given = {"image": handle_file(str(image))} if image else {}
        return client.predict(**given, **options, api_name="/ask")

    yield ask
    client.close()


PARTS = {"catalog": "pictures", "encoder": "pocket", "reranker": "identity", "milvus_uri": "data/own.db"}


@pytest.fixture
def machine(home, monkeypatch):
    """Where `start` serves from inside of this process: behind a proxy that does not answer."""
    monkeypatch.setenv("RAG_HOME", str(home))
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "no_proxy", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "shop.example")
    return home


@pytest.fixture
def serve(machine):
    """serve(**parameters) -> a server in this process, with the parts of these tests where nothing else is given."""
    from rag_lib.app import start

    with contextlib.ExitStack() as servers:
        yield lambda **given: servers.enter_context(start(**{**PARTS, **given}))


@pytest.fixture
def model(machine, monkeypatch):
    """model(answer) -> the server of a vision model, at which rerankers by any name are asked.

    `answer`: a function from a request to the text of the answer. `says`: the (status, text) of a refusal instead.
    """
    from rag_lib.rerank.loopback import LocalEndpoint, send_body

    shutil.rmtree(machine / "data" / "replies", ignore_errors=True)

    def model(answer=None, *, says=None):
        endpoint = servers.enter_context(LocalEndpoint(answer))
        if says:
            endpoint.respond = lambda http, _: send_body(http, says[0], {"error": {"message": says[1]}})
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        return endpoint

    with contextlib.ExitStack() as servers:
        yield model


KEY = "sk-owners-own-0123456789"


class Visitor:
    """A session without a browser: the page's own functions, called as the page calls them."""

    def __init__(self, url):
        self.url, self.session = url, secrets.token_hex(6)
        config = httpx.get(f"{url}config", timeout=60).json()
        props = {part["id"]: part["props"] for part in config["components"]}
        self.names = {each: has.get("elem_id") or has.get("label") for each, has in props.items()}
        self.values = {each: has.get("value") for each, has in props.items()}
        self.functions = {each["api_name"]: each for each in config["dependencies"] if each["backend_fn"]}

    def call(self, name, **given):
        """What the function `name` changes: name -> value, by elem_id or label. `given`: what stands there by now."""
        function = self.functions[name]
        data = [given.get(self.names[each], self.values[each]) for each in function["inputs"]]
        body = {"data": data, "fn_index": function["id"], "session_hash": self.session}
        httpx.post(f"{self.url}gradio_api/queue/join", json=body, timeout=60).raise_for_status()
        with httpx.stream("GET", f"{self.url}gradio_api/queue/data?session_hash={self.session}", timeout=60) as reply:
            told = [json.loads(line[5:]) for line in reply.iter_lines() if line.startswith("data:")]
        done = [each for each in told if each["msg"] == "process_completed"]
        assert done[0]["success"], done
        changed = zip(map(self.names.get, function["outputs"]), done[0]["output"]["data"], strict=True)
        return {name: value for name, value in changed if name and not (isinstance(value, dict) and "props" in value)}

    def upload(self, path):
        """As the page does it: the file, then its place. What the picture field shows."""
        return self.call("take", picture={"path": upload_files(self.url, path)})["picture"]


@pytest.fixture
def visitor():
    """visitor(url) -> a Visitor of that server."""
    return Visitor


@pytest.fixture
def upload():
    """upload(url, path, ...) -> where the server has put the first of these files, or its refusal."""
    return upload_files


def upload_files(url, *paths):
    files = [("files", (path.name, path.read_bytes())) for path in paths]
    reply = httpx.post(f"{url}gradio_api/upload", files=files, timeout=60)
    return reply.json()[0] if reply.is_success else reply


@pytest.fixture(scope="session")
def playwright():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright, first_that_starts, in_turn):
    """A Chromium: the machine's or Playwright's, else Debian's package, else Playwright's download."""
    with in_turn("chromium"):
        for install in (lambda: None, _install_package, _download):
            install()
            if browser := first_that_starts():
                break
        else:
            pytest.skip(NOT_HERE)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def first_that_starts(playwright):
    """first_that_starts(program, ...) -> a browser: of these, else of this machine, else Playwright's own; or None."""
    from playwright.sync_api import Error

    # A container's root has no sandbox, and often a small /dev/shm.
    bare = ["--no-sandbox", "--disable-dev-shm-usage"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []

    def first_that_starts(*programs):
        for program in (*programs, *filter(None, map(shutil.which, BROWSERS)), None):
            with contextlib.suppress(Error):  # Ubuntu's chromium may be only a word of advice
                return playwright.chromium.launch(executable_path=program, args=bare, timeout=START_S * 1000)
        return None

    return first_that_starts


def _install_package():
    print("\nNo Chromium here: installing one for the tests (some minutes, once) ...", file=sys.__stderr__, flush=True)
    if shutil.which("apt-get") and os.geteuid() == 0:
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            _try(["apt-get", "-qq", *arguments], DEBIAN_FRONTEND="noninteractive")


def _download():
    _try([sys.executable, "-m", "playwright", "install", "chromium"])


def _try(command, **environment):
    try:
        subprocess.run(command, env={**os.environ, **environment}, capture_output=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired):
        pass


@pytest.fixture
def visit(browser, request):
    """visit() -> the page of a new visitor, loaded; visit(width=390, height=844) on a phone; visit(at=address)."""
    contexts = []

    def visit(width=1280, height=900, at=None, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(WAIT_S * 1000)
        contexts.append(context)
        page = context.new_page()
        page.faults, page.asked = [], set()
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("request", lambda request: page.asked.add(request.url.split("/")[2] if "://" in request.url else ""))
        page.goto(at or request.getfixturevalue("url"))
        page.wait_for_selector("#picture input[type=file]", state="attached")
        page.wait_for_selector(".wall img")
        return page

    yield visit
    for context in contexts:
        context.close()

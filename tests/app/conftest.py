"""The real app over a small drawn shop: served by its own process, asked over HTTP and in a real browser."""

import contextlib
import csv
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
CATEGORIES = ("phone case", "toaster", "lamp", "camera")
LOOKS = (("leopard", "natural"), ("zebra", "natural"), ("brick", "natural"), ("stripes", "red"), ("dots", "blue"))
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"> {{#each}} ${1+1} `"
START_S = 240  # a loaded machine takes a minute to import torch and gradio
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
def visit(browser, url):
    """visit() -> the page of a new visitor, loaded; visit(width=390, height=844) on a phone."""
    contexts = []

    def visit(width=1280, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(START_S * 1000)
        contexts.append(context)
        page = context.new_page()
        page.faults, page.asked = [], set()
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("request", lambda request: page.asked.add(request.url.split("/")[2] if "://" in request.url else ""))
        page.goto(url)
        page.wait_for_selector("#picture input[type=file]", state="attached")
        page.wait_for_selector(".wall img")
        return page

    yield visit
    for context in contexts:
        context.close()

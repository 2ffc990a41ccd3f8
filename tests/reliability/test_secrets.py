"""A canary in the place of every key: afterwards it stands in no file, no output and no error."""

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import pytest
from PIL import Image

from rag_lib.rerank import loopback
from rag_lib.rerank.loopback import LocalEndpoint
from rag_lib.run.parameters import read_parameters

ROOT = Path(__file__).resolve().parents[2]
CANARY = "sk-canary-4f9Zq7Xw2LmB8tRv"
FORMS = [
    form.encode() if isinstance(form, str) else form
    for form in (
        CANARY,
        urllib.parse.quote(CANARY, safe="").replace("-", "%2D"),
        base64.b64encode(CANARY.encode()),
        CANARY[3:],
        CANARY[::-1],
        CANARY.encode().hex(),
        CANARY.encode("utf-16-le"),
    )
]
ANSWERS = (
    (200, loopback.completion('{"ranking": [2, 1, 3], "reason": "It is blue.", "evidence": []}')),
    (401, {"error": {"message": f"Incorrect API key provided: {CANARY}", "code": "invalid_api_key"}}),
    (500, f"<html>{CANARY}</html>"),
    (200, loopback.completion(f"You said Authorization: Bearer {CANARY}. The ranking: [1, 3, 2]")),
    (400, {"detail": [{"msg": f"header {base64.b64encode(CANARY.encode()).decode()}"}]}),
)
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
NOTEBOOKS.sort(key=lambda name: name != "05_rerank")  # the quick one: most of the errors are there


class Careless(LocalEndpoint):
    """A server that quotes the key in whatever it says."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0
        super().__init__(None)

    def respond(self, http, request):
        self.asked += 1
        assert CANARY in http.headers["Authorization"]
        loopback.send_body(http, *self.answer)


@pytest.fixture
def given(tmp_path):
    """The parameters of a notebook: a folder of three pictures."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for color in ("red", "blue", "green"):
        Image.new("RGB", (64, 48), color).save(folder / f"{color}.png")
    asked = {"catalog": str(folder), "query_image": str(folder / "red.png"), "query_text": "the same in blue"}
    return asked | {"reranker": "gpt-4o", "milvus_uri": str(tmp_path / "milvus.db")}


def options(notebook, given):
    declared = read_parameters(ROOT / "notebooks" / f"{notebook}.ipynb")
    return [word for name, value in given.items() if name in declared for word in ("-p", name, value)]


def environment(home, server):
    keys = {"OPENAI_API_KEY": CANARY, "MILVUS_TOKEN": f"root:{CANARY}", "OPENAI_BASE_URL": server.url}
    return os.environ | keys | {"RAG_HOME": str(home), "NO_PROXY": "127.0.0.1"}


def run(home, server, *arguments):
    """What `python -m rag_lib.run` said, and whether the canary stands in it or in any file of `home`."""
    command = [sys.executable, "-m", "rag_lib.run", *arguments, "--out", str(home / "out")]
    done = subprocess.run(command, env=environment(home, server), cwd=ROOT, capture_output=True, check=False)
    assert_nowhere(home, done.stdout, done.stderr)


def assert_nowhere(home, *said):
    files = {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert len(files) > 4
    assert not [(place, form) for place, content in files.items() for form in FORMS if form in content]
    assert not [form for content in said for form in FORMS if form in content]


@pytest.mark.cases(1, len(NOTEBOOKS))
def test_notebook(seed, given, tmp_path):
    """A server that quotes the key back, in a notebook: the key is found in no file and no output"""
    with Careless(ANSWERS[(seed + 1) % len(ANSWERS)]) as server:
        run(tmp_path, server, NOTEBOOKS[seed], *options(NOTEBOOKS[seed], given))


@pytest.mark.cases(0, len(ANSWERS))
def test_sweep(seed, given, tmp_path):
    """A server that quotes the key back, in a sweep: the key is found in no file and no output"""
    lines = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in given.items() if name != "query_text")
    (tmp_path / "mine.yaml").write_text(
        f"notebooks: [05_rerank]\nparameters:\n{lines}vary:\n  query_text: [the same in blue, the same in green]\n"
    )
    with Careless(ANSWERS[seed]) as server:
        run(tmp_path, server, "--sweep", str(tmp_path / "mine.yaml"))
        assert server.asked > 1


@pytest.mark.cases(0, len(ANSWERS))
def test_app(seed, given, tmp_path):
    """A server that quotes the key back, in the app: the key is found in no answer, no file and no log"""
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    log = tmp_path / "app.log"
    command = [sys.executable, "-m", "rag_lib.app", "--port", "0", *options("05_rerank", given)]
    with Careless(ANSWERS[seed]) as server, open(log, "wb") as out:
        app = subprocess.Popen(command, env=environment(tmp_path, server), cwd=ROOT, stdout=out, stderr=out)
        try:
            end = time.monotonic() + 240
            while not (found := re.search(rb"http://127\.0\.0\.1:\d+/", log.read_bytes())):
                assert app.poll() is None and time.monotonic() < end
                time.sleep(0.2)
            visitor = Client(found[0].decode(), verbose=False, analytics_enabled=False)
            try:
                told = str(visitor.predict(text="the same in blue", limit=3, rerank=True, api_name="/ask"))
            except AppError as refusal:
                told = str(refusal)
            visitor.close()
        finally:
            app.terminate()
            app.wait(60)
        assert server.asked
    assert_nowhere(tmp_path, told.encode())

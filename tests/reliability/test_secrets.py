"""A canary in the place of every key: afterwards it stands in no file, no output and no error."""

import base64
import os
import subprocess
import sys
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
NOTEBOOKS = ("05_rerank", "06_judge", "00_quickstart", "03_store", "04_search", "08_controls")


class Careless(LocalEndpoint):
    """A server that quotes the key in whatever it says."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0
        super().__init__(None)

    def respond(self, http, request):
        self.asked += 1
        assert CANARY in http.headers["Authorization"]
        loopback.send_body(http, *self.answer)


@pytest.mark.cases(1, len(NOTEBOOKS))
def test_canary(seed, tmp_path):
    """A server that quotes the key back, in notebooks and runs: the key is found in no file and no output"""
    folder = tmp_path / "mine"
    folder.mkdir()
    for color in ("red", "blue", "green"):
        Image.new("RGB", (64, 48), color).save(folder / f"{color}.png")
    environment = os.environ | {"OPENAI_API_KEY": CANARY, "MILVUS_TOKEN": f"root:{CANARY}", "RAG_HOME": str(tmp_path)}
    given = {"catalog": str(folder), "query_image": str(folder / "red.png"), "query_text": "the same in blue"}
    with Careless(ANSWERS[(seed + 1) % len(ANSWERS)]) as server:
        environment["OPENAI_BASE_URL"] = server.url
        command = [sys.executable, "-m", "rag_lib.run", NOTEBOOKS[seed], "--out", str(tmp_path / "out")]
        for name, value in (given | {"reranker": "gpt-4o", "milvus_uri": str(tmp_path / "milvus.db")}).items():
            if name in read_parameters(ROOT / "notebooks" / f"{NOTEBOOKS[seed]}.ipynb"):
                command += ["-p", name, value]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False)
    said = {"stdout": done.stdout, "stderr": done.stderr}
    files = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(files) > 4
    found = [(place, form) for place, content in (said | files).items() for form in FORMS if form in content]
    assert not found

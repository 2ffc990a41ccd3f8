"""Downloads from a hub, against a real server on this machine that speaks the hub's protocol."""

import contextlib
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from rag_lib.encoders import load_encoder
from rag_lib.encoders.hub import HubFile, fetch
from rag_lib.encoders.pocket.loading import POCKET_FOLDER
from rag_lib.encoders.visualized_bge.loading import CHECKPOINTS, TOKENIZERS
from rag_lib.encoders.visualized_bge.model import CONFIGS, VisualizedBGE
from rag_lib.errors import RagError

REVISION = "0123456789abcdef0123456789abcdef01234567"
WANTED = HubFile("owner/model", REVISION, "weights.pth")
HALF = 10 << 20
CONTENT = random.Random(0).randbytes(2 * HALF + 1234)


class Hub(ThreadingHTTPServer):
    """Serves `files` {(repo, revision, name): bytes}; a file of over 1 MB lies, as on the hub, on another host.

    `asked`: (method, path, headers) of each request; `sent`: content bytes. `status`: answer with that to everything.
    `cut`: bytes after which the next transfer breaks off; `stall`: after which it stands still. `ends`: how many bytes
    each of the next transfers sends, which then ends as if that were all: no length is said. `spoil`: changes the
    content that is sent, not what is announced. `portal`: answer with a page, as a login portal does.
    """

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.sent = files, [], 0
        self.status = self.cut = self.stall = self.spoil = None
        self.portal, self.ends = False, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.over = threading.Event()

    def contents(self):
        return [headers for method, path, headers in self.asked if method == "GET" and path.startswith("/content/")]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def reply(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **dict(headers)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def answer(self, body):
        hub = self.server
        if self.path.startswith("/api/") and "models" not in self.path:  # the client's own, about no repository
            return self.reply(404)
        hub.asked.append((self.command, self.path, dict(self.headers)))
        if hub.portal:
            return self.reply(200, {"Content-Type": "text/html"}, b"<html>Please log in</html>")
        if hub.status:
            return self.reply(hub.status)
        asked = re.fullmatch(r"(?:/content)?/(.+)/resolve/([^/]+)/(.+)", self.path)
        content = asked and hub.files.get(asked.groups())
        if content is None:
            return self.reply(404, {"X-Error-Code": "EntryNotFound"})
        if len(content) > 1 << 20 and not self.path.startswith("/content/"):
            return self.reply(302, {
                "X-Repo-Commit": asked[2],
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Linked-Size": len(content),
                "Location": f"http://localhost:{hub.server_port}/content{self.path}",
            })  # fmt: skip
        etag = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        headers = {"X-Repo-Commit": asked[2], "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if not body:
            return self.reply(200, headers | {"Content-Length": len(content)})
        self.send(hub.spoil(content) if hub.spoil else content, headers)

    def send(self, content, headers):
        hub, start = self.server, 0
        ranged = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if ranged and int(ranged[1]) < len(content):
            start = int(ranged[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send_response(206 if start else 200)
        cut, stall, hub.cut, hub.stall = hub.cut, hub.stall, None, None
        if hub.ends:
            content, self.close_connection = content[: start + hub.ends.pop(0)], True
            headers["Connection"] = "close"
        else:
            headers["Content-Length"] = len(content) - start
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        rest = content[start:][: cut or stall]
        self.wfile.write(rest)
        self.wfile.flush()
        hub.sent += len(rest)
        if stall:
            hub.over.wait(60)
        if cut or stall:
            self.close_connection = True


@pytest.fixture
def serve(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with contextlib.ExitStack() as stack:

        def start(files):
            hub = Hub(files)
            threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(hub.server_close)
            stack.callback(hub.shutdown)
            stack.callback(hub.over.set)
            return hub

        yield start


@pytest.fixture
def hub(serve):
    return serve({(WANTED.repo, REVISION, WANTED.name): CONTENT})


def left_in(folder):
    """The files of a folder, but for the locks."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_is_fetched_at_the_pinned_revision(hub, tmp_path):
    path = fetch(WANTED, tmp_path / "here", endpoint=hub.url)
    assert path.read_bytes() == CONTENT and left_in(path.parent) == ["SHA256SUMS", "weights.pth"]
    assert all(f"/owner/model/resolve/{REVISION}/weights.pth" in asked for _, asked, _ in hub.asked)


def test_a_file_that_is_there_needs_no_request(hub, tmp_path):
    fetch(WANTED, tmp_path / "here", endpoint=hub.url)
    before = len(hub.asked)
    assert fetch(WANTED, tmp_path / "here", endpoint=hub.url).read_bytes() == CONTENT
    assert len(hub.asked) == before


def test_a_cut_connection_goes_on_where_it_stopped(hub, tmp_path):
    hub.cut = HALF + 999
    assert fetch(WANTED, tmp_path / "here", endpoint=hub.url).read_bytes() == CONTENT
    assert [headers.get("Range") for headers in hub.contents()] == [None, f"bytes={HALF + 999}-"]
    assert hub.sent == len(CONTENT)


def test_a_body_that_ends_early_goes_on_where_it_ended(hub, tmp_path):
    hub.ends = [HALF + 999, 77]
    assert fetch(WANTED, tmp_path / "here", endpoint=hub.url).read_bytes() == CONTENT
    assert [headers.get("Range") for headers in hub.contents()] == [
        None,
        f"bytes={HALF + 999}-",
        f"bytes={HALF + 1076}-",
    ]
    assert hub.sent == len(CONTENT)


def test_what_arrived_before_the_bodies_stayed_empty_is_kept(hub, tmp_path, monkeypatch):
    hub.ends = [HALF + 999, 0, 0, 0, 0]
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    cut = f"was cut after {HALF + 999:,} of {len(CONTENT):,} bytes; call again, what has arrived is kept"
    with pytest.raises(RagError, match=cut):
        fetch(WANTED, tmp_path / "here", endpoint=hub.url)
    assert fetch(WANTED, tmp_path / "here", endpoint=hub.url).read_bytes() == CONTENT
    assert hub.sent == len(CONTENT)


def test_more_than_was_announced_is_removed(hub, tmp_path):
    hub.spoil, hub.ends = lambda content: content + b"?", [len(CONTENT) + 1]
    with pytest.raises(RagError, match="more is sent than the 20,972,754 bytes that were announced"):
        fetch(WANTED, tmp_path / "here", endpoint=hub.url)
    assert left_in(tmp_path / "here") == []


def in_a_process(code, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fetching(hub, folder, before=""):
    return (
        "from pathlib import Path\nfrom rag_lib.encoders.hub import HubFile, fetch\n"
        f"{before}\nfetch({WANTED!r}, Path({str(folder)!r}), endpoint={hub.url!r})"
    )


def test_what_a_killed_process_had_received_is_kept(hub, tmp_path):
    hub.stall, folder = HALF + 999, tmp_path / "here"
    process = in_a_process(fetching(hub, folder), HF_HUB_CACHE=str(tmp_path / "cache"))
    end = time.monotonic() + 60
    while not any(part.stat().st_size >= HALF + 999 for part in folder.glob("*.part")):
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / "weights.pth").exists()
    assert fetch(WANTED, folder, endpoint=hub.url).read_bytes() == CONTENT
    assert hub.contents()[-1]["Range"] == f"bytes={HALF + 999}-" and hub.sent == len(CONTENT)


def test_a_full_disk_is_named_and_nothing_is_lost(hub, tmp_path):
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({HALF + 5}, {HALF + 5}))"
    process = in_a_process(fetching(hub, tmp_path / "here", limit), HF_HUB_CACHE=str(tmp_path / "cache"))
    errors = process.communicate(timeout=60)[1]
    assert "RagError: weights.pth could not be fetched" in errors and "cannot be stored (File too large)" in errors
    assert fetch(WANTED, tmp_path / "here", endpoint=hub.url).read_bytes() == CONTENT
    assert hub.contents()[-1]["Range"].startswith("bytes=")


def test_a_wrong_checksum_is_refused_and_the_next_call_starts_anew(hub, tmp_path):
    hub.spoil = lambda content: content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(RagError, match="its checksum is not the one announced, and it was removed"):
        fetch(WANTED, tmp_path / "here", endpoint=hub.url)
    assert left_in(tmp_path / "here") == []
    hub.spoil = None
    assert fetch(WANTED, tmp_path / "here", endpoint=hub.url).read_bytes() == CONTENT
    assert "Range" not in hub.contents()[-1]


def test_a_small_file_is_checked_as_a_git_blob(serve, tmp_path):
    small = HubFile("owner/model", REVISION, "tokenizer.json")
    hub = serve({(small.repo, REVISION, small.name): b'{"version": "1.0"}'})
    hub.spoil = lambda content: content.replace(b"1", b"2")
    with pytest.raises(RagError, match="checksum"):
        fetch(small, tmp_path / "here", endpoint=hub.url)
    hub.spoil = None
    assert fetch(small, tmp_path / "here", endpoint=hub.url).read_bytes() == b'{"version": "1.0"}'


def test_a_page_sent_in_the_files_place_is_refused_and_what_arrived_is_kept(hub, tmp_path):
    page = b"<html>Over quota</html>"
    hub.cut = HALF
    hub.spoil = lambda content: page if hub.sent else content
    with pytest.raises(RagError, match=r"bytes are sent where 20,972,754 were announced.*what has arrived is kept"):
        fetch(WANTED, tmp_path / "here", endpoint=hub.url)
    hub.spoil = None
    assert fetch(WANTED, tmp_path / "here", endpoint=hub.url).read_bytes() == CONTENT
    assert hub.contents()[-1]["Range"] == f"bytes={HALF}-"


def test_a_login_portal_is_named(hub, tmp_path):
    hub.portal = True
    with pytest.raises(RagError, match="a login page or a mirror stands in between"):
        fetch(WANTED, tmp_path / "here", endpoint=hub.url)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, r"access is refused \(HTTP 401\); if HF_TOKEN or HF_ENDPOINT is set"),
        (403, r"access is refused \(HTTP 403\)"),
        (404, r"not there at the pinned revision \(HTTP 404\)"),
        (503, r"HTTP 503; call again later"),
    ],
)
def test_a_refusal_ends_in_one_sentence(hub, tmp_path, status, remedy):
    hub.status = status
    with pytest.raises(RagError, match=f"weights.pth could not be fetched from .* owner/model: .*{remedy}") as caught:
        fetch(WANTED, tmp_path / "here", endpoint=hub.url)
    assert str(tmp_path) not in str(caught.value) and "data/weights/here/" in str(caught.value)


def test_without_a_network_the_sentence_says_so(tmp_path):
    with pytest.raises(RagError, match="the network failed.*call again, what has arrived is kept"):
        fetch(WANTED, tmp_path / "here", endpoint="http://127.0.0.1:9")


def test_offline_mode_is_named(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RagError, match="HF_HUB_OFFLINE forbids the network; unset it"):
        fetch(WANTED, tmp_path / "here", endpoint=hub.url)
    assert hub.asked == []


def test_a_token_stays_with_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(WANTED, tmp_path / "here", endpoint=hub.url)
    sent = {path.startswith("/content/"): "hf_secret" in str(headers) for _, path, headers in hub.asked}
    assert sent == {False: True, True: False}


@pytest.fixture
def cached(hub):
    """The file in the hub's own cache, put there by its own client; the server forgets that it was asked."""
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(WANTED.repo, WANTED.name, revision=REVISION, endpoint=hub.url)
    hub.asked.clear()
    return path


def test_a_file_in_the_hubs_cache_needs_no_request(hub, cached, tmp_path):
    assert fetch(WANTED, tmp_path / "here", endpoint=hub.url).read_bytes() == CONTENT
    assert hub.asked == []


def test_a_damaged_file_in_the_hubs_cache_is_not_taken(hub, cached, tmp_path):
    with open(cached, "r+b") as file:
        file.write(b"?")
    assert fetch(WANTED, tmp_path / "here", endpoint=hub.url).read_bytes() == CONTENT
    assert hub.contents()


OFFICIAL = "visualized-bge-base-en-v1.5"
URL = "/{repo_id}/resolve/{revision}/{filename}"


def tokenizer_files():
    """The tokenizer of the base edition's text model, as the hub has it."""
    contents = {
        "tokenizer_config.json": b'{"tokenizer_class": "BertTokenizer", "do_lower_case": true}',
        "special_tokens_map.json": b'{"cls_token": "[CLS]", "unk_token": "[UNK]"}',
        "tokenizer.json": (POCKET_FOLDER / "tokenizer.json").read_bytes(),
    }
    return {(*TOKENIZERS[OFFICIAL], name): content for name, content in contents.items()}


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_an_interrupted_tokenizer_is_completed_by_the_next_call(
    serve, tmp_path, monkeypatch, upstream_checkpoint, small_config, gone
):
    files, lost = tokenizer_files(), [*tokenizer_files()][gone]
    hub = serve({name: content for name, content in files.items() if name != lost})
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    monkeypatch.setitem(CONFIGS, OFFICIAL, small_config)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", hub.url + URL)
    folder = tmp_path / "data" / "weights" / OFFICIAL
    folder.mkdir(parents=True)
    torch.save(upstream_checkpoint(VisualizedBGE(small_config)), folder / CHECKPOINTS[OFFICIAL].name)
    with pytest.raises(RagError, match=f"{lost[2]} could not be fetched"):
        load_encoder(OFFICIAL)
    hub.files = files
    assert load_encoder(OFFICIAL).encode_queries([None, None], ["a phone case", "a cat"]).shape == (2, 64)
    assert all((folder / name).is_file() for *_, name in files)


def test_the_official_name_loads_from_the_hub_and_then_without_asking_it(
    serve, tmp_path, upstream_checkpoint, small_config
):
    torch.save(upstream_checkpoint(VisualizedBGE(small_config)), tmp_path / "made.pth")
    checkpoint = CHECKPOINTS[OFFICIAL]
    hub = serve({
        (checkpoint.repo, checkpoint.revision, checkpoint.name): (tmp_path / "made.pth").read_bytes(),
    } | tokenizer_files())  # fmt: skip
    code = f"""
from rag_lib.encoders import load_encoder
from rag_lib.encoders.visualized_bge.model import CONFIGS, VisualizedBGEConfig
CONFIGS[{OFFICIAL!r}] = {small_config!r}
for _ in range(2):
    encoder = load_encoder({OFFICIAL!r})
    print(encoder.fingerprint, encoder.encode_query(text="a phone case").sum())
"""
    environment = {"RAG_HOME": str(tmp_path), "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "cache")}
    printed, errors = in_a_process(code, **environment).communicate(timeout=300)
    first, second = printed.splitlines() or [errors, ""]
    assert first == second
    assert [path for method, path, _ in hub.asked if method == "HEAD"] == [
        "/BAAI/bge-visualized/resolve/98db10b10d22620010d06f11733346e1c98c34aa/Visualized_base_en_v1.5.pth",
        "/BAAI/bge-base-en-v1.5/resolve/a5beb1e3e68b9ab74eb54cfd186867f64f240e1a/tokenizer_config.json",
        "/BAAI/bge-base-en-v1.5/resolve/a5beb1e3e68b9ab74eb54cfd186867f64f240e1a/special_tokens_map.json",
        "/BAAI/bge-base-en-v1.5/resolve/a5beb1e3e68b9ab74eb54cfd186867f64f240e1a/tokenizer.json",
    ]
    assert sum(method == "GET" and not path.startswith("/content/") for method, path, _ in hub.asked) == 4

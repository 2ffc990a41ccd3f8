"""Downloads against a real server on this machine: what is tried again, what is given up, and what is sent to whom.

Archives of the catalog (catalog/test_amazon.py) and files of the hub (encoders/test_hub.py) come the same way.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rag_lib.download import DownloadError, download

CONTENT = bytes(range(256)) * 100


class Server(ThreadingHTTPServer):
    """Answers with `answers.pop(0)` while there are any, a status or how many bytes of the rest, then with the rest.

    `ranges`: whether a part may be asked for. /elsewhere leads to the file under another name of this machine.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/file"
        self.answers, self.asked, self.ranges = [], [], True


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.asked.append(dict(self.headers))
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", server.url.replace("127.0.0.1", "localhost"))
            return self.end_headers()
        answer = server.answers.pop(0) if server.answers else len(CONTENT)
        if isinstance(answer, str):
            return self.send_error(int(answer))
        start = int(self.headers.get("Range", "bytes=0-")[6:-1]) if server.ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][:answer])


@pytest.fixture
def server(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def starts(server):
    return [headers.get("Range", "bytes=0-")[6:-1] for headers in server.asked]


@pytest.mark.parametrize("status", ["408", "429", "500", "503"])
def test_what_may_pass_is_tried_again(server, tmp_path, status):
    server.answers = [status, status, status]
    assert download(server.url, tmp_path / "a", pause=0).read_bytes() == CONTENT
    assert len(server.asked) == 4


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "410"])
def test_what_will_not_pass_is_not(server, tmp_path, status):
    server.answers = [status]
    with pytest.raises(DownloadError, match=f"'a' could not be downloaded from 127.0.0.1: HTTP {status} ") as caught:
        download(server.url, tmp_path / "a", pause=0)
    assert len(server.asked) == 1 and "what has arrived" not in caught.value.reason


def test_a_transfer_goes_on_as_long_as_something_arrives(server, tmp_path):
    server.answers = [1000] * 20
    assert download(server.url, tmp_path / "a", attempts=1).read_bytes() == CONTENT
    assert starts(server) == [str(1000 * n) for n in range(21)]


def test_a_server_that_always_begins_anew_and_is_cut_is_given_up(server, tmp_path):
    server.ranges, server.answers = False, [1000] * 20
    with pytest.raises(DownloadError, match="cut after 1,000 of 25,600 bytes; call again, what has arrived is kept"):
        download(server.url, tmp_path / "a", attempts=3, pause=0)
    assert len(server.asked) == 4  # the first brought something


def test_a_file_that_had_arrived_is_not_asked_for_again(server, tmp_path):
    """As a kill leaves it that comes between the last byte and the name."""
    (tmp_path / "a.part").write_bytes(CONTENT)
    assert download(server.url, tmp_path / "a", size=len(CONTENT)).read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1, 7])
def test_a_file_of_another_size_than_announced_is_refused(server, tmp_path, size):
    with pytest.raises(DownloadError, match=f"25,600 bytes are sent where {size:,} were announced"):
        download(server.url, tmp_path / "a", size=size)
    assert list(tmp_path.iterdir()) == []


def test_headers_are_not_passed_on_to_another_host(server, tmp_path):
    headers = {"Authorization": "Bearer secret"}
    download(server.url.replace("file", "elsewhere"), tmp_path / "a", headers=headers)
    assert [sent.get("Authorization") for sent in server.asked] == ["Bearer secret", None]


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="it cannot be stored .*: make room, or set RAG_HOME") as caught:
        download(server.url, tmp_path / "file" / "a")
    assert str(tmp_path) not in str(caught.value)

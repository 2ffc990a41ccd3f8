import io
import re
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from rag_lib.catalog import load_catalog
from rag_lib.catalog.amazon import load_amazon
from rag_lib.catalog.archive import extract
from rag_lib.download import download
from rag_lib.errors import RagError

COUNT = 6


def picture(number: int) -> bytes:
    data = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(data, "JPEG")
    return data.getvalue()


LEOPARD = picture(99)


def archive(count=COUNT, extra=(), leopard=LEOPARD) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        members = [(f"images_folder/images/5{number}Gj1-RL._AC_.jpg", picture(number)) for number in range(count)]
        members += [("images_folder/leopard.jpg", leopard)] if leopard else []
        for name, content in [*members, *extra]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


class Server(ThreadingHTTPServer):
    """Sends `content`; cuts the connection after `cuts.pop(0)` bytes of a reply while there are any.

    With `stall` set, it is not cut there but held, without a byte, until that event. /moved leads to the file.
    """

    content, cuts, ranges, status, requests, stall = b"", (), True, 200, (), None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/subset.tar.gz"
        self.cuts, self.requests = [], []

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", self.server.url)
            self.end_headers()
            return
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        start = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked and self.server.ranges else 0
        if self.server.status != 200 or start >= len(self.server.content):
            self.send_error(self.server.status if self.server.status != 200 else 416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.server.content) - start))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else None
        self.wfile.write(self.server.content[start:][:cut])
        if cut and self.server.stall:
            self.wfile.flush()
            self.server.stall.wait(30)

    def log_message(self, *args):
        pass


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    monkeypatch.delenv("RAG_AMAZON_ARCHIVE", raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    return tmp_path


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def load(server=None, **options):
    options = {"min_images": COUNT, "pause": 0.0} | options
    return load_amazon(url=server.url if server else "http://127.0.0.1:9/x.tar.gz", **options)


def leftovers(home) -> set[str]:
    return {path.name for path in (home / "data" / "amazon").iterdir()} - {"images_folder", "archive.txt"}


def test_it_is_downloaded_once_and_unpacked(home, server):
    server.content = archive()
    catalog = load(server)
    assert (catalog.name, len(catalog.items), list(catalog.query_pictures)) == ("amazon", COUNT, ["leopard"])
    assert catalog.items[0].title == "50Gj1-RL" and catalog.items[0].path.read_bytes() == picture(0)
    assert catalog.query_pictures["leopard"].is_file()
    assert leftovers(home) == set()
    assert load(server) == catalog and server.requests == [None]


def test_a_cut_connection_is_resumed(home, server):
    server.content = archive()
    server.cuts = [5_000, 3_000]
    assert len(load(server).items) == COUNT
    assert server.requests == [None, "bytes=5000-", "bytes=8000-"]


def test_a_later_call_resumes_what_an_earlier_one_left(home, server):
    server.content = archive()
    server.cuts = [5_000, 0]
    with pytest.raises(RagError, match="cut after 5,000 of .* bytes; call again, what has arrived is kept"):
        load(server, attempts=1)
    assert leftovers(home) == {"subset.tar.gz.part"}
    assert len(load(server, attempts=1).items) == COUNT
    assert server.requests[-1] == "bytes=5000-"


def test_a_download_that_was_redirected_is_resumed_too(home, server):
    """The releases of GitHub, where the archive lies, redirect to another host."""
    server.content, server.cuts = archive(), [5_000]
    assert len(load_amazon(url=server.url.replace("subset.tar.gz", "moved"), min_images=COUNT, pause=0).items) == COUNT
    assert server.requests == [None, "bytes=5000-"]


def test_a_connection_that_falls_silent_is_given_up_and_resumed(tmp_path, server):
    server.content, server.cuts, server.stall = archive(), [5_000], threading.Event()
    try:
        download(server.url, tmp_path / "a", pause=0, timeout=0.5)
    finally:
        server.stall.set()
    assert (tmp_path / "a").read_bytes() == server.content
    assert server.requests[-1] == "bytes=5000-"


def test_a_part_of_another_archive_is_found_out_and_not_met_again(home, server):
    server.content = archive()
    part = home / "data" / "amazon" / "subset.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 5_000)
    with pytest.raises(RagError, match="not a complete tar archive"):
        load(server)
    assert leftovers(home) == set() and not (home / "data" / "amazon" / "images_folder").exists()
    assert len(load(server).items) == COUNT


def test_a_server_without_ranges_starts_again(home, server):
    server.content, server.ranges, server.cuts = archive(), False, [5_000]
    assert len(load(server).items) == COUNT


def test_a_stale_part_that_is_too_long_is_thrown_away(home, server):
    server.content = archive()
    part = home / "data" / "amazon" / "subset.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * (len(server.content) + 10))
    assert len(load(server).items) == COUNT


def test_an_archive_that_is_not_there_says_where_a_relative_name_begins(home):
    with pytest.raises(RagError, match="'photos.tar.gz' was not found.* Relative paths begin at .*RAG_AMAZON_ARCHIVE"):
        load(source="photos.tar.gz")


def test_no_network_names_the_remedies(home):
    with pytest.raises(RagError, match=r'from 127\.0\.0\.1: .*catalog="drawn".*RAG_AMAZON_ARCHIVE') as caught:
        load(attempts=2)
    assert caught.value.__cause__ is None and str(home) not in str(caught.value)


def test_client_errors_are_not_repeated_but_those_that_pass_are(home, server):
    server.status = 404
    with pytest.raises(RagError, match="HTTP 404"):
        load(server)
    assert len(server.requests) == 1
    for number, status in enumerate((503, 408, 429), 1):  # unavailable, too slow, too many requests: all pass
        server.status = status
        with pytest.raises(RagError, match=f"HTTP {status}"):
            load(server, attempts=3)
        assert len(server.requests) == 1 + 3 * number


@pytest.mark.parametrize(
    "content",
    [
        b"<html>Please log in</html>",
        archive()[:-2000],
        archive(count=2),
        archive(leopard=None),
        archive(leopard=b"<html>"),
    ],
    ids=["html", "truncated", "too few", "no leopard", "a leopard that is no picture"],
)
def test_wrong_content_is_refused_and_leaves_nothing(home, server, content):
    server.content = content
    with pytest.raises(RagError, match='catalog="drawn"'):
        load(server)
    assert [path.name for path in (home / "data" / "amazon").iterdir()] == []
    server.content = archive()
    assert len(load(server).items) == COUNT


def hostile(kind: str, outside) -> bytes:
    """The tutorial's archive with one member more, which tries to write outside or is no plain file."""
    data = io.BytesIO(archive())
    with tarfile.open(fileobj=data) as good, tarfile.open(fileobj=(out := io.BytesIO()), mode="w:gz") as tar:
        for member in good:
            tar.addfile(member, good.extractfile(member))
        info = tarfile.TarInfo("images_folder/images/a.jpg")
        names = {"traversal": "images_folder/../../../escaped.jpg", "absolute": str(outside), "zero byte": "é\0.jpg"}
        if kind in names:
            info.name = names[kind]
            info.size = 3
            tar.addfile(info, io.BytesIO(b"bad"))
        else:
            info.type = {"link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "pipe": tarfile.FIFOTYPE}[kind]
            info.linkname = "/etc/passwd" if "link" in kind else ""
            tar.addfile(info)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["traversal", "zero byte", "link", "hard link", "pipe"])
def test_a_hostile_archive_is_refused_and_writes_nothing_outside(home, server, kind):
    server.content = hostile(kind, None)
    (home / "x.tar.gz").write_bytes(server.content)
    for source in ("x.tar.gz", None):  # at hand, and from the network
        with pytest.raises(RagError, match={"traversal": "outside", "zero byte": "null"}.get(kind, "link or a device")):
            load(server, source=source)
    assert not list(home.rglob("escaped.jpg")) and not (home.parent / "escaped.jpg").exists()
    assert list((home / "data" / "amazon").iterdir()) == []


def test_an_absolute_name_is_unpacked_inside(home, server):
    outside = home.parent / f"{home.name}_outside.jpg"
    server.content = hostile("absolute", outside)
    assert len(load(server).items) == COUNT
    assert not outside.exists() and leftovers(home) == set()


def test_an_archive_that_unpacks_to_too_much_is_refused(home, server, monkeypatch):
    monkeypatch.setattr("rag_lib.catalog.archive.MAX_BYTES", 100_000)
    server.content = archive(extra=[("images_folder/images/big.jpg", bytes(200_000))])
    assert len(server.content) < 100_000
    with pytest.raises(RagError, match="too large"):
        load(server)
    assert list((home / "data" / "amazon").iterdir()) == []


def test_an_archive_at_hand_needs_no_network(home, monkeypatch):
    (home / "copy.tar.gz").write_bytes(archive())
    catalog = load(source=home / "copy.tar.gz")
    assert len(catalog.items) == COUNT
    assert load() == load(source="copy.tar.gz") == catalog
    monkeypatch.setenv("RAG_AMAZON_ARCHIVE", str(home / "copy.tar.gz"))
    assert load() == catalog
    assert (home / "copy.tar.gz").exists()


def test_another_archive_replaces_the_pictures_and_a_bad_one_does_not(home):
    (home / "a.tar.gz").write_bytes(archive())
    (home / "b.tar.gz").write_bytes(archive(count=COUNT + 2))
    (home / "bad.tar.gz").write_bytes(archive(count=1))
    assert len(load(source="a.tar.gz").items) == COUNT
    assert len(load(source="b.tar.gz").items) == COUNT + 2
    with pytest.raises(RagError, match="at least 6"):
        load(source="bad.tar.gz")
    assert len(load().items) == COUNT + 2
    assert leftovers(home) == set()


def test_an_unpacked_folder_is_used_where_it_lies(home):
    (home / "a.tar.gz").write_bytes(archive())
    extract(home / "a.tar.gz", home / "any").rename(home / "mine")
    expected = home / "mine" / "images_folder"
    assert load(source="mine").root == load(source=expected).root == expected
    with pytest.raises(RagError, match="was not found"):
        load(source="none.tar.gz")
    with pytest.raises(RagError, match="at least 800"):
        load_catalog("amazon", folder=home / "mine")


def test_a_file_that_cannot_be_stored_is_told(tmp_path, server):
    server.content = b"x" * 100_000
    (tmp_path / "a.part").mkdir()  # cannot be opened for writing, whoever runs the test
    with pytest.raises(RagError, match="cannot be stored"):
        download(server.url, tmp_path / "a", attempts=2, pause=0)

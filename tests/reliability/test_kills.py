"""SIGKILL at seeded points: the next run converges to what an undisturbed one gives, and pays for nothing twice.

Every second seed is killed in the moment before a change of a file, the others at a time.
"""

import http.server
import json
import random
import re
import threading
import time
from pathlib import Path

import nbformat
import pytest
import reliability_work as work
from processes import finish, kill

from rag_lib.rerank.loopback import LocalEndpoint, read_request

COUNT = 60  # pictures: more than seven chunks


@pytest.fixture(scope="session")
def home_of(tmp_path_factory):
    """`home_of(name)`: a new home with pictures."""

    def make(name, count=COUNT):
        home = tmp_path_factory.mktemp(name)
        work.make_pictures(home / "pictures", count)
        return str(home)

    return make


@pytest.fixture(scope="session")
def whole(home_of):
    """whole(task, ...) -> what an undisturbed one gives, in a home of its own; once for all that ask."""
    known = {}

    def whole(task, *arguments, pictures=COUNT, first=None):
        if (task, first) not in known:
            home = home_of("whole", pictures)
            if first:
                first(home)
            known[task, first] = finish(task, home, *arguments)
        return known[task, first]

    return whole


def break_off(seed, task, whole, *arguments):
    _, changes, seconds = whole
    chance = random.Random(f"{task.__name__} {seed}")
    if seed % 2:
        return kill(task, *arguments, after=chance.uniform(0, seconds))
    return kill(task, *arguments, before=chance.randrange(max(1, changes)))


def visible(found):
    result = found[0]
    assert result["paid"] == 0
    return {key: value for key, value in result.items() if key not in ("before", "paid")}


@pytest.mark.cases((work.draw, 1, 5), (work.reply, 2, 10), (work.train, 2, 10), (work.run, 0, 5), (work.sweep, 0, 10))
def test_next_run(task, seed, home_of, whole, lesson):
    given = [lesson] if task in (work.run, work.sweep) else []
    expected = whole(task, *given, pictures=0)
    home = home_of("killed", 0)
    break_off(seed, task, expected, home, *given)
    assert finish(task, home, *given)[0] == expected[0]


@pytest.mark.cases(3, 20)
def test_encoding(seed, home_of, whole):
    """Killed while it encodes: the next run encodes only what no batch had kept"""
    home, expected = home_of("encoding"), whole(work.encode)
    break_off(seed, work.encode, expected, home)
    assert finish(work.encode, home)[0] == expected[0] | {"paid": 0}


@pytest.mark.cases(3, 30)
def test_index(seed, home_of, whole):
    """Killed while it indexes: the next run has the same ids, count and hits, and encodes nothing twice"""
    home, expected = home_of("index"), whole(work.fill)
    for _ in range(1 + seed % 3):  # killed again in the run that mends
        break_off(seed, work.fill, expected, home)
        seed += 1000
    assert visible(finish(work.fill, home)) == visible(expected)


def changed(home):
    finish(work.fill, home)
    work.change(Path(home) / "pictures")


@pytest.mark.cases(3, 20)
def test_changed_folder(seed, home_of, whole):
    """Killed while rows are added, renamed and removed: the next run has the folder's rows and no others"""
    home, expected = home_of("change"), whole(work.fill, first=changed)
    changed(home)
    break_off(seed, work.fill, expected, home)
    assert visible(finish(work.fill, home)) == visible(expected)


def grown(home):
    """Sixty pictures, of which the first 24 are indexed, exactly."""
    finish(work.fill, home)
    work.make_pictures(Path(home) / "pictures", 36, first=24)


@pytest.mark.cases(1, 20)
def test_from_exact_to_a_graph(seed, home_of, whole):
    """Killed between two indexes, exact and HNSW: the next run has the graph, the same ids, count and hits"""
    home, expected = home_of("graph", 24), whole(work.grow, pictures=24, first=grown)
    grown(home)
    break_off(seed, work.grow, expected, home)
    found = visible(finish(work.grow, home))
    assert found == visible(expected) and found["index"] == "HNSW"


def published(home):
    finish(work.publish, home)


@pytest.mark.cases(1, 20)
def test_another_encoder(seed, home_of, whole):
    """Killed while another encoder's index takes the place of one: readers have one of both, whole, and then the new"""
    home, expected = home_of("another"), whole(work.move, first=published)
    published(home)
    old = finish(work.read, home)[0]
    break_off(seed, work.move, expected, home)
    new = {key: value for key, value in visible(expected).items() if key != "collections"}
    assert finish(work.read, home)[0] in (old, new)
    assert visible(finish(work.move, home)) == visible(expected) and finish(work.read, home)[0] == new


@pytest.mark.cases(2, 10)
def test_download(seed, home_of, whole, server):
    """Killed while it downloads: the next run goes on from the bytes that had come"""
    home, url, expected = home_of("download", 0), server.url, whole(work.fetch, server.url, pictures=0)
    break_off(seed, work.fetch, expected, home, url)
    server.sent = 0
    part = next(iter((Path(home) / "data").glob("*")), None)
    have = part.stat().st_size if part else 0
    assert finish(work.fetch, home, url)[0] == expected[0]
    assert server.sent == len(server.content) - have


@pytest.fixture(scope="session")
def server():
    """Two megabytes in fifty pieces, a little slower than the loopback is; it resumes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            start = int(re.match(r"bytes=(\d+)-", self.headers.get("Range") or "bytes=0-")[1])
            rest = serving.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            for first in range(0, len(rest), 40_000):
                try:
                    self.wfile.write(rest[first : first + 40_000])
                except OSError:
                    return
                serving.sent += len(rest[first : first + 40_000])
                time.sleep(0.005)

        def log_message(self, *_):
            pass

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.content, serving.sent = random.Random(0).randbytes(2_000_000), 0
    serving.url = f"http://127.0.0.1:{serving.server_port}/archive"
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield serving
    serving.shutdown()


class Model(LocalEndpoint):
    """Turns each order around, a reply in a tenth of a second. `moment`: when `now` is set, of which request."""

    def __init__(self):
        self.asked, self.now, self.moment = 0, threading.Event(), None
        super().__init__(lambda request: json.dumps({"ranking": [*read_request(request).tiles][::-1], "reason": "So."}))

    def respond(self, http, request):
        self.asked += 1
        time.sleep(0.1)
        number, when = self.moment or (0, "")
        if self.asked == number and when == "half said":
            http.send_response(200)
            http.send_header("Content-Length", "1000")
            http.end_headers()
            http.wfile.write(b'{"choices": [{"message": {"content": ')
        if self.asked == number and when != "said":
            self.now.set()
            time.sleep(1)  # it is killed meanwhile
        else:
            super().respond(http, request)
            if self.asked == number:
                self.now.set()


@pytest.mark.cases(0, 12)
def test_app(seed, home_of, whole):
    """Killed with a ranking under way in the app: the next start says the same, and asks for no kept reply again"""
    moment = 1 + seed % len(work.QUESTIONS), ("asked", "half said", "said", "said")[seed // 3 % 4]
    with Model() as model:
        expected = whole(work.serve, model.url, pictures=12)
    with Model() as model:
        home = home_of("app", 12)
        model.moment = moment
        assert kill(work.serve, home, model.url, at=model.now, after=random.Random(seed).uniform(0, 0.05))
        kept = len([*(Path(home) / "data" / "replies").rglob("[0-9a-f]*.json")])
        assert list((Path(home) / "tmp").glob("rag-app-*")), "it was alive"
        asked, model.moment = model.asked, None
        assert finish(work.serve, home, model.url)[0] == expected[0]
        assert model.asked - asked == len(work.QUESTIONS) - kept and kept >= moment[0] - 1


@pytest.fixture(scope="session")
def lesson(tmp_path_factory):
    """Two notebooks and an edition. What has run to its end leaves its run's process in the file `seen`."""
    folder = tmp_path_factory.mktemp("lesson")
    (folder / "editions").mkdir()
    (folder / "editions" / "offline.yaml").write_text("{}\n")
    for number in range(2):
        cells = [nbformat.v4.new_code_cell("seed: int = 0", metadata={"tags": ["parameters"]})]
        cells[0].source += "\nseen: str = ''"
        cells += [nbformat.v4.new_code_cell(f"print({number}, {cell})") for cell in range(4)]
        cells += [nbformat.v4.new_code_cell("import os\n_ = seen and open(seen, 'a').write(f'{os.getppid()} ')")]
        nb = nbformat.v4.new_notebook(cells=cells)
        nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(nb, folder / f"0{number}_small.ipynb")
    return str(folder)

"""SIGKILL at seeded points: the next run converges to what an undisturbed one gives, and pays for nothing twice.

Every second seed is killed in the moment before a change of a file, the others at a time.
"""

import http.server
import random
import re
import threading
import time
from pathlib import Path

import nbformat
import pytest
import reliability_work as work
from processes import finish, kill

COUNT = 60  # pictures: more than seven chunks


@pytest.fixture(scope="session")
def home_of(tmp_path_factory):
    """`home_of(name)`: a new home with pictures."""

    def make(name, count=COUNT):
        home = tmp_path_factory.mktemp(name)
        work.make_pictures(home / "pictures", count)
        return str(home)

    return make


def break_off(seed, task, whole, *arguments):
    _, changes, seconds = whole
    chance = random.Random(f"{task.__name__} {seed}")
    if seed % 2:
        return kill(task, *arguments, after=chance.uniform(0, seconds))
    return kill(task, *arguments, before=chance.randrange(max(1, changes)))


@pytest.mark.cases(3, 20)
def test_encoding(seed, home_of, whole_encoding):
    """Killed while it encodes: the next run encodes only what no batch had kept"""
    home = home_of("encoding")
    break_off(seed, work.encode, whole_encoding, home)
    assert finish(work.encode, home)[0] == whole_encoding[0] | {"paid": 0}


@pytest.fixture(scope="session")
def whole_encoding(home_of):
    return finish(work.encode, home_of("whole"))


@pytest.fixture(scope="session")
def whole_index(home_of):
    return finish(work.fill, home_of("whole"))


@pytest.mark.cases(4, 30)
def test_index(seed, home_of, whole_index):
    """Killed while it indexes: the next run has the same ids, count and hits, and encodes nothing twice"""
    home = home_of("index")
    for _ in range(1 + seed % 3):  # killed again in the run that mends
        break_off(seed, work.fill, whole_index, home)
        seed += 1000
    assert visible(finish(work.fill, home)) == visible(whole_index)


@pytest.fixture(scope="session")
def whole_change(home_of):
    home = home_of("whole")
    finish(work.fill, home)
    work.change(Path(home) / "pictures")
    return finish(work.fill, home)


@pytest.mark.cases(3, 20)
def test_changed_folder(seed, home_of, whole_change):
    """Killed while rows are added, renamed and removed: the next run has the folder's rows and no others"""
    home = home_of("change")
    finish(work.fill, home)
    work.change(Path(home) / "pictures")
    break_off(seed, work.fill, whole_change, home)
    assert visible(finish(work.fill, home)) == visible(whole_change)


def visible(found):
    result = found[0]
    assert result["paid"] == 0
    return {key: value for key, value in result.items() if key not in ("before", "paid")}


@pytest.mark.cases(1, 5)
def test_drawing(seed, home_of, whole_drawing):
    """Killed while it draws the catalog: the next run has the same pictures and leaves no half ones"""
    home = home_of("drawing", 0)
    break_off(seed, work.draw, whole_drawing, home)
    assert finish(work.draw, home)[0] == whole_drawing[0]


@pytest.fixture(scope="session")
def whole_drawing(home_of):
    return finish(work.draw, home_of("whole", 0))


@pytest.mark.cases(2, 10)
def test_download(seed, home_of, whole_download, server):
    """Killed while it downloads: the next run goes on from the bytes that had come"""
    home, url = home_of("download", 0), server.url
    break_off(seed, work.fetch, whole_download, home, url)
    server.sent = 0
    part = next(iter((Path(home) / "data").glob("*")), None)
    have = part.stat().st_size if part else 0
    assert finish(work.fetch, home, url)[0] == whole_download[0]
    assert server.sent == len(server.content) - have


@pytest.fixture(scope="session")
def whole_download(home_of, server):
    return finish(work.fetch, home_of("whole", 0), server.url)


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


@pytest.mark.cases(2, 10)
def test_replies(seed, home_of, whole_replies):
    """Killed while replies are kept: each is whole or not there"""
    home = home_of("replies", 0)
    break_off(seed, work.reply, whole_replies, home)
    assert finish(work.reply, home)[0] == whole_replies[0]


@pytest.fixture(scope="session")
def whole_replies(home_of):
    return finish(work.reply, home_of("whole", 0))


@pytest.mark.cases(2, 10)
def test_training(seed, home_of, whole_training):
    """Killed while it trains: the next run ends with the same weights and the same log"""
    home = home_of("training", 0)
    break_off(seed, work.train, whole_training, home)
    assert finish(work.train, home)[0] == whole_training[0]


@pytest.fixture(scope="session")
def whole_training(home_of):
    return finish(work.train, home_of("whole", 0))


@pytest.mark.cases(1, 5)
def test_run(seed, home_of, whole_run, lesson):
    """Killed in a papermill run: the next run has all notebooks, whole, and nothing of the killed one"""
    home = home_of("run", 0)
    break_off(seed, work.run, whole_run, home, lesson)
    assert finish(work.run, home, lesson)[0] == whole_run[0]


@pytest.fixture(scope="session")
def whole_run(home_of, lesson):
    whole = finish(work.run, home_of("whole", 0), lesson)
    assert whole[0]["code"] == 0 and len(whole[0]["cells"]) == 2
    return whole


@pytest.fixture(scope="session")
def lesson(tmp_path_factory):
    """Two notebooks and an edition."""
    folder = tmp_path_factory.mktemp("lesson")
    (folder / "editions").mkdir()
    (folder / "editions" / "offline.yaml").write_text("{}\n")
    for number in range(2):
        cells = [nbformat.v4.new_code_cell("seed: int = 0", metadata={"tags": ["parameters"]})]
        cells += [nbformat.v4.new_code_cell(f"print({number}, {cell})") for cell in range(4)]
        nb = nbformat.v4.new_notebook(cells=cells)
        nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(nb, folder / f"0{number}_small.ipynb")
    return str(folder)

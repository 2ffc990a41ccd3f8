"""A real Milvus server, killed and with killed clients, asked by many and for long; by `make reliability` alone."""

import importlib.util
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import reliability_work as work
from milvus_server import running
from processes import Refused, finish, kill

from rag_lib.collection import Collection

USERS, SECONDS = 50, 60


@pytest.fixture(scope="module")
def place(tmp_path_factory, pytestconfig):
    """place() -> a folder for a server."""
    if not importlib.util.find_spec("milvus"):
        pytest.skip("Not tested here: a real Milvus server (the package milvus==2.3.5 is missing)")

    def place():
        folder = tmp_path_factory.mktemp("milvus")
        (folder / "bin").symlink_to(pytestconfig.cache.mkdir("milvus"))
        return folder

    return place


@pytest.fixture(scope="module")
def server(place):
    with running(place()) as (uri, token, _):
        yield uri, token


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory):
    return finish(work.write, str(tmp_path_factory.mktemp("whole")), *server)


def acknowledged(home):
    dots = Path(home) / "acknowledged"
    return {f"id{n:04}" for n in range(20 * len(dots.read_text()))} if dots.exists() else set()


@pytest.mark.cases(0, 20)
def test_client(seed, server, whole, tmp_path):
    """Killed while it writes to a Milvus server: no acknowledged row is lost, and the next run has all of them"""
    expected, changes, seconds = whole
    with Collection(server[0], "written", dim=work.DIM, token=server[1]) as collection:
        collection.drop()
    chance = random.Random(f"client {seed}")
    when = {"after": chance.uniform(0, seconds)} if seed % 2 else {"before": chance.randrange(changes)}
    kill(work.write, str(tmp_path), *server, **when)
    assert acknowledged(tmp_path) <= set(finish(work.stored, *server)[0])
    assert finish(work.write, str(tmp_path), *server)[0] == expected


@pytest.mark.cases(0, 3)
def test_server(seed, place, whole, tmp_path):
    """A Milvus server killed while it is written to: no acknowledged row is lost, and the next run has all of them"""
    folder = place()
    with running(folder) as (uri, token, keeper), ThreadPoolExecutor(1) as pool:
        writing = pool.submit(finish, work.write, str(tmp_path), uri, token)
        while not acknowledged(tmp_path):
            assert not writing.done() and not time.sleep(0.01)
        time.sleep(random.Random(seed).uniform(0, whole[2] / 2))
        for child in psutil.Process(keeper.pid).children(recursive=True):
            child.kill()
        assert not writing.exception() or isinstance(writing.exception(), Refused)
    with running(folder) as (uri, token, _):
        assert acknowledged(tmp_path) <= set(finish(work.stored, uri, token)[0])
        assert finish(work.write, str(tmp_path), uri, token)[0] == whole[0]


@pytest.mark.cases(0, 1)
def test_users(seed, server, record_property):
    """Fifty users of a Milvus server, a minute: no error, no answer to another's question"""
    items, vectors = work.rows(1_000)
    with Collection(server[0], "asked", dim=work.DIM, token=server[1]) as collection:
        collection.upsert(items, vectors, progress=False)
    process, times, memory = psutil.Process(), [], []
    shelves = [Collection(server[0], "asked", token=server[1]) for _ in range(USERS)]

    def ask(number):
        chance, end = np.random.default_rng(number), time.monotonic() + SECONDS / 2
        while time.monotonic() < end:
            n, start = int(chance.integers(len(items))), time.monotonic()
            hits = shelves[number].search(vectors[n], 3)
            times.append(time.monotonic() - start)
            assert hits[0].item == items[n]

    for _ in range(2):
        with ThreadPoolExecutor(USERS) as pool:
            list(pool.map(ask, range(USERS)))
        memory.append(process.memory_info().rss / 2**20)
    for shelf in shelves:
        shelf.close()
    record_property("cases", len(times))
    print(f"{len(times):,} answers in {SECONDS} s, p95 {np.quantile(times, 0.95):.2f} s, {memory} MB")
    assert memory[1] < memory[0] + 50


@pytest.mark.cases(0, 1)
@pytest.mark.parametrize("where", ["local", "server"])
def test_soak(where, seed, request, tmp_path, record_property):
    """10,000 queries of one process: memory, threads and open files stay as they are"""
    uri, token = (str(tmp_path / "milvus.db"), "") if where == "local" else request.getfixturevalue("server")
    memory, threads, files = np.array(finish(work.soak, uri, token, 10_000, 250, wait=3_600)[0]).T
    warm = len(memory) // 4
    slope = np.polyfit(np.arange(len(memory) - warm) / 4, memory[warm:], 1)[0]  # MB a thousand queries
    record_property("cases", 10_000)
    print(f"{where}: {memory[warm]:.0f} to {memory[-1]:.0f} MB, {slope:+.2f} MB a thousand after {warm * 250:,}")
    print(f"{set(threads[warm:])} threads, {set(files[warm:])} files")
    assert slope < 1 and max(threads[warm:]) - min(threads[warm:]) < 10 and max(files[warm:]) - min(files[warm:]) < 10

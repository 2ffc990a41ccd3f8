"""Many visitors at once, for a while: each gets the answer to their own question, and the server does not grow."""

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from gradio_client import Client

PRODUCTS = ("phone case", "toaster", "lamp", "camera")
THEMES = ("leopard", "zebra", "brick")


@pytest.mark.slow
def test_everybody_gets_their_own_answer(url, served, request, record_property, monkeypatch):
    """Eight visitors for five seconds; with --reliability fifty for a minute, then the same again for the memory."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    visitors, seconds = (50, 60) if request.config.getoption("--reliability") else (8, 5)
    process = psutil.Process(served[1].pid)
    memory, faults, times = [], [], []
    options = {"verbose": False, "analytics_enabled": False, "httpx_kwargs": {"timeout": 60}}  # not its five seconds
    clients = [Client(url, **options) for _ in range(visitors)]
    for _ in range(2):
        end = time.monotonic() + seconds
        done = Counter()
        guard = threading.Lock()

        def visit(number, end=end, done=done, guard=guard):
            chance = np.random.default_rng(number)
            while time.monotonic() < end:
                product, theme = chance.choice(PRODUCTS), chance.choice(THEMES)
                start = time.monotonic()
                answer = clients[number].predict(text=f"{theme} {product}", limit=3, api_name="/ask")
                title = answer["hits"][0]["title"]
                with guard:
                    done[number] += 1
                    times.append(time.monotonic() - start)
                    if title != f"{theme} {product}":
                        faults.append((theme, product, title))

        with ThreadPoolExecutor(visitors) as pool:
            list(pool.map(visit, range(visitors)))  # raises what a visitor was told of
        assert len(done) == visitors
        memory.append(process.memory_info().rss)
    p95 = np.quantile(times, 0.95)
    record_property(
        "promise", f"{visitors} visitors at once: no error, no answer to another's question, bounded memory"
    )
    record_property("cases", len(times))
    print(f"{len(times)} answers in {2 * seconds} s, p95 {p95:.2f} s, memory {[m >> 20 for m in memory]} MiB")
    assert not faults
    assert memory[1] < memory[0] + 100 * 2**20, memory
    assert process.num_threads() < 200 and (os.name != "posix" or process.num_fds() < 500)


@pytest.mark.slow
def test_one_after_the_other_leaves_nothing_behind(url, served, visitor, request, record_property):
    """Ten sessions of a page, with a search and a ranking; with --reliability a thousand, and the memory stays."""
    sessions = 1_000 if request.config.getoption("--reliability") else 10
    process, sizes = psutil.Process(served[1].pid), []
    for number in range(sessions):
        guest, text = visitor(url), f"{THEMES[number % 3]} {PRODUCTS[number % 4]}"
        assert text in guest.call("search", text=text)["found"]
        guest.call("rank")
        assert text in guest.call("show_ranking")["best"]
        if (number + 1) % (sessions // 10) == 0:
            files = process.num_fds() if os.name == "posix" else 0
            sizes.append((process.memory_info().rss / 2**20, process.num_threads(), files))
    memory, threads, files = np.array(sizes[3:]).T  # of a hundred visitors something is held
    slope = np.polyfit(np.arange(len(memory)), memory, 1)[0] / sessions * 10_000  # MB a thousand sessions
    record_property("promise", f"{sessions} sessions, one after the other: bounded memory, threads and open files")
    record_property("cases", sessions)
    print(
        f"memory {[round(each[0]) for each in sizes]} MB, {slope:+.1f} MB a thousand, {threads} threads, {files} files"
    )
    assert sessions < 1_000 or slope < 50
    assert threads.max() < threads.min() + 20 and files.max() < files.min() + 20

"""Several orders of one window are asked at the same time, over real HTTP: how many at once, and what ends early."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rag_lib.errors import RagError
from rag_lib.records import Query
from rag_lib.rerank import load_reranker

QUERY = Query(text="the blue one")


class Crowd:
    """Answers by the color of the tiles, bluest first, after `wait` seconds. `most`: requests in hand at once.

    `enough`: so many must have come before the first is answered; `fails`: at which request, from 1, with a 400.
    """

    def __init__(self, server, wait=0.0, enough=1, fails=0):
        self.server, self.wait, self.fails = server, wait, fails
        self.lock, self.together = threading.Lock(), threading.Barrier(enough)
        self.now = self.most = self.count = 0

    def __call__(self, request):
        with self.lock:
            self.count, self.now = self.count + 1, self.now + 1
            count, self.most = self.count, max(self.most, self.now)
        try:
            if count == self.fails:
                return 400, {"error": {"message": "no more"}}
            self.together.wait(20)
            time.sleep(self.wait)
        finally:
            with self.lock:
                self.now -= 1
        tiles = self.server.read_request(request).tiles
        blue = {label: tile.resize((1, 1)).getpixel((0, 0))[2] for label, tile in tiles.items()}
        order = sorted(tiles, key=lambda label: -blue[label])
        return 200, self.server.structured(order, f"#{order[0]} is blue.")


def test_all_orders_of_a_window_are_asked_at_once(endpoint, server, hits):
    """Not one of the five is answered before all have come."""
    crowd = Crowd(server, enough=5)
    endpoint.script = [crowd]
    ranking = load_reranker("gpt-4o", shuffles=5, timeout=30).rank(QUERY, hits)
    assert crowd.most == 5 and ranking.best.item.image_id == "id-blue"
    assert ranking.reason == "#3 is blue. (First in 5 of 5 shuffled panoramas.)"
    assert ranking.usage["attempts"] == 5 and ranking.usage["total_tokens"] == 5 * 940


@pytest.mark.parametrize("parallel", [1, 2])
def test_no_more_are_asked_at_once_than_allowed(endpoint, server, hits, parallel):
    crowd = Crowd(server, wait=0.1, enough=parallel)
    endpoint.script = [crowd]
    load_reranker("gpt-4o", shuffles=6, parallel=parallel, timeout=30).rank(QUERY, hits)
    assert crowd.most == parallel and crowd.count == 6


def test_the_order_of_the_answers_does_not_matter(endpoint, server, hits):
    """Windows of two over three hits, in two orders each: as one after another, and kept for the next time."""
    endpoint.script = [Crowd(server)]
    options = {"window": 2, "step": 1, "shuffles": 2}
    alone = load_reranker("gpt-4o", parallel=1, cache=False, **options).rank(QUERY, hits)
    asked = len(endpoint.requests)
    together = load_reranker("gpt-4o", **options).rank(QUERY, hits)
    again = load_reranker("gpt-4o", **options).rank(QUERY, hits)
    assert alone.hits == together.hits == again.hits and alone.reason == together.reason == again.reason
    assert len(endpoint.requests) == 2 * asked and again.usage["cached"] == asked


def test_the_first_failure_ends_the_others(endpoint, server, hits):
    """One of four is refused while the others would take longer than anyone waits; what is kept stays kept."""
    crowd = Crowd(server, wait=20, fails=4)
    endpoint.script = [crowd]
    started = time.monotonic()
    with pytest.raises(RagError, match="no more") as caught:
        load_reranker("gpt-4o", shuffles=6, parallel=4).rank(QUERY, hits)
    assert time.monotonic() - started < 15 and caught.value.usage["attempts"] == crowd.count == 4


def test_it_can_be_asked_while_a_loop_runs(endpoint, server, hits):
    """As in a notebook, whose own loop is running already."""
    endpoint.script = [Crowd(server)]

    async def cell():
        before = {thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")}
        ranking = load_reranker("gpt-4o").rank(QUERY, hits)
        after = {thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")}
        return ranking, after - before

    # On a thread of its own: another test's browser may have left its loop to this one.
    with ThreadPoolExecutor(1, thread_name_prefix="notebook") as notebook:
        ranking, left = notebook.submit(asyncio.run, cell()).result()
    assert ranking.best.item.image_id == "id-blue" and not left


@pytest.mark.parametrize("parallel", [0, 101, 2.5, True, "8"])
def test_a_bound_that_is_none(bare, parallel):
    with pytest.raises(RagError, match="parallel is .*whole number from 1 to 100"):
        load_reranker("gpt-4o", base_url="http://127.0.0.1:9/v1", parallel=parallel)

"""Rank up to 100 hits, or rank them more surely, with a reranker that sees a few at once.

In: a reranker, a query and hits. Out: one Ranking, put together from as many as it takes.
Sliding windows are those of RankGPT (Sun et al. 2023, arXiv 2304.09542, section 3.2): from the back of the list to its
front, each window of `window` hits overlapping the last, so that a good hit rises to the front. Shuffles are those of
permutation self-consistency (Tang et al. 2023, arXiv 2310.07712): a model that sees the same candidates in several
random orders, in different places and under different labels, cannot favor a place or a label in all of them. Unlike
there the orders are not independent of each other, see `orders`. The orders of a window are asked at the same time; a
window has to wait for the one behind it, whose best hits it shows again.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from tqdm.auto import tqdm

from rag_lib.errors import RagError
from rag_lib.panorama import MAX_IMAGES
from rag_lib.records import Hit, Query, Ranking
from rag_lib.rerank.base import Cost, Reranker, check_hits, check_whole, cost
from rag_lib.rerank.consensus import consensus, distance
from rag_lib.rerank.describe import check_fields
from rag_lib.rerank.faults import ModelError

MAX_HITS = 100


class ListwiseReranker:
    """`inner` ranks `window` hits at a time.

    `step`: how many places the window moves, less than `window`; None is half of it. The best `window - step` hits of
    the result are those of the whole list, as far as `inner` judges rightly; behind them the order is less sure.
    `shuffles`: how many random orders each window is shown in; 1 shows it once, in the search's order. `seed`: of the
    orders. `on_failure`: "raise" a failure of the model, or "keep" the search's order and say so. Raises RagError for
    values outside of these.
    """

    def __init__(
        self,
        inner: Reranker,
        *,
        window: int = 9,
        step: int | None = None,
        shuffles: int = 1,
        seed: int = 0,
        on_failure: str = "raise",
    ):
        step = window // 2 if step is None and isinstance(window, int) else step
        check_whole("window", window, 2, MAX_IMAGES)
        check_whole("step", step, 1, window - 1)
        check_whole("shuffles", shuffles, 1, 100)
        if on_failure not in ("raise", "keep"):
            raise RagError(f"on_failure is {on_failure!r}; it must be 'raise' or 'keep'.")
        self.inner, self.name = inner, inner.name
        self.window, self.step, self.shuffles, self.seed = window, step, shuffles, seed
        self.on_failure = on_failure

    def windows(self, n: int) -> list[slice]:
        """The windows over `n` hits, in the order in which they are ranked: the last one is at the front."""
        starts = [*range(n - self.window, 0, -self.step), 0]
        return [slice(start, min(n, start + self.window)) for start in starts]

    def cost(self, n: int) -> Cost:
        """Of ranking `n` hits if nothing of it is kept from before; a further attempt after a fault comes on top."""
        each = [cost(self.inner, window.stop - window.start) for window in self.windows(n)]
        return Cost(*(self.shuffles * sum(counts) for counts in zip(*each, strict=True)))

    def rank(self, query: Query, hits: Sequence[Hit]) -> Ranking:
        """Up to 100 hits. Of several calls the cost is told before the first, progress while they last."""
        started = time.perf_counter()
        hits = check_hits(hits, MAX_HITS)
        check_fields(getattr(self.inner, "describe", ()), hits)  # here, because a window may lack what others have
        windows, price = self.windows(len(hits)), self.cost(len(hits))
        if price.calls > 1:
            tqdm.write(f"{self.name} reranks {len(hits)} hits: {price}, if none of its replies is kept.")
        order, reason = list(hits), ""
        evidence, repairs, usage = {}, Counter(), Counter()
        # A remote model takes seconds for one call; of a local one only those above two are worth a bar.
        look = {"desc": f"asking {self.name}", "unit": "call", "leave": False, "delay": 0 if price.calls else 2}
        try:
            with tqdm(total=len(windows) * self.shuffles, **look) as bar:
                for window in windows:
                    found = self._rank_window(query, order[window], bar, usage)
                    order[window], reason = found.hits, found.reason
                    evidence |= found.evidence
                    repairs.update(found.repairs)
        except ModelError as exc:
            usage.update(exc.usage)
            if self.on_failure == "raise":
                exc.usage = dict(usage)
                raise
            order, reason = hits, f"Not reranked, this is the search's order. {exc}"
            evidence, repairs = {}, {}
        usage["seconds"] = time.perf_counter() - started
        return Ranking(tuple(order), reason, evidence, dict(repairs), dict(usage))

    def _rank_window(self, query: Query, hits: Sequence[Hit], bar: tqdm, usage: Counter) -> Ranking:
        """One window, in as many orders as asked; what each took is added to `usage`.

        A model elsewhere is asked about all orders at the same time, one that runs here about one after another.
        """
        shown = [[hits[place] for place in order] for order in orders(len(hits), self.shuffles, self.seed)]

        def rank(order: Sequence[Hit]) -> Ranking:
            ranking = self.inner.rank(query, order)
            bar.update()
            return ranking

        together, rankings = getattr(self.inner, "rank_each", None), []
        for ranking in together(query, shown, bar.update) if together else map(rank, shown):
            rankings.append(ranking)
            usage.update(ranking.usage)
        return rankings[0] if self.shuffles == 1 else merge(hits, rankings)


def orders(n: int, count: int, seed: int = 0) -> Iterator[list[int]]:
    """`count` orders of 0 to n - 1: one is the order as it is; several are random, and fair to all.

    They are rotations of one random order, so that each candidate is as often in front as the others (a Latin square
    when `count` is n): against simulated judges that favor the front, the consensus had 12 to 47% fewer pairs wrong
    than with as many independent orders. After n of them the next random order follows.
    """
    rng, order = random.Random(seed), list(range(n))
    for run in range(count):
        if run % n == 0 and count > 1:
            rng.shuffle(order)
        turn = run % n * n // min(count, n)
        yield order[turn:] + order[:turn]


def merge(hits: Sequence[Hit], rankings: Sequence[Ranking]) -> Ranking:
    """The consensus of several rankings of `hits`. Its usage is left empty.

    The reason is that of the ranking nearest to the consensus among those with the same winner, and says how many
    agreed; evidence is first that ranking's.
    """
    places = {id(hit): place for place, hit in enumerate(hits)}
    found = [[places[id(hit)] for hit in ranking.hits] for ranking in rankings]
    order = consensus(found)
    agreeing = [each for each in zip(found, rankings, strict=True) if each[0][0] == order[0]]
    share = f"{len(agreeing)} of {len(rankings)} shuffled panoramas"
    if agreeing:
        _, nearest = min(agreeing, key=lambda each: distance(each[0], order))
        reason = f"{nearest.reason} (First in {share}.)"
    else:
        nearest = rankings[0]
        reason = f"Number {hits[order[0]].rank} is first by its mean place, but in {share}."
    evidence = {key: value for ranking in (*rankings, nearest) for key, value in ranking.evidence.items()}
    repairs = sum((Counter(ranking.repairs) for ranking in rankings), Counter())
    return Ranking(tuple(hits[place] for place in order), reason, evidence, repairs)

import itertools
import random
from pathlib import Path

import pytest
from PIL import Image

from rag_lib.errors import RagError
from rag_lib.records import Evidence, Hit, Item, Query, Ranking
from rag_lib.rerank import Cost, cost, load_reranker
from rag_lib.rerank.base import check_hits
from rag_lib.rerank.consensus import consensus, distance
from rag_lib.rerank.faults import ModelError
from rag_lib.rerank.identity import IdentityReranker
from rag_lib.rerank.listwise import ListwiseReranker, merge, orders

QUERY = Query(text="x")


class Judge:
    """A perfect judge of at most `most` hits, who knows how good each is. `seen`: what it was shown, by rank.

    `bias`: how much better a hit looks for each place nearer to the front; `fails`: at which call, from 1.
    """

    name = "judge"

    def __init__(self, worth, most=25, bias=0.0, fails=0):
        self.worth, self.most, self.bias, self.fails, self.seen = worth, most, bias, fails, []

    def cost(self, n):
        return Cost(1, 100 * n)

    def rank(self, query, hits):
        hits = check_hits(hits, self.most)
        self.seen.append([hit.rank for hit in hits])
        if len(self.seen) == self.fails:
            raise ModelError("The model is gone.", {"attempts": 3})
        looks = {id(hit): self.worth[hit.rank] - self.bias * place for place, hit in enumerate(hits)}
        order = tuple(sorted(hits, key=lambda hit: -looks[id(hit)]))
        return Ranking(
            order,
            f"Number {order[0].rank} is worth {self.worth[order[0].rank]:g}.",
            {hit.item.image_id: Evidence(keeps=(f"call {len(self.seen)}",)) for hit in order},
            {"missing": 1},
            {"attempts": 2, "total_tokens": 10, "seconds": 1.0},
        )


def make_hits(n):
    return [Hit(rank, 0.5, Item(f"id-{rank}", Path("x"))) for rank in range(1, n + 1)]


def make_worth(n, seed=0):
    return dict(enumerate(random.Random(seed).sample(range(100 * n), n), 1))


def ranks(ranking):
    return [hit.rank for hit in ranking.hits]


@pytest.mark.parametrize(
    ("n", "window", "step"), [(10, 9, None), (25, 9, 4), (100, 9, None), (100, 20, 10), (30, 5, 1)]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_a_long_list_come_first(n, window, step, seed):
    worth = make_worth(n, seed)
    judge = Judge(worth, most=window)
    reranker = ListwiseReranker(judge, window=window, step=step)
    ranking = reranker.rank(QUERY, make_hits(n))
    right = sorted(worth, key=lambda rank: -worth[rank])
    assert sorted(ranks(ranking)) == list(range(1, n + 1))
    sure = window - reranker.step
    assert ranks(ranking)[:sure] == right[:sure]
    assert ranking.reason == f"Number {right[0]} is worth {worth[right[0]]}."


def test_windows_go_from_the_back_to_the_front():
    judge = Judge(dict.fromkeys(range(1, 11), 0))  # all are equal, so that nothing moves
    ListwiseReranker(judge, window=4, step=2).rank(QUERY, make_hits(10))
    assert judge.seen == [[7, 8, 9, 10], [5, 6, 7, 8], [3, 4, 5, 6], [1, 2, 3, 4]]
    judge.seen.clear()
    ListwiseReranker(judge, window=4, step=3).rank(QUERY, make_hits(9))
    assert judge.seen == [[6, 7, 8, 9], [3, 4, 5, 6], [1, 2, 3, 4]]


@pytest.mark.parametrize("n", [1, 8, 9])
def test_what_fits_one_window_is_one_call_in_the_given_order(n):
    judge = Judge(make_worth(n))
    ranking = ListwiseReranker(judge).rank(QUERY, make_hits(n))
    assert judge.seen == [list(range(1, n + 1))]
    alone = Judge(make_worth(n)).rank(QUERY, make_hits(n))
    assert (ranking.hits, ranking.reason, ranking.evidence) == (alone.hits, alone.reason, alone.evidence)
    assert ranking.usage["attempts"] == 2 and ranking.usage["seconds"] < 1  # measured, not added


def test_what_the_calls_took_and_found_is_put_together():
    ranking = ListwiseReranker(Judge(make_worth(12)), window=4, step=2).rank(QUERY, make_hits(12))
    assert ranking.repairs == {"missing": 5}
    assert ranking.usage["attempts"] == 10 and ranking.usage["total_tokens"] == 50
    assert set(ranking.evidence) == {f"id-{rank}" for rank in range(1, 13)}
    # Of a hit that several windows saw, the last word counts: that on the front is the last of all.
    assert [ranking.evidence[hit.item.image_id].keeps for hit in ranking.hits[:4]] == [("call 5",)] * 4


@pytest.mark.parametrize(("n", "shuffles", "calls"), [(9, 1, 1), (9, 5, 5), (10, 1, 2), (100, 1, 24), (100, 3, 72)])
def test_the_cost_is_known_before_and_right(n, shuffles, calls, capsys):
    judge = Judge(make_worth(n))
    reranker = ListwiseReranker(judge, shuffles=shuffles)
    told = cost(reranker, n)
    assert told.calls == calls and told.image_tokens == 900 * calls
    reranker.rank(QUERY, make_hits(n))
    assert len(judge.seen) == calls and {len(seen) for seen in judge.seen} == {9}
    line = f"judge reranks {n} hits: {calls} calls with one picture each, about {900 * calls:,} tokens of pictures"
    said = capsys.readouterr().out
    assert line in said if calls > 1 else said == ""


def test_a_reranker_that_runs_here_costs_nothing(capsys):
    reranker = ListwiseReranker(IdentityReranker(), shuffles=2)
    hits = make_hits(30)
    assert cost(reranker, 30) == cost(IdentityReranker(), 30) == Cost() and str(Cost()) == "no call of a model"
    assert reranker.rank(QUERY, hits[:9]).hits != hits and capsys.readouterr().out == ""
    assert ListwiseReranker(IdentityReranker()).rank(QUERY, hits).hits == tuple(hits)


def test_shuffles_are_several_orders_and_the_same_each_time():
    judges = [Judge(make_worth(9)) for _ in range(3)]
    for judge, seed in zip(judges, (0, 0, 1), strict=True):
        ListwiseReranker(judge, shuffles=4, seed=seed).rank(QUERY, make_hits(9))
    one, again, other = (judge.seen for judge in judges)
    assert len({tuple(order) for order in one}) == 4 and one == again != other
    assert all(sorted(order) == list(range(1, 10)) for order in one)


def test_shuffles_overcome_a_judge_who_favors_the_front():
    """The best are at the back, and a place at the front makes up for four steps of worth."""
    worth = {rank: float(rank) for rank in range(1, 10)}
    once = ListwiseReranker(Judge(worth, bias=4)).rank(QUERY, make_hits(9))
    often = ListwiseReranker(Judge(worth, bias=4), shuffles=18).rank(QUERY, make_hits(9))
    assert ranks(once) == list(range(1, 10))  # fooled
    right = list(range(9, 0, -1))
    assert distance(ranks(often), right) <= 6 and distance(ranks(once), right) == 36


@pytest.mark.parametrize(("n", "count"), [(9, 3), (9, 9), (4, 7), (1, 3), (2, 5), (25, 2)])
def test_orders_are_fair_to_all(n, count):
    found = list(orders(n, count))
    assert all(sorted(order) == list(range(n)) for order in found)
    assert len({tuple(order) for order in found[:n]}) == min(n, count)
    for candidate in range(n):
        places = [order.index(candidate) for order in found[:n]]
        assert len(set(places)) == len(places)
    assert list(orders(n, 1, seed=5)) == [list(range(n))]
    assert n < 4 or list(orders(n, count, seed=5)) != found


def test_no_more_than_a_hundred_hits():
    with pytest.raises(RagError, match="100"):
        ListwiseReranker(IdentityReranker()).rank(QUERY, make_hits(101))


def test_the_reason_is_one_of_the_winner_and_counts_who_agrees():
    ranking = ListwiseReranker(Judge(make_worth(9)), shuffles=3).rank(QUERY, make_hits(9))
    best = ranking.best.rank
    assert ranking.reason == f"Number {best} is worth {make_worth(9)[best]}. (First in 3 of 3 shuffled panoramas.)"


def test_a_winner_whom_no_order_put_first_says_so():
    class Torn:
        """Answers with the first list, then with the second."""

        name, lists = "torn", iter([[1, 2, 4, 3], [3, 2, 4, 1]])

        def rank(self, query, hits):
            by_rank = {hit.rank: hit for hit in hits}
            return Ranking(tuple(by_rank[rank] for rank in next(self.lists)), "Mine.")

    ranking = ListwiseReranker(Torn(), shuffles=2).rank(QUERY, make_hits(4))
    assert ranks(ranking) == [2, 1, 3, 4]
    assert ranking.reason == "Number 2 is first by its mean place, but in 0 of 2 shuffled panoramas."


def test_the_consensus_speaks_with_the_voice_nearest_to_it():
    """Of those who put the winner first the second agrees most with all; what it says goes before the others."""
    lists = [[1, 4, 3, 2], [1, 2, 3, 4], [1, 2, 4, 3], [2, 1, 3, 4]]
    hits, by_id = make_hits(4), "id-{}".format
    by_rank = {hit.rank: hit for hit in hits}
    rankings = [
        Ranking(
            tuple(by_rank[rank] for rank in order),
            f"Voice {number}.",
            {by_id(rank): Evidence(keeps=(f"voice {number}",)) for rank in order[: 2 + (number != 2)]},
            {"missing": number},
        )
        for number, order in enumerate(lists, 1)
    ]
    merged = merge(hits, rankings)
    assert ranks(merged) == [1, 2, 3, 4]  # mean places 0.25, 1.25, 2.0, 2.5
    assert merged.reason == "Voice 2. (First in 3 of 4 shuffled panoramas.)"
    told = {key: value.keeps[0] for key, value in merged.evidence.items()}
    assert told == {"id-1": "voice 2", "id-2": "voice 2", "id-3": "voice 4", "id-4": "voice 3"}
    assert merged.repairs == {"missing": 1 + 2 + 3 + 4}


@pytest.mark.parametrize("shuffles", [1, 2])
def test_a_failure_on_the_way_is_raised_or_keeps_the_search_order(shuffles):
    hits = make_hits(20)
    with pytest.raises(ModelError, match="The model is gone"):
        ListwiseReranker(Judge(make_worth(20), fails=3), shuffles=shuffles).rank(QUERY, hits)
    judge = Judge(make_worth(20), fails=3)
    ranking = ListwiseReranker(judge, shuffles=shuffles, on_failure="keep").rank(QUERY, hits)
    assert ranking.hits == tuple(hits) and ranking.evidence == {} and ranking.repairs == {}
    assert ranking.reason == "Not reranked, this is the search's order. The model is gone."
    assert ranking.usage["attempts"] == 2 + 2 + 3 and len(judge.seen) == 3  # and no further call


def test_a_real_failure_keeps_the_search_order_too(endpoint, hits):
    endpoint.script = [(500, {"error": {"message": "boom"}}, {"Retry-After": "0.01"})]
    ranking = load_reranker("gpt-4o", on_failure="keep").rank(QUERY, hits)
    assert ranking.hits == tuple(hits) and ranking.usage["attempts"] == 3
    assert ranking.reason.startswith("Not reranked") and "500" in ranking.reason


def test_what_the_user_did_wrong_is_raised_even_so(endpoint):
    with pytest.raises(RagError, match="Nothing to rerank"):
        load_reranker("gpt-4o", on_failure="keep").rank(QUERY, [])
    with pytest.raises(RagError, match="101 hits are too many.*at most 100"):
        load_reranker("gpt-4o", on_failure="keep").rank(QUERY, make_hits(101))


def test_over_the_wire_each_window_has_its_labels_and_the_reason_the_numbers_of_the_search(endpoint, server):
    """The model finds the one blue picture, the last of 12, in windows of 5 and two orders each."""
    colors = {rank: (0, 0, 200) if rank == 12 else (100 + 10 * rank, 0, 0) for rank in range(1, 13)}
    hits = [Hit(rank, 0.5, Item(f"id-{rank}", Image.new("RGB", (40, 40), color))) for rank, color in colors.items()]

    def look(request):
        _, _, tiles = server.read_request(request)
        order = sorted(tiles, key=lambda label: tiles[label].resize((1, 1)).getpixel((0, 0))[0])
        return 200, server.structured(order, f"Number {order[0]} is blue, {order[1]} is not.")

    endpoint.script = [look]
    reranker = load_reranker("gpt-4o", window=5, step=2, shuffles=2)
    ranking = reranker.rank(QUERY, hits)
    assert ranking.best.rank == 12
    assert ranking.reason.startswith("Number 12 is blue, ") and "(First in 2 of 2" in ranking.reason
    assert len(endpoint.requests) == cost(reranker, 12).calls == 10
    again = load_reranker("gpt-4o", window=5, step=2, shuffles=2).rank(QUERY, hits)
    assert again.hits == ranking.hits and again.usage["cached"] == 10 and len(endpoint.requests) == 10


@pytest.mark.parametrize(
    "options",
    [
        {"window": 1},
        {"window": 26},
        {"window": "9"},
        {"window": 9, "step": 0},
        {"window": 9, "step": 9},
        {"window": 9, "step": 2.5},
        {"shuffles": 0},
        {"shuffles": True},
        {"on_failure": "ignore"},
    ],
)
def test_wrong_options(options):
    with pytest.raises(RagError, match="must be"):
        ListwiseReranker(IdentityReranker(), **options)


def test_borda_by_hand():
    assert consensus([[0, 1, 2], [0, 2, 1], [2, 0, 1]]) == [0, 2, 1]
    assert consensus([[0, 1], [1, 0]]) == [0, 1]  # equal: the lower number
    assert distance([0, 1, 2], [0, 1, 2]) == 0 and distance([0, 1, 2], [2, 1, 0]) == 3
    assert distance([0, 1, 2], [0, 2, 1]) == 1


def test_the_consensus_is_near_the_best_of_all_permutations():
    """Against Kemeny's by brute force, over rankings of 5 that are one true order, disturbed."""
    rng, ours, best = random.Random(3), 0, 0
    for _ in range(60):
        rankings = [sorted(range(5), key=lambda place: place + rng.gauss(0, 2)) for _ in range(5)]

        def total(order, rankings=rankings):
            return sum(distance(order, ranking) for ranking in rankings)

        ours += total(consensus(rankings))
        best += min(map(total, itertools.permutations(range(5))))
    assert best <= ours <= 1.05 * best

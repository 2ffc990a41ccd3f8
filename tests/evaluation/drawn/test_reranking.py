"""The safety gate on rerankers whose effect is known, and on the one that ships."""

import pytest

from rag_lib.evaluation.drawn.meter import Asked
from rag_lib.evaluation.drawn.plan import FAMILIES, GALLERIES, answers
from rag_lib.evaluation.drawn.report import ALL
from rag_lib.evaluation.drawn.reranking import Outcome, gate, pick_queries, read_claim, rerank_all
from rag_lib.evaluation.drawn.tables import gate_tables
from rag_lib.evaluation.measures import FIRST
from rag_lib.records import Evidence, Ranking
from rag_lib.rerank import load_reranker


class Reordering:
    """Puts hits in an order of `key(query text, image id)`, and says of each what `evidence` does."""

    name = "reordering"

    def __init__(self, key, evidence=lambda image_id: Evidence()):
        self.key, self.evidence = key, evidence

    def rank(self, query, hits):
        ordered = sorted(hits, key=lambda hit: self.key(query, hit))
        return Ranking(tuple(ordered), evidence={h.item.image_id: self.evidence(h.item.image_id) for h in hits})


def worse(asked, benchmark):
    """The same answers with the right ones moved off the first place: a search that leaves something to mend."""
    for one in asked:
        run = {}
        for query in one.queries:
            hits, right = list(one.run[query.query_id].items()), one.qrels[query.query_id]
            names = sorted((image_id for image_id, _ in hits[:FIRST]), key=lambda image_id: image_id in right)
            names += [image_id for image_id, _ in hits[FIRST:]]
            run[query.query_id] = dict(zip(names, (score for _, score in hits), strict=True))
        yield Asked(one.gallery, one.own, one.way, one.queries, run, one.qrels)


def find(found, family):
    return next(row for row in found.rows if row["family"] == family)


def test_the_order_of_the_search_is_no_reason_to_use_a_reranker(asked, benchmark):
    found = gate(rerank_all(asked, load_reranker("identity"), benchmark), benchmark)
    assert found.use is None and found.verdict.startswith("No reason to use this reranker for its order")
    assert {row["difference"] for row in found.rows} == {0} and {row["p"] for row in found.rows} == {1}
    assert [row["family"] for row in found.rows] == [ALL, *FAMILIES]


def test_a_reranker_that_reverses_the_order_is_not_to_be_used(asked, benchmark):
    found = gate(rerank_all(asked, Reordering(lambda query, hit: -hit.rank), benchmark), benchmark)
    assert found.use is False and found.verdict.startswith("Do not use this reranker here")
    row = find(found, ALL)
    assert row["spoiled"] > 100 and row["difference"] < -0.8 and row["p"] < 0.001


def test_a_reranker_that_knows_the_answers_is_to_be_used(asked, benchmark):
    shelf = benchmark.plan.shelf("standard")
    right = {
        (benchmark.path(q.image_id) if q.image_id else None, q.text): answers(q, shelf) for q in benchmark.plan.queries
    }
    knowing = Reordering(lambda query, hit: hit.item.image_id not in right[query.image, query.text])
    found = gate(rerank_all(worse(asked, benchmark), knowing, benchmark), benchmark)
    assert found.use is True and found.verdict.startswith("Use this reranker")
    for row in found.rows:  # all that is within reach, and no more
        assert row["reranked"] == row["within"] > row["retrieved"]


def test_harm_to_one_family_outweighs_a_better_order_of_all(asked, benchmark):
    """It mends two families and turns the third around."""
    swaps = {q.text for q in benchmark.plan.queries if q.family == "category swap"}
    shelf = benchmark.plan.shelf("standard")
    right = {q.text: set() for q in benchmark.plan.queries}
    for query in benchmark.plan.queries:
        right[query.text] |= answers(query, shelf)

    def key(query, hit):
        return -hit.rank if query.text in swaps else hit.item.image_id not in right[query.text]

    mixed = [one for one in worse(asked, benchmark)]
    kept = {query.query_id for query in benchmark.plan.queries if query.family == "category swap"}
    for one, before in zip(mixed, asked, strict=True):
        one.run.update({name: hits for name, hits in before.run.items() if name in kept})
    found = gate(rerank_all(mixed, Reordering(key), benchmark), benchmark)
    assert find(found, ALL)["difference"] > 0
    assert found.use is False and "category swap in the standard gallery" in found.verdict


@pytest.mark.parametrize(
    ("galleries", "mended", "use"),
    [(GALLERIES, 6, None), (GALLERIES, 7, True), (GALLERIES[:1], 6, True), (GALLERIES[:1], 5, None)],
)
def test_of_two_galleries_each_must_be_better_at_half_the_level(benchmark, galleries, mended, use):
    """Six queries that are mended and none spoiled have p = 2/64 = 0.031, seven 0.016; five 0.063."""
    swaps = [query for query in benchmark.plan.queries if query.family == "category swap"][:20]
    outcomes = [
        Outcome(
            gallery, query, retrieved=False, reranked=gallery == "standard" and n < mended, within=True, evidence={}
        )
        for gallery in galleries
        for n, query in enumerate(swaps)
    ]
    assert gate(outcomes, benchmark).use is use


def test_a_sample_is_spread_over_the_families(asked):
    some = list(pick_queries(asked, 5))
    assert len(some) == 5 * len(FAMILIES)
    assert {query.family for _, query, _, _ in some} == set(FAMILIES)
    assert len({query.query_id for _, query, _, _ in some}) == len(some)


@pytest.mark.parametrize(
    ("phrase", "labels"),
    [
        ("the leopard theme of your picture", {"theme": "leopard"}),
        ("probably dots theme, your picture has stripes", {"theme": "dots"}),
        ("natural colors, asked for red", {"color": "natural"}),
        ("a game controller, probably asked for mouse", {"category": "game controller"}),
        ("color blue, as asked", {"color": "blue"}),
        (
            "a red phone case with stripes, as in your picture",
            {"category": "phone case", "color": "red", "theme": "stripes"},
        ),
        ("a picture that cannot be opened", {}),
    ],
)
def test_what_a_phrase_says_is_read_from_its_claim_alone(phrase, labels):
    assert read_claim(phrase) == labels


def test_a_false_explanation_is_counted_as_one(asked, benchmark):
    lying = Reordering(lambda query, hit: hit.rank, lambda image_id: Evidence(changes=("a toaster, as asked",)))
    found = gate(rerank_all(asked, lying, benchmark, sample=20), benchmark)
    shares = {(row["attribute"], row["combination"]): row["right"] for row in found.explained}
    assert 0 <= shares["category", "seen"] < 0.3 and shares["color", "seen"] is None


def test_the_pocket_reranker_says_what_pictures_show_also_in_combinations_that_training_never_saw(asked, benchmark):
    found = gate(rerank_all(asked, load_reranker("pocket"), benchmark), benchmark)
    assert found.use is not False
    for row in found.explained:
        assert row["n"] > 50 and row["right"] >= (0.90 if row["attribute"] == "theme" else 0.95), row
    printed = gate_tables(found)
    assert printed.endswith(found.verdict) and f"within {FIRST}" in printed and "theme, unseen" in printed

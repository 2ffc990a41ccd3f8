"""The safety gate: is a reranker's order better than the search's, and is what it explains true?

In: what `meter.ask` yields of the drawn benchmark, and a reranker. The first hits of every query are reranked, as it
means to be asked and without its own picture. Out: a `Gate`, with the paired comparison for each gallery and family,
the share of right attributes in the evidence, and a plain verdict. With a weak model the order can get worse, and only
a paired test can tell.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rag_lib.drawn.combinations import LABELS, is_held_out
from rag_lib.encoders.vocabulary import Caution
from rag_lib.evaluation.drawn.benchmark import Benchmark
from rag_lib.evaluation.drawn.meter import Asked
from rag_lib.evaluation.drawn.plan import COMPOSED, FAMILIES, GALLERIES, DrawnQuery
from rag_lib.evaluation.drawn.report import ALL
from rag_lib.evaluation.measures import FIRST
from rag_lib.evaluation.significance import compare
from rag_lib.records import Evidence, Hit, Item, Query
from rag_lib.rerank import Reranker

LEVEL = 0.05  # of the tests
SAID = {name: attribute for attribute, names in LABELS.items() for name in names}


class Outcome(NamedTuple):
    """One query in one gallery: whether the first was right before and after, and the evidence by image id."""

    gallery: str
    query: DrawnQuery
    retrieved: bool
    reranked: bool
    within: bool
    evidence: Mapping[str, Evidence]


@dataclass(frozen=True)
class Gate:
    """`rows`: gallery, family, n, within (a right answer is among the hits), retrieved and reranked (Recall@1), mended
    and spoiled (queries), difference, low, high, p. `explained`: attribute, combination, n, right (a share; None where
    nothing was said). `use`: True, False, or None if no difference is shown; `verdict`: the same in a sentence.
    """

    rows: list[dict]
    explained: list[dict]
    use: bool | None
    verdict: str


def rerank_all(
    answers: Iterable[Asked], reranker: Reranker, benchmark: Benchmark, *, sample: int | None = None
) -> list[Outcome]:
    """Rerank the first hits of every query. `sample`: of only so many of each family and gallery, evenly taken."""
    from tqdm.auto import tqdm

    outcomes = []
    for gallery, query, found, right in tqdm(list(pick_queries(answers, sample)), desc="rerank", unit="query"):
        # Titles and metadata of a catalog could give the answer away: candidates are pictures here, and nothing else.
        hits = [Hit(n, score, Item(image_id, benchmark.path(image_id))) for n, (image_id, score) in enumerate(found, 1)]
        with warnings.catch_warnings():  # evaluations do not warn: unheard words are what some splits are for
            warnings.simplefilter("ignore", Caution)
            ranking = reranker.rank(Query(query.image_id and benchmark.path(query.image_id), query.text), hits)
        outcomes.append(
            Outcome(
                gallery,
                query,
                retrieved=hits[0].item.image_id in right,
                reranked=ranking.best.item.image_id in right,
                within=any(hit.item.image_id in right for hit in hits),
                evidence=ranking.evidence,
            )
        )
    return outcomes


def gate(outcomes: Sequence[Outcome], benchmark: Benchmark) -> Gate:
    """Compare, and say plainly whether the reranker should be used."""
    rows = [
        _row(gallery, family, some)
        for gallery in GALLERIES
        for family in (ALL, *FAMILIES)
        if (some := [o for o in outcomes if o.gallery == gallery and family in _families(o.query)])
    ]
    return Gate(rows, _count_right(outcomes, benchmark), *_verdict(rows))


def pick_queries(answers: Iterable[Asked], sample: int | None) -> Iterator[tuple]:
    """(gallery, query, its first hits as (image id, score), the right answers)."""
    for asked in answers:
        for family in FAMILIES:
            if asked.own == "excluded" and asked.way == ("composed" if family in COMPOSED else family):
                some = [query for query in asked.queries if query.family == family]
                if sample and sample < len(some):
                    some = [some[int(place)] for place in np.linspace(0, len(some) - 1, sample)]
                for query in some:
                    found = list(asked.run[query.query_id].items())[:FIRST]
                    yield asked.gallery, query, found, asked.qrels[query.query_id]


def _families(query: DrawnQuery) -> tuple[str, ...]:
    return (query.family, ALL) if query.family in COMPOSED else (query.family,)


def _row(gallery: str, family: str, some: Sequence[Outcome]) -> dict:
    before, after = (np.array([getattr(o, name) for o in some], float) for name in ("retrieved", "reranked"))
    found = compare(after, before).as_row()
    return {
        "gallery": gallery,
        "family": family,
        "n": len(some),
        "within": round(float(np.mean([o.within for o in some])), 4),
        "retrieved": round(float(before.mean()), 4),
        "reranked": round(float(after.mean()), 4),
        "mended": int((after > before).sum()),
        "spoiled": int((after < before).sum()),
        **{name: found[name] for name in ("difference", "low", "high", "p")},
    }


def _verdict(rows: Sequence[dict]) -> tuple[bool | None, str]:
    """Harm is believed sooner than help: any family that is significantly worse decides, uncorrected; a gallery must
    be significantly better at half the level, because there are two chances for it (Bonferroni).
    """
    worse = [row for row in rows if row["difference"] < 0 and row["p"] < LEVEL]
    if worse:
        places = ", ".join(
            f"{row['family']} in the {row['gallery']} gallery ({row['difference']:+.3f})" for row in worse
        )
        return False, f"Do not use this reranker here: it makes the search's order worse: {places}."
    galleries = [row for row in rows if row["family"] == ALL]
    better = [row for row in galleries if row["difference"] > 0 and row["p"] < LEVEL / len(galleries)]
    if better:
        places = ", ".join(f"{row['gallery']} gallery ({row['difference']:+.3f}, p {row['p']:.2g})" for row in better)
        return True, (
            f"Use this reranker: it puts the right answer first more often: {places}; no family gets significantly "
            "worse."
        )
    shown = ", ".join(f"{row['difference']:+.3f} in the {row['gallery']} gallery" for row in galleries)
    return None, (
        f"No reason to use this reranker for its order: the difference ({shown}) may be chance. What it explains is "
        "another matter: see the shares of right attributes."
    )


def _count_right(outcomes: Sequence[Outcome], benchmark: Benchmark) -> list[dict]:
    """The share of right attributes in the evidence on candidates, by whether training saw their combination."""
    right: dict[tuple[str, str], list[bool]] = {}
    for outcome in outcomes:
        for image_id, evidence in outcome.evidence.items():
            shown = benchmark.plan.pictures[image_id].shown
            if shown[0] is None:  # a query picture: a leopard has no category that could be right
                continue
            combination = "unseen" if is_held_out(*shown) else "seen"
            for phrase in (*evidence.keeps, *evidence.changes, *evidence.violates):
                for attribute, label in read_claim(phrase).items():
                    truth = shown[list(LABELS).index(attribute)]
                    right.setdefault((attribute, combination), []).append(label == truth)
    rows = [(attribute, combination) for attribute in LABELS for combination in ("seen", "unseen")]
    return [
        {
            "attribute": attribute,
            "combination": combination,
            "n": len(found),
            "right": round(float(np.mean(found)), 4) if found else None,
        }
        for attribute, combination in rows
        for found in [right.get((attribute, combination), [])]
    ]


def read_claim(phrase: str) -> dict[str, str]:
    """What one phrase of evidence says that a candidate shows: attribute -> label.

    Only the benchmark's own labels are counted ("stripes", not "striped"): of a model that speaks in its own words the
    shares rest on the phrases that happen to use them, and their n is small.
    """
    claim = re.split(r", (?:probably )?(?:asked for|your picture)|, as (?:asked|in)", phrase)[0].lower()
    found = {}
    for label, attribute in sorted(SAID.items(), key=lambda pair: -len(pair[0])):
        pattern = rf"\b{re.escape(label)}\b"
        if attribute not in found and re.search(pattern, claim):
            found[attribute] = label
            claim = re.sub(pattern, "", claim)  # "game controller" is not also a "controller"
    return found

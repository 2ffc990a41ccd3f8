"""What goes wrong: the queries whose first hit is no right answer, and the attributes that this hit gets wrong.

In: a run with its qrels, and the plan that knows what every picture shows; out: `Failure` records.
"""

from dataclasses import dataclass

from rag_lib.evaluation.drawn.meter import Asked
from rag_lib.evaluation.drawn.plan import DrawnQuery, Picture, Plan

ATTRIBUTES = ("category", "theme", "color")  # in the order of `Picture.shown`


@dataclass(frozen=True)
class Failure:
    """`first`: what was ranked first. `right`: the right answer that came highest, at `rank`, from 1.

    `rank` is None where no right answer is in the run, which holds the first 100. `wrong`: those of `ATTRIBUTES` in
    which `first` is not what was wanted; none if it is the query's own picture.
    """

    query: DrawnQuery
    first: Picture
    right: Picture
    rank: int | None
    wrong: tuple[str, ...]


def failures(asked: Asked, plan: Plan) -> list[Failure]:
    """Of one run, in the order of its queries; a query without a single hit is none."""
    found = []
    for query in asked.queries:
        ranked, right = list(asked.run[query.query_id]), asked.qrels[query.query_id]
        if not ranked or ranked[0] in right:
            continue
        rank = next((place for place, image_id in enumerate(ranked, 1) if image_id in right), None)
        first = plan.pictures[ranked[0]]
        wrong = tuple(
            name
            for name, wanted, shown in zip(ATTRIBUTES, query.wanted, first.shown, strict=True)
            if wanted and wanted != shown
        )
        best = ranked[rank - 1] if rank else next(iter(right))
        found.append(Failure(query, first, plan.pictures[best], rank, wrong))
    return found

"""From runs to figures: a row for every gallery, family, split and way of asking; as JSON and as Markdown tables.

In: what `meter.ask` yields; out: a `Report`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag_lib.errors import RagError
from rag_lib.evaluation.drawn.meter import Asked
from rag_lib.evaluation.drawn.plan import COMPOSED, DrawnQuery
from rag_lib.evaluation.measures import DEPTH, MEASURES, per_query, read_run, write_qrels, write_run
from rag_lib.evaluation.significance import INTERVAL, TEST, compare, interval

ALL = "all composed"  # the three composed families together
WHOLE = "all"  # a family without a split
SHARED = ("combination", "phrasing")  # the splits that all composed families have
RECALL_1 = list(MEASURES).index("Recall@1")

Key = tuple[str, str, str]  # gallery, own picture kept or excluded, way


@dataclass(frozen=True)
class Report:
    """`rows`: gallery, own, family, split, way, n, measures -> mean, low, high. `compared`: composed minus average."""

    rows: list[dict]
    compared: list[dict]

    def find(self, gallery: str, family: str, *, split: str = WHOLE, way: str = "composed", own: str = "excluded"):
        """A row's measures: name -> {"mean", "low", "high"}; KeyError if there is none."""
        wanted = dict(gallery=gallery, own=own, family=family, split=split, way=way)
        for row in self.rows:
            if wanted.items() <= row.items():
                return row["measures"]
        raise KeyError(wanted)


def report(answers: Iterable[Asked], *, runs: Path | None = None, tag: str = "run") -> Report:
    """Measure every run. `runs`: a folder for TREC files; `tag`: the system's name in them."""
    rows, compared, values = [], [], {}
    for asked in answers:
        key = asked.gallery, asked.own, asked.way
        values[key] = per_query(asked.run, asked.qrels)
        if runs:
            write_run(runs / run_name(key), asked.run, tag)
            write_qrels(runs / f"{asked.gallery}.{asked.way.replace(' ', '-')}.qrels", asked.qrels)
        for (family, split), chosen in groups(asked.queries).items():
            some = values[key][chosen]
            low, high = interval(some)
            figures = {
                name: {"mean": round(float(m), 4), "low": round(float(a), 4), "high": round(float(b), 4)}
                for name, m, a, b in zip(MEASURES, some.mean(axis=0), low, high, strict=True)
            }
            place = dict(gallery=asked.gallery, own=asked.own, family=family, split=split)
            rows.append({**place, "way": asked.way, "n": len(some), "measures": figures})
            if asked.way == "average":  # the composed run came before it, with the same queries
                composed = values[asked.gallery, asked.own, "composed"][chosen]
                found = compare(composed[:, RECALL_1], some[:, RECALL_1])
                compared.append({**place, "measure": "Recall@1", **found.as_row()})
    return Report(rows, compared)


def groups(queries: Sequence[DrawnQuery]) -> dict[tuple[str, str], np.ndarray]:
    """(family, split) -> the positions of its queries; splits are "all" and every tag, such as "phrasing: seen"."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, query in enumerate(queries):
        splits = [f"{name}: {value}" for name, value in query.tags.items()]
        keys = [(query.family, split) for split in (WHOLE, *splits)]
        if query.family in COMPOSED:
            keys += [(ALL, split) for split in (WHOLE, *splits) if split.startswith((WHOLE, *SHARED))]
        for key in keys:
            found.setdefault(key, []).append(place)
    return {key: np.array(places) for key, places in found.items()}


def run_name(key: Key) -> str:
    """The file of a run: "standard.excluded.composed.run"."""
    gallery, own, way = key
    return f"{gallery}.{own}.{way.replace(' ', '-')}.run"


def against(answers: Iterable[Asked], folder: Path) -> list[dict]:
    """Our composed runs minus those that another model's `--runs` left in `folder`, Recall@1, a row for each family.

    Raises RagError if one of them is missing, or does not hold as many hits of the same queries as ours.
    """
    rows = []
    for asked in answers:
        if asked.way != "composed":
            continue
        name = run_name((asked.gallery, asked.own, asked.way))
        run = read_run(folder / name)
        for query_id, hits in asked.run.items():
            if len(run.get(query_id, ())) != len(hits):
                found = f"{len(run.get(query_id, ()))} of {len(hits)} hits of the query {query_id}"
                raise RagError(f"The run '{name}' in '{folder.name}' holds {found}: make it anew with --runs.")
        ours, theirs = (per_query(some, asked.qrels)[:, RECALL_1] for some in (asked.run, run))
        for (family, split), chosen in groups(asked.queries).items():
            if split == WHOLE:
                found = compare(ours[chosen], theirs[chosen]).as_row()
                rows.append({"gallery": asked.gallery, "own": asked.own, "family": family, **found})
    return rows


def as_json(made: Report, about: Mapping) -> dict:
    """The whole report with what is needed to read it."""
    return {
        **about,
        "measures": {name: str(measure) for name, measure in MEASURES.items()},
        "depth": DEPTH,
        "interval": INTERVAL,
        "test": f"composed minus average, {TEST}",
        "rows": made.rows,
        "composed_minus_average": made.compared,
    }

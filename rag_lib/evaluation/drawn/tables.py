"""A report as Markdown tables that fit a terminal of 120 columns."""

from collections.abc import Sequence

from rag_lib.evaluation.drawn.plan import COMPOSED, FAMILIES, GALLERIES
from rag_lib.evaluation.drawn.report import ALL, WHOLE, Report
from rag_lib.evaluation.drawn.reranking import Gate
from rag_lib.evaluation.measures import FIRST, MEASURES

SPLITS = (WHOLE, "edit", "asks for", "combination", "phrasing", "picture kind")  # in this order below each family

LEGEND = """\
asked: picture and words composed (or the one half that a family has), with its 95% interval; image, text: that half
alone; avg: the two halves' embeddings averaged; p: composed against avg, paired randomization test; worn: composed,
the picture cropped, blurred or noisy and the words in capitals or mistyped. The query's own picture is left out;
kept, image, avg: with it in the gallery."""


def tables(made: Report) -> str:
    """For each gallery the composition meter with all splits, and all measures of the families."""
    parts = []
    for gallery in [g for g in GALLERIES if any(row["gallery"] == g for row in made.rows)]:
        parts += [meter_table(made, gallery), measure_table(made, gallery)]
    return "\n\n".join([*parts, LEGEND])


def meter_table(made: Report, gallery: str, *, splits: bool = True) -> str:
    """Recall@1 by way of asking; `LEGEND` explains the columns. `splits`: also the rows below each family."""
    head = [f"{gallery}: Recall@1", "n", "asked", "95%", "image", "text", "avg", "p", "worn", "kept", "image", "avg"]
    cells = {(r["own"], r["family"], r["split"], r["way"]): r for r in made.rows if r["gallery"] == gallery}
    sure = {(c["family"], c["split"]): c for c in made.compared if (c["gallery"], c["own"]) == (gallery, "excluded")}

    def mean(own, family, split, way):
        row = cells.get((own, family, split, way))
        return f"{row['measures']['Recall@1']['mean']:.2f}" if row else ""

    lines = []
    for family, split, way in _places(made, gallery):
        if split != WHOLE and not splits:
            continue
        row = cells["excluded", family, split, way]
        figures = row["measures"]["Recall@1"]
        halves = ("image only", "text only", "average") if way == "composed" else ("", "", "")
        p = sure.get((family, split))
        lines.append(
            [
                family if split == WHOLE else f"- {split}",
                str(row["n"]),
                f"{figures['mean']:.2f}",
                f"{figures['low']:.2f}-{figures['high']:.2f}",
                *(mean("excluded", family, split, half) for half in halves),
                p_text(p["p"]) if p else "",
                mean("excluded", family, split, "worn"),
                mean("kept", family, split, way),
                mean("kept", family, split, halves[0]),
                mean("kept", family, split, halves[2]),
            ]
        )
    return markdown(head, lines)


def measure_table(made: Report, gallery: str) -> str:
    """All measures of the families as they are asked, the query's own picture left out."""
    lines = []
    for family, split, way in _places(made, gallery):
        if split == WHOLE:
            figures = made.find(gallery, family, way=way)
            lines.append([family, *(f"{figures[name]['mean']:.3f}" for name in MEASURES)])
    return markdown([gallery, *MEASURES], lines)


def against_table(rows: Sequence[dict]) -> str:
    """What `report.against` found."""
    lines = [
        [
            f"{row['gallery']}, own {row['own']}: {row['family']}",
            str(row["n"]),
            f"{row['difference']:+.3f}",
            f"{row['low']:+.3f} to {row['high']:+.3f}",
            p_text(row["p"]),
        ]
        for row in rows
    ]
    return markdown(["Recall@1 of composed queries, this minus that", "n", "difference", "95%", "p"], lines)


def gate_tables(found: Gate) -> str:
    """What `reranking.gate` found, its verdict below."""
    lines = [
        [
            f"{row['gallery']}: {row['family']}",
            str(row["n"]),
            f"{row['within']:.3f}",
            f"{row['retrieved']:.3f}",
            f"{row['reranked']:.3f}",
            str(row["mended"]),
            str(row["spoiled"]),
            f"{row['difference']:+.3f}",
            f"{row['low']:+.3f} to {row['high']:+.3f}",
            p_text(row["p"]),
        ]
        for row in found.rows
    ]
    head = ["Recall@1", "n", f"within {FIRST}", "retrieved", "reranked", "mended", "spoiled", "lift", "95%", "p"]
    shares = [
        [f"{row['attribute']}, {row['combination']}", str(row["n"]), f"{row['right']:.3f}"]
        for row in found.explained
        if row["n"]
    ]
    parts = [markdown(head, lines)]
    if shares:
        parts.append(markdown(["attributes that the evidence names, by combination", "n", "right"], shares))
    return "\n\n".join([*parts, found.verdict])


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose columns are padded to the same width, all but the first aligned to the right."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells):
        first, *others = zip(cells, widths, strict=True)
        return "| " + " | ".join([first[0].ljust(first[1]), *(c.rjust(w) for c, w in others)]) + " |"

    return "\n".join(map(line, [head, rule, *lines]))


def p_text(value: float) -> str:
    """A p-value in three digits; "<.001" below that."""
    return "<.001" if value < 0.001 else f"{value:.3f}"


def _places(made: Report, gallery: str) -> list[tuple[str, str, str]]:
    """(family, split, the way it means to be asked) of every row, families in their usual order."""
    rows = [(r["family"], r["split"], r["way"]) for r in made.rows if (r["gallery"], r["own"]) == (gallery, "excluded")]
    order = [ALL, *FAMILIES]
    wanted = [row for row in rows if row[2] == ("composed" if row[0] in (ALL, *COMPOSED) else row[0])]
    return sorted(wanted, key=lambda row: (order.index(row[0]), SPLITS.index(row[1].split(":")[0])))

"""A report of `evaluate_cir` as Markdown: the measured rows, what others published, and every protocol in words."""

from rag_lib.evaluation.cir.submission import SERVERS

OTHER = {True: "The same with the reference left in the gallery", False: "The same with the reference left out"}


def cir_table(report: dict) -> str:
    """The report of `evaluate_cir` as text. Figures are percent; published rows are marked as not measured here."""
    lines = [
        f"{report['benchmark']}, {report['split']}: {report['queries']:,} queries, {report['pictures']:,} pictures, "
        f"encoder {report['encoder']}.",
        report["protocol"],
        *_warnings(report),
        "",
    ]
    if report["submissions"]:
        server = SERVERS[report["benchmark"].lower()]
        lines += [f"Rankings for the test server ({server}): {', '.join(report['submissions'])}.", ""]
    comparable = [row for row in report["published"] if row["gallery"] == report["gallery"]]
    if report["rows"]:
        columns = [name for name in report["rows"]["composed"] if " R@" not in name and not name.startswith("mAP@10 ")]
        lines += _table("percent", columns, report["rows"], comparable, report["split"])
        details = [name for name in report["rows"]["composed"] if name not in columns]
        if details:
            lines += ["", *_table("by " + ("category" if " R@" in details[0] else "aspect"), details, report["rows"])]
        lines += ["", f"{OTHER[report['excludes_reference']]}:", ""]
        either_way = [row for row in comparable if row["either_way"]]
        lines += [*_table("percent", columns, report["other_rows"], either_way, report["split"]), ""]
    if report["published"]:
        lines += ["Published, not measured here:", ""]
        lines += [f"- {_describe(row, row in comparable)}" for row in report["published"]]
    return "\n".join(lines)


def _warnings(report: dict) -> list[str]:
    lines, missing = [], report["missing"]
    queries, pictures = report["official"]
    if [report["queries"], report["pictures"]] != report["official"]:
        lines.append(
            f"The complete data set has {queries:,} queries and {pictures:,} pictures here: figures from this "
            "folder are not comparable with published ones."
        )
    if missing["pictures"]:
        lines.append(
            f"{missing['pictures']:,} pictures are missing or unreadable ({', '.join(missing['files'])}, ...): "
            f"{missing['references']:,} queries lack their reference and {missing['targets']:,} a target, and count as "
            "missed."
        )
    return lines


def _table(head: str, columns: list[str], rows: dict, published: list[dict] = (), split: str = "") -> list[str]:
    lines = [f"| {head} | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
    lines += [f"| {name} | {' | '.join(_cell(row, column) for column in columns)} |" for name, row in rows.items()]
    for row in published:
        name = f"{row['model']}, published" + ("" if row["split"] == split else f" ({row['split']})")
        lines.append(f"| {name} | {' | '.join(_cell(row['figures'], column) for column in columns)} |")
    return lines


def _cell(row: dict, column: str) -> str:
    return f"{row[column]:.1f}" if column in row else ""


def _describe(row: dict, comparable: bool) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in row["figures"].items())
    other = "" if comparable else f' Another gallery than here: measure with gallery="{row["gallery"]}".'
    return f"{row['model']}: {figures}; {row['protocol']}. {row['source']}.{other}"

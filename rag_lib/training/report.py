"""The report of a training: its recipe, its minutes, where its log ended, and what the weights reach.

In: the folder that `python -m rag_lib.training` filled, and a benchmark to measure with; out: report.md in it.
"""

from pathlib import Path

from rag_lib.encoders import load_encoder
from rag_lib.evaluation.drawn import BENCHMARK_VERSION, Benchmark
from rag_lib.evaluation.meter import ask
from rag_lib.evaluation.report import report
from rag_lib.evaluation.tables import markdown, tables
from rag_lib.training.files import read_json
from rag_lib.training.minutes import read_minutes


def write_report(folder: Path, benchmark: Benchmark) -> str:
    """Measure `folder`/weights and write report.md beside them; returns its last section, the figures."""
    settings = read_json(folder / "weights" / "config.json")
    log = read_json(folder / "log.json")
    figures = _figures(folder, benchmark)
    recipe = [[name, str(value)] for name, value in settings["recipe"].items()]
    minutes = [[part, f"{spent:.1f}"] for part, spent in read_minutes(folder).items()]
    parts = [
        "# How these weights were trained",
        f"sha256 of model.safetensors: {settings['sha256']}",
        "## Recipe",
        markdown(["part", "value"], recipe),
        "## Minutes",
        markdown(["part", "minutes"], minutes) if minutes else "Not counted.",
        "## Where the log ended",
        *(_ending(stage, rows) for stage, rows in log.items()),
        "Means of the last steps before that one, in the batches that were trained on; log.json and curves.png have "
        "the whole course.",
        figures,
    ]
    (folder / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return figures


def _ending(stage: str, rows: list[dict]) -> str:
    """A table of one row: the last readings of a stage."""
    head, values = zip(*rows[-1].items(), strict=True)
    return markdown([stage, *head], [["", *map(str, values)]])


def _figures(folder: Path, benchmark: Benchmark) -> str:
    plan = benchmark.plan
    encoder = load_encoder("pocket", weights=folder / "weights")
    sizes = ", ".join(f"{len(ids)} pictures in the {name} gallery" for name, ids in plan.galleries.items())
    return f"""\
## Figures of the {plan.split} split

The drawn benchmark, version {BENCHMARK_VERSION}, its {plan.split} split: {len(plan.queries)} queries; {sizes}, none of
them drawn for training. This split is for choosing between models. Figures to quote come from the test split, asked
once of the weights that were chosen: `python -m rag_lib.evaluation`.

{tables(report(ask(encoder, benchmark)))}"""

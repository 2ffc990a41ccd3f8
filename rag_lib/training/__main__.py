"""Train the pocket model from nothing: `python -m rag_lib.training --out runs/pocket`.

Stopped at any point, the same command goes on from the last checkpoint. When all is done it measures the weights on the
validation split of the drawn benchmark and writes the report anew.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from rag_lib.errors import RagError
from rag_lib.paths import replacing, resolve
from rag_lib.training.files import read_json, run_folder, write_json


def main(words: list[str] | None = None) -> None:
    from rag_lib.training.recipe import Recipe, add_arguments, from_arguments

    parser = argparse.ArgumentParser(prog="python -m rag_lib.training", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of checkpoints and weights (runs/pocket below the home)")
    add_arguments(parser, Recipe())
    arguments = parser.parse_args(words)
    folder, recipe = (arguments.out or resolve("runs/pocket")).absolute(), from_arguments(arguments)
    with run_folder(folder):
        if not _is_finished(folder, recipe):
            train(folder, recipe)
        draw_curves(folder)
        print(write_report(folder))


def train(folder: Path, recipe) -> None:
    """Pictures, both stages, weights/ and log.json."""
    from rag_lib.training.minutes import count_minutes
    from rag_lib.training.pictures import training_pictures
    from rag_lib.training.tokenizer import train_tokenizer
    from rag_lib.training.train import new_model, save_pocket, train_text, train_tower

    tokenizer = train_tokenizer(vocab_size=1200, seed=recipe.seed)
    model, heads = new_model(tokenizer.get_vocab_size(), recipe.seed)
    with count_minutes(folder, "pictures"):
        pictures = training_pictures(recipe, model.config.image_size)
    log = {
        "tower": train_tower(model, heads, pictures, recipe, folder),
        "text": train_text(model, heads, pictures, tokenizer, recipe, folder),
    }
    write_json(folder / "log.json", log)
    save_pocket(folder / "weights", model, heads, tokenizer, recipe)


def draw_curves(folder: Path) -> None:
    """log.json -> curves.png."""
    from rag_lib.display import learning_curves

    with replacing(folder / "curves.png") as beside:
        learning_curves(read_json(folder / "log.json")).savefig(beside, format="png", dpi=120)


def write_report(folder: Path) -> str:
    """Measure `folder`/weights and write report.md beside them; returns its last section, the figures."""
    from rag_lib.evaluation.drawn.tables import markdown
    from rag_lib.training.minutes import read_minutes

    def ending(stage: str, rows: list[dict]) -> str:
        head, values = zip(*rows[-1].items(), strict=True)
        return markdown([stage, *head], [["", *map(str, values)]])

    settings = read_json(folder / "weights" / "config.json")
    figures = measure_validation(folder / "weights")
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
        *(ending(stage, rows) for stage, rows in read_json(folder / "log.json").items()),
        "Means of the last steps before that one, in the batches that were trained on; log.json and curves.png have "
        "the whole course.",
        figures,
    ]
    with replacing(folder / "report.md") as beside:
        beside.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return figures


def measure_validation(weights: Path) -> str:
    """The figures of the validation split, as Markdown."""
    from rag_lib.encoders import load_encoder
    from rag_lib.evaluation.drawn.benchmark import BENCHMARK_VERSION, make_benchmark
    from rag_lib.evaluation.drawn.meter import ask
    from rag_lib.evaluation.drawn.report import report
    from rag_lib.evaluation.drawn.tables import tables

    benchmark = make_benchmark("validation")
    plan = benchmark.plan
    sizes = ", ".join(f"{len(ids)} pictures in the {name} gallery" for name, ids in plan.galleries.items())
    return f"""\
## Figures of the {plan.split} split

The drawn benchmark, version {BENCHMARK_VERSION}, its {plan.split} split: {len(plan.queries)} queries; {sizes}, none of
them drawn for training. This split is for choosing between models. Figures to quote come from the test split, asked
once of the weights that were chosen: `python -m rag_lib.evaluation`.

{tables(report(ask(load_encoder("pocket", weights=weights), benchmark)))}"""


def _is_finished(folder: Path, recipe) -> bool:
    """Whether the weights of this recipe are there; those of another are refused."""
    settings = folder / "weights" / "config.json"  # written last
    if not settings.exists():
        return False
    found = read_json(settings)["recipe"]
    # A part that the recipe got after these weights were made had its default then.
    if dataclasses.asdict(type(recipe)()) | found != dataclasses.asdict(recipe):
        raise RagError(f"{folder.name}/weights are of another recipe: give another --out, or delete that folder.")
    return True


if __name__ == "__main__":
    try:
        main()
    except RagError as error:
        sys.exit(str(error))

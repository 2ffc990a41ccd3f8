"""Train the pocket model from nothing: `python -m rag_lib.training --out runs/pocket`.

Stopped at any point, the same command goes on from the last checkpoint. When all is done it writes the report anew.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from rag_lib.errors import RagError
from rag_lib.paths import resolve
from rag_lib.training.files import read_json, write_json


def main(words: list[str] | None = None) -> None:
    from rag_lib.evaluation.drawn import make_benchmark
    from rag_lib.training.recipe import Recipe, add_arguments, from_arguments
    from rag_lib.training.report import write_report

    parser = argparse.ArgumentParser(prog="python -m rag_lib.training", description=__doc__)
    parser.add_argument("--out", default="runs/pocket", help="folder of checkpoints and weights (runs/pocket)")
    add_arguments(parser, Recipe())
    arguments = parser.parse_args(words)
    folder, recipe = resolve(arguments.out), from_arguments(arguments)
    folder.mkdir(parents=True, exist_ok=True)
    if not _is_finished(folder, recipe):
        train(folder, recipe)
    draw_curves(folder)
    print(write_report(folder, make_benchmark("validation")))


def train(folder: Path, recipe) -> None:
    """Pictures, both stages, weights/ and log.json."""
    from rag_lib.training.minutes import timed
    from rag_lib.training.pictures import training_pictures
    from rag_lib.training.tokenizer import train_tokenizer
    from rag_lib.training.train import new_model, save_pocket, train_text, train_tower

    tokenizer = train_tokenizer(vocab_size=1200, seed=recipe.seed)
    model, heads = new_model(tokenizer.get_vocab_size(), recipe.seed)
    with timed(folder, "pictures"):
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

    learning_curves(read_json(folder / "log.json")).savefig(folder / "curves.png", dpi=120)


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

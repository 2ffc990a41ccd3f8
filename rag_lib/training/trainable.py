"""A Visualized BGE model to be trained further, and its way back into a weights folder.

In: an encoder's name and its weights, as `load_encoder` takes them; out: a `Trainable`, whose `save` writes a folder
that `load_encoder(name, weights=<that folder>)` reads.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from rag_lib.encoders.pocket.loading import POCKET_FOLDER, load_pocket, read_pocket
from rag_lib.encoders.pocket.saving import write_pocket
from rag_lib.encoders.sums import write_sums
from rag_lib.encoders.visualized_bge import loading
from rag_lib.encoders.visualized_bge.checkpoint import read_tensors
from rag_lib.encoders.visualized_bge.model import VisualizedBGE
from rag_lib.errors import RagError, did_you_mean
from rag_lib.paths import resolve


@dataclass(frozen=True)
class Trainable:
    """`model` in float32 on the CPU; `source`: the folder or file of its weights, `digest`: their sha256."""

    name: str
    model: VisualizedBGE
    tokenizer: object
    source: Path
    digest: str

    def save(self, folder: Path, settings: dict) -> None:
        """Write the model beside its tokenizer. `settings`: how it was trained, kept in the pocket's config.json."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.name == "pocket":
            self._save_pocket(folder, settings)
        else:
            self._save_official(folder)

    def _save_pocket(self, folder: Path, settings: dict) -> None:
        """The folder that it came from, with other numbers: the heads go along as they were, the words do not."""
        from safetensors.torch import load_file

        tensors = load_file(self.source / "model.safetensors")
        tensors |= {f"model.{name}": value.half() for name, value in _state(self.model).items()}
        config = json.loads((self.source / "config.json").read_text(encoding="utf-8"))
        tokenizer = (self.source / "tokenizer.json").read_text(encoding="utf-8")
        write_pocket(folder, tensors, config | {"fine_tuned": settings}, tokenizer)

    def _save_official(self, folder: Path) -> None:
        """A .safetensors under upstream's names: what it came from, with other numbers where the model has them."""
        from safetensors.torch import save_file
        from timm.models.eva import checkpoint_filter_fn

        tensors = read_tensors(self.source)
        state = _state(self.model)
        # timm knows the way from upstream's names of the tower to its own: it is gone back by the tensors themselves.
        tower = {key.removeprefix("model_visual."): value for key, value in tensors.items()}
        tower = {key: value for key, value in tower.items() if key.startswith("visual.")}
        key_of = {id(value): key for key, value in tensors.items()}
        changed = {
            key_of[id(value)]: state[f"tower.{name}"]
            for name, value in checkpoint_filter_fn(tower, self.model.tower).items()
            if f"tower.{name}" in state
        }
        for name, value in state.items():
            if not name.startswith("tower."):
                changed[name.replace("text_model.", "bge_")] = value
        weights = folder / Path(loading.CHECKPOINTS[self.name].name).with_suffix(".safetensors")
        save_file({name: value.contiguous() for name, value in (tensors | changed).items()}, weights)
        self.tokenizer.save_pretrained(folder)
        sizes = self.source.parent / "config.json"
        if sizes.is_file() and sizes.parent != folder:
            shutil.copyfile(sizes, folder / "config.json")
        write_sums(folder, (weights.name, *(n for n in loading.FETCHED_TOKENIZER if (folder / n).is_file())))


def load_trainable(name: str, weights: str | Path | None = None) -> Trainable:
    """The model behind an encoder's name. Raises RagError as `load_encoder` does, and for what cannot be trained."""
    if name == "pocket":
        folder = resolve(weights) if weights else POCKET_FOLDER
        load_pocket(folder, device="cpu", dtype=torch.float32)  # says what is wrong with the folder
        model, _, tokenizer, digest = read_pocket(folder)
        return Trainable(name, model, tokenizer, folder, digest)
    if name not in loading.CHECKPOINTS:
        known = ("pocket", *loading.CHECKPOINTS)
        raise RagError(f"{name!r} cannot be trained here; {', '.join(known)} can.{did_you_mean(name, known)}")
    path = loading.find_checkpoint(name, weights)
    model, tokenizer, digest = loading.read_official(name, path)
    return Trainable(name, model, tokenizer, path, digest)


def _state(model: VisualizedBGE) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}

"""From a checkpoint file to a model's weights: read safely, mapped from upstream's names, loaded strictly."""

import zipfile
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode

from rag_lib.encoders.visualized_bge.model import BASE, M3, VisualizedBGE, VisualizedBGEConfig
from rag_lib.errors import RagError

# Parts of the official file that no embedding passes through: CLIP's own head, norm and temperature, BERT's pooler,
# and position tables that are computed, not learned.
UNUSED = ("model_visual.visual.head.", "model_visual.visual.norm.", "model_visual.logit_scale", "bge_pooler.")
WIDTHS = {768: BASE.name, 1024: M3.name}  # of the projection from patch tokens to the text model
OTHERS = {  # how the tensors of other files begin
    ("model.diffusion_model.", "first_stage_model.", "cond_stage_model."): "a Stable Diffusion checkpoint",
    ("embeddings.", "encoder.layer.", "bert.", "roberta."): "the text model alone, without its image tower",
    ("visual.", "vision_model.", "text_model.", "transformer.resblocks."): "a CLIP model",
    ("model.tower.", "model.text_model."): "a pocket model, which loads by the name 'pocket'",
}


class _NoDraws(TorchFunctionMode):
    """Leaves new weights as they lie in memory: drawing 195 million random numbers takes 4 of 6 seconds."""

    DRAWS = ("normal_", "uniform_", "kaiming_uniform_", "erfinv_")

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(function, "__name__", "") in self.DRAWS:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def build_empty(config: VisualizedBGEConfig) -> VisualizedBGE:
    """A model whose weights are yet to be loaded: computed buffers are right, parameters hold anything."""
    with _NoDraws():
        return VisualizedBGE(config)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """A `.safetensors` or `.pth` file -> its tensors, which are read as they are used. Pickled code is never run."""
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Of a file that torch wrote before version 1.6 the tensors are no part of their own.
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # both raise a dozen kinds for a file that is no checkpoint
        raise RagError(
            f"{path.name} is not a checkpoint that can be read safely ({type(error).__name__}). "
            "Download it again from the model's page."
        ) from None
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in tensors.items()
    ):
        raise RagError(
            f"{path.name} is not a checkpoint of the kind that upstream publishes: it holds a {type(tensors).__name__} "
            "of other things than named tensors. Save the model's state_dict() itself."
        )
    return tensors


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
            f"first: {'; '.join(sorted(problems)[:3])}. {_what_it_is(model, tensors)}"
        )
    model.tower.load_state_dict(tower)
    model.text_model.load_state_dict(text)
    model.visual_proj.load_state_dict(projection)


def _what_it_is(model: VisualizedBGE, tensors: dict[str, torch.Tensor]) -> str:
    """A guess at the model whose file it is, or the question."""
    width = tensors["visual_proj.bias"].numel() if "visual_proj.bias" in tensors else 0
    if width in WIDTHS and width != model.dim:
        return f"It looks like the file of {WIDTHS[width]}."
    for beginnings, what in OTHERS.items():
        if any(key.startswith(beginnings) for key in tensors):
            return f"It looks like {what}."
    return "Is it the file of another model?"

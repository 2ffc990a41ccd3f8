"""Encoders: pictures, instructions and composed queries become unit vectors. `load_encoder` is the way in."""

import json
import os
from pathlib import Path

from rag_lib.encoders.base import Encoder
from rag_lib.encoders.mixing import mix_query
from rag_lib.errors import RagError, did_you_mean
from rag_lib.paths import resolve

__all__ = ["ENCODERS", "Encoder", "load_encoder", "mix_query"]

ENCODERS = ("pocket", "photo", "visualized-bge-base-en-v1.5", "visualized-bge-m3")


def load_encoder(name: str, weights: str | Path | None = None, device: str = "auto", dtype: str = "auto") -> Encoder:
    """Load an encoder by name: a built-in one, a hub id "org/model", or a folder that holds a model.

    `name`: of the last two, what sentence-transformers loads as multimodal, BGE-VL, and what `rag_lib.training` wrote,
    which is loaded as what it was made from. Code in a model's repository is never run. `weights`: a checkpoint or the
    folder that holds it; None: the package's own, or from the hub. `device`: "auto", "cpu", "cuda" or "mps". `dtype`:
    "float32", "bfloat16", "float16" (for GPUs without bfloat16), "int8" (of the pocket and the official models on a
    CPU: quicker than float32, and not quite its vectors), or "auto": bfloat16 for the official models where the machine
    has it, for others on CUDA only, else float32.
    Raises RagError for an unknown name, weights that are missing or do not fit, a model that takes no pictures, and a
    device or dtype that is not there.
    """
    name = str(name)
    # Only a folder below another, or a hub id, has a slash: a bare word that is no folder is a built-in's name.
    elsewhere = name.strip() and ({"/", "\\"} & set(name) or os.path.isdir(resolve(name)))
    if name not in ENCODERS and not elsewhere:
        raise RagError(
            f"Unknown encoder {name[:200]!r}.{did_you_mean(name, ENCODERS)} Known: {', '.join(ENCODERS)}; a hub id "
            "'org/model' or a folder that holds a model works as well."
        )
    if elsewhere and not weights and (kind := _made_from(resolve(name))):
        return load_encoder(kind, name, device, dtype)
    import torch

    from rag_lib.encoders.device import choose_device, choose_dtype
    from rag_lib.encoders.visualized_bge import loading

    device = choose_device(device)
    dtype = choose_dtype(dtype, device, large=name in loading.CHECKPOINTS)
    if dtype is torch.int8 and name not in ("pocket", *loading.CHECKPOINTS):
        raise RagError(f"int8 is for the pocket and the official models, not for {name!r}: leave dtype at 'auto'.")
    if name == "pocket":
        from rag_lib.encoders.pocket.loading import POCKET_FOLDER, load_pocket

        return load_pocket(resolve(weights) if weights else POCKET_FOLDER, device=device, dtype=dtype)
    if name == "photo":
        from rag_lib.encoders.photo.loading import PHOTO_FOLDER, load_photo

        return load_photo(resolve(weights) if weights else PHOTO_FOLDER, device=device, dtype=dtype)
    if name in loading.CHECKPOINTS:
        return loading.load_official(name, weights, device=device, dtype=dtype)
    from rag_lib.encoders.others import bge_vl, sentence
    from rag_lib.encoders.others.source import find_source

    source = find_source(name, weights)
    load = bge_vl.load_bge_vl if bge_vl.is_bge_vl(source) else sentence.load_sentence_encoder
    return load(source, device=device, dtype=dtype)


def _made_from(folder: Path) -> str | None:
    """Which built-in encoder reads the weights that `rag_lib.training` wrote into `folder`; None if it wrote none."""
    from rag_lib.encoders.visualized_bge.loading import CHECKPOINTS

    for name, official in CHECKPOINTS.items():
        if os.path.isfile((folder / official.name).with_suffix(".safetensors")):
            return name
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return "pocket" if settings["model"]["name"] == "pocket" else None
    except (OSError, ValueError, KeyError, TypeError):  # no folder, or another model's
        return None

"""Encoders: pictures, instructions and composed queries become unit vectors. `load_encoder` is the way in."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rag_lib.errors import RagError, did_you_mean
from rag_lib.paths import resolve

if TYPE_CHECKING:
    import numpy as np

    from rag_lib.encoders.base import EncodedImages

ENCODERS = ("pocket", "visualized-bge-base-en-v1.5", "visualized-bge-m3")


class Encoder(Protocol):
    """What every encoder does. `fingerprint` changes whenever its vectors would; `dim` is their length."""

    name: str
    fingerprint: str
    dim: int

    def encode_images(self, paths: Sequence, *, batch_size: int = 32, progress: bool = True) -> "EncodedImages": ...

    def encode_query(self, image=None, text: str | None = None) -> "np.ndarray": ...


def load_encoder(name: str, weights: str | Path | None = None, device: str = "auto", dtype: str = "auto") -> Encoder:
    """Load an encoder by name.

    `weights`: a checkpoint or the folder that holds it; None: the pocket's own, or the official file from the hub.
    `device`: "auto", "cpu", "cuda" or "mps". `dtype`: "float32", "bfloat16", or "auto": bfloat16 on CUDA, else
    float32.
    Raises RagError for an unknown name, weights that are missing or do not fit, and a device that is not there.
    """
    if name not in ENCODERS:
        raise RagError(f"Unknown encoder {name!r}.{did_you_mean(name, ENCODERS)} Known: {', '.join(ENCODERS)}.")
    import torch

    from rag_lib.encoders import loading

    device = _choose_device(device)
    if dtype not in ("auto", "float32", "bfloat16"):
        raise RagError(f"Unknown dtype {dtype!r}; expected 'auto', 'float32' or 'bfloat16'.")
    if dtype == "auto":
        dtype = "bfloat16" if device == "cuda" else "float32"
    dtype = getattr(torch, dtype)
    if name == "pocket":
        folder = resolve(weights) if weights else loading.POCKET_FOLDER
        return loading.load_pocket(folder, device=device, dtype=dtype)
    return loading.load_official(name, weights, device=device, dtype=dtype)


def _choose_device(device: str) -> str:
    import torch

    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present.get(device):
        usable = ", ".join(name for name, there in present.items() if there)
        raise RagError(f"Device {device!r} cannot be used here; usable: auto, {usable}.")
    return device

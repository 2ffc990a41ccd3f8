"""Where a model computes and in which precision: "auto" and names in, a torch device's name and dtype out."""

import torch

from rag_lib.errors import RagError

DTYPES = ("auto", "float32", "bfloat16", "float16", "int8")
MARKS = {torch.float32: "", torch.bfloat16: "h", torch.float16: "f", torch.int8: "q"}  # the end of a fingerprint


def choose_device(device: str) -> str:
    """ "cpu", "cuda" or "mps"; "auto" takes the first accelerator there is. RagError for one that is not there."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present.get(device):
        usable = ", ".join(name for name, there in present.items() if there)
        raise RagError(f"Device {device!r} cannot be used here; usable: auto, {usable}.")
    return device


def choose_dtype(dtype: str, device: str, *, large: bool) -> torch.dtype:
    """ "auto": bfloat16 where the machine computes with it, else float32.

    `large`: a model whose time matters more than the last digit. A small one stays in float32 outside of CUDA, so
    that its vectors are the same on every machine.
    """
    if dtype not in DTYPES:
        raise RagError(f"Unknown dtype {dtype!r}; expected {', '.join(map(repr, DTYPES[:-1]))} or {DTYPES[-1]!r}.")
    if dtype == "int8" and not (device == "cpu" and has_int8()):
        raise RagError(f"int8 is computed on CPUs with oneDNN only, not here on {device!r}: leave dtype at 'auto'.")
    if dtype == "auto":
        dtype = "bfloat16" if (large or device == "cuda") and has_bfloat16(device) else "float32"
    return getattr(torch, dtype)


def has_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 by itself; where it does not, it only costs time."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "mps":
        return torch.backends.mps.is_macos_or_newer(14, 0)
    # torch has no public question for these yet.
    return any(getattr(torch.cpu, f"_is_{unit}_supported", bool)() for unit in ("avx512_bf16", "amx_tile"))


def has_int8() -> bool:
    """Whether torch was built with oneDNN, which multiplies int8 on CPUs."""
    return torch.backends.mkldnn.is_available() and "onednn" in torch.backends.quantized.supported_engines

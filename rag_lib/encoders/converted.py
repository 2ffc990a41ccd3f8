"""The converted copy of a `.pth`: its tensors as safetensors in data/weights/converted/, read in its place.

A copy is named by the sha256 of its source and holds a checksum of its own tensors. So a source that was replaced
never meets an old copy, a damaged copy is made anew, and the encoder's fingerprint follows the source whichever of the
two was read. Deleting the folder costs nothing but the next conversion.
"""

import hashlib
import warnings
from pathlib import Path

import torch

from rag_lib.encoders.checkpoint import read_tensors
from rag_lib.encoders.hub import sha256
from rag_lib.paths import home


def read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """A `.pth` or `.safetensors` file -> its tensors, and the sha256 of that file. Raises RagError as `read_tensors`.

    A `.pth` is unpickled and hashed once: a source of the same place, size and times as that of a copy is the same.
    """
    if path.suffix == ".safetensors":
        return read_tensors(path), sha256(path)
    folder, identity = home() / "data" / "weights" / "converted", _identity(path)
    for copy in sorted(folder.glob("*.safetensors")):
        if _header(copy).get("identity") == identity and (tensors := _read_copy(copy)) is not None:
            return tensors, copy.stem
    digest = sha256(path)
    copy = folder / f"{digest}.safetensors"
    tensors = _read_copy(copy)
    if tensors is None:
        tensors = read_tensors(path)
        _write_copy(copy, tensors, identity)
    return tensors, digest


def _identity(path: Path) -> str:
    """Changes when the file does. The time of the inode's change cannot be set back as that of the content can."""
    status = path.stat()
    seen = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"
    return hashlib.sha256(seen.encode()).hexdigest()


def _header(copy: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(copy, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError):
        return {}


def _content(tensors: dict[str, torch.Tensor]) -> str:
    """A checksum of names, types, shapes and numbers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _read_copy(copy: Path) -> dict[str, torch.Tensor] | None:
    """The tensors of a whole copy; None for one that is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(copy)
    except (SafetensorError, OSError):
        return None
    return tensors if _content(tensors) == _header(copy).get("content") else None


def _write_copy(copy: Path, tensors: dict[str, torch.Tensor], identity: str) -> None:
    """Written beside and renamed. Without room or permission there is no copy, and a warning says so."""
    from huggingface_hub.utils import WeakFileLock
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    part = copy.with_suffix(".part")  # always the same name: what a kill leaves is written over
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        with WeakFileLock(copy.with_suffix(".lock")):
            try:
                save_file(tensors, part, {"identity": identity, "content": _content(tensors)})
                part.replace(copy)
            finally:
                part.unlink(missing_ok=True)
    except (OSError, SafetensorError, RuntimeError) as error:  # RuntimeError: tensors that share their memory
        reason = getattr(error, "strerror", None) or type(error).__name__
        warnings.warn(
            f"No converted copy of the checkpoint is kept in data/weights/converted ({reason}).", stacklevel=2
        )

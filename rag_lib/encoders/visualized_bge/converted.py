"""The converted copy of a `.pth`: its tensors as safetensors in data/weights/converted/, read in its place.

A copy is named by the sha256 of its source and holds a checksum of its own tensors. So a source that was replaced
never meets an old copy, a damaged copy is made anew, and the encoder's fingerprint follows the source whichever of the
two was read. Beside the copies lies a note for each place at which a source was met: its sha256, so that it is hashed
once. Deleting the folder costs nothing but the next conversion.
"""

import contextlib
import hashlib
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from rag_lib.encoders.hub import sha256
from rag_lib.encoders.visualized_bge.checkpoint import read_tensors
from rag_lib.errors import RagError
from rag_lib.paths import home


@dataclass(frozen=True)
class Checkpoint:
    """`tensors` of a file and its sha256, `digest`. `copy`, `note`: where they are kept; None: they are kept so."""

    tensors: dict[str, torch.Tensor]
    digest: str
    copy: Path | None = None
    note: Path | None = None

    def keep(self) -> None:
        """Write what is not kept yet: to be called when the tensors proved to be the model's."""
        if self.copy:
            _write_copy(self.copy, self.tensors)
        if self.note:
            with contextlib.suppress(OSError):  # it is hashed again, then
                self.note.write_text(self.digest)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a `.pth`, or its copy, or a `.safetensors` file. Raises RagError for a file that cannot be read.

    A `.pth` that was kept is neither unpickled nor hashed again: one of the same place, size and times is the same.
    """
    try:
        if path.suffix == ".safetensors":
            return Checkpoint(digest=sha256(path), tensors=read_tensors(path))
        folder = home() / "data" / "weights" / "converted"
        note = folder / f"{_identity(path)}.sha256"
        noted = _read_note(note)
        digest = noted or sha256(path)
    except OSError as error:
        raise RagError(
            f"The checkpoint {path.name} cannot be read ({error.strerror}): see to its permissions and its disk."
        ) from None
    copy = folder / f"{digest}.safetensors"
    tensors = _read_copy(copy)
    if tensors is None:
        return Checkpoint(read_tensors(path), digest, copy, note)
    return Checkpoint(tensors, digest, note=None if noted else note)


def _identity(path: Path) -> str:
    """Changes when the file does. The time of the inode's change cannot be set back as that of the content can."""
    status = path.stat()
    seen = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"
    return hashlib.sha256(seen.encode()).hexdigest()


def _read_note(note: Path) -> str | None:
    """The sha256 in a note; None where there is none, or none that is whole."""
    try:
        text = note.read_text(encoding="ascii")
    except (OSError, UnicodeError):
        return None
    return text if re.fullmatch("[0-9a-f]{64}", text) else None


def _content(tensors: dict[str, torch.Tensor]) -> str:
    """A checksum of names, types, shapes and numbers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _read_copy(copy: Path) -> dict[str, torch.Tensor] | None:
    """The tensors of a whole copy; None for one that is missing or damaged."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        tensors = load_file(copy)
        with safe_open(copy, "pt") as file:
            expected = (file.metadata() or {}).get("content")
    except (SafetensorError, OSError):
        return None
    return tensors if _content(tensors) == expected else None


def _write_copy(copy: Path, tensors: dict[str, torch.Tensor]) -> None:
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
                save_file(tensors, part, {"content": _content(tensors)})
                part.replace(copy)
            finally:
                part.unlink(missing_ok=True)
    except (OSError, SafetensorError, RuntimeError) as error:  # RuntimeError: tensors that share their memory
        reason = getattr(error, "strerror", None) or type(error).__name__
        warnings.warn(
            f"No converted copy of the checkpoint is kept in data/weights/converted ({reason}).", stacklevel=2
        )

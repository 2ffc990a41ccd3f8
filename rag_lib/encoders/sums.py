"""SHA256SUMS: what the files of a weights folder were when they were written, in the form of `sha256sum`.

In: a folder and names of files in it; out: their checksums, compared with those that were kept, or a RagError. The
folder may be checked by hand, too: `sha256sum -c SHA256SUMS`.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tqdm.auto import tqdm

from rag_lib.errors import RagError
from rag_lib.paths import replacing

SUMS = "SHA256SUMS"
CHUNK = 1 << 22  # bytes


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    return hash_file(path, hashlib.sha256())


def hash_file(path: Path, digest) -> str:
    """Feed a file's bytes to a digest of `hashlib`; its hexadecimal form."""
    bar = tqdm(desc=f"check {path.name}", total=path.stat().st_size, unit="B", unit_scale=True, delay=2, leave=False)
    with bar, open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Note what the files of these names are now; what is noted of others stays."""
    noted = _read(folder) | {name: sha256(folder / name) for name in names}
    with replacing(folder / SUMS) as beside:
        beside.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(noted.items())), encoding="utf-8")


def check_sums(folder: Path, names: Iterable[str], *, remedy: str) -> dict[str, str]:
    """The sha256 of those of these files that are there.

    Raises RagError, with the remedy, where another one is noted of a file, or one of a file that is missing.
    """
    noted, found = _read(folder), {name: sha256(folder / name) for name in names if (folder / name).is_file()}
    for name in set(noted).intersection(names):
        if noted[name] != found.get(name):
            what = "is damaged or was changed" if name in found else "is missing"
            raise RagError(f"{name} in the weights folder {folder.name!r} {what}, says its {SUMS}. {remedy}")
    return found


def _read(folder: Path) -> Mapping[str, str]:
    """name -> sha256; {} where nothing is noted."""
    path = folder / SUMS
    lines = path.read_bytes().decode(errors="replace").split("\n") if path.is_file() else [""]
    found = [re.fullmatch("([0-9a-f]{64})  (.+)", line) for line in lines[:-1]]
    if lines[-1] or not all(found):
        raise RagError(f"{SUMS} in the weights folder {folder.name!r} is damaged: restore it, or delete it.")
    return {match[2]: match[1] for match in found}

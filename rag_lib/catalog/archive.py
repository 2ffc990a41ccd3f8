"""An archive that came from elsewhere, unpacked: a tar file in, a new folder of plain files out, or a RagError."""

import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

from tqdm.auto import tqdm

from rag_lib.errors import RagError

CHUNK = 1 << 20  # bytes
MAX_BYTES = 4 << 30  # an archive that unpacks to more is not what we asked for


def extract(archive: Path, folder: Path) -> Path:
    """Unpack a tar archive into a new temporary folder beside `folder`, and return that; the caller renames it.

    Only plain files and folders that stay inside are accepted, and no more than 4 GiB. Raises RagError, and leaves
    nothing behind, for anything else.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        with tarfile.open(archive, "r:*") as tar:
            size = 0
            for member in tqdm(tar, desc="unpacking", unit="file", delay=2):
                size += member.size
                if not (member.isfile() or member.isdir()) or size > MAX_BYTES:
                    raise tarfile.TarError(f"'{Path(member.name).name}' is a link or a device, or too large")
                _put(tar, member, room)
            while tar.fileobj.read(CHUNK):  # to the checksum at its end: a damaged header looks like the last one
                pass
        return room
    except (tarfile.TarError, EOFError, ValueError, zlib.error) as exc:
        reason = f"'{archive.name}' is not a complete tar archive of pictures ({exc})."
    except OSError as exc:  # a gzip error is an OSError too, without a number
        reason = f"'{archive.name}' cannot be unpacked ({exc.strerror or exc})."
    except BaseException:
        shutil.rmtree(room, ignore_errors=True)
        raise
    shutil.rmtree(room, ignore_errors=True)
    raise RagError(reason)


def _put(tar: tarfile.TarFile, member: tarfile.TarInfo, room: Path) -> None:
    """Into `room`, a leading / of its name left out. Python has a filter for this only since 3.11.4."""
    target = (room / member.name.lstrip("/")).resolve()
    if not target.is_relative_to(room.resolve()):
        raise tarfile.TarError("a member lies outside")
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tar.extractfile(member) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out, CHUNK)

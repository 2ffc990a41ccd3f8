"""One file of a hub repository at a pinned revision: fetched with progress, resumed when cut, compared by checksum.

In: what to fetch and the folder that keeps it. Out: the whole file there, or a RagError. A file gets its name only
after its checksum was compared, so one that has its name is neither asked for nor hashed again. (`hf_hub_download`
throws an unfinished transfer away when it fails; here the next call goes on, hours and processes later.)
"""

import errno
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from rag_lib.errors import RagError

CHUNK = 1 << 22  # bytes
STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class HubFile:
    """`repo`: owner/name; `revision`: a commit, 40 hexadecimal digits: what it names never changes."""

    repo: str
    revision: str
    name: str


def fetch(wanted: HubFile, folder: Path, *, endpoint: str | None = None) -> Path:
    """The file in `folder`: there already, else taken from the hub's local cache, else downloaded.

    `endpoint`: the hub's address; None: HF_ENDPOINT, or the public hub. An unfinished transfer stays in `folder` as
    `*.part`. Raises RagError when the file cannot be had: no network, refused, gone, damaged, no room.
    """
    path = folder / wanted.name
    if path.is_file():
        return path
    from huggingface_hub.utils import WeakFileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(folder / f".{wanted.name}.lock"):  # two notebooks may ask at once
            if not path.is_file() and not _take_from_cache(wanted, path):
                _download(wanted, path, endpoint)
    except RagError:
        raise
    except Exception as error:  # the hub's client and the HTTP library below it raise dozens of kinds
        raise RagError(
            f"{wanted.name} could not be fetched from the hub repository {wanted.repo}: {_reason(error)}. "
            f"Or put the file into data/weights/{folder.name}/ yourself; encoder='pocket' needs no download."
        ) from None
    return path


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    return _hash(path, hashlib.sha256())


def _hash(path: Path, digest) -> str:
    bar = tqdm(desc=f"check {path.name}", total=path.stat().st_size, unit="B", unit_scale=True, delay=2, leave=False)
    with bar, open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def _matches(path: Path, etag: str) -> bool:
    """Whether a file is the one that the hub announced: by sha256 (large files) or as a git blob (small ones)."""
    if len(etag) == 64:
        return sha256(path) == etag
    return _hash(path, hashlib.sha1(b"blob %d\0" % path.stat().st_size)) == etag


def _take_from_cache(wanted: HubFile, path: Path) -> bool:
    """Whether the file was in the hub's cache at that revision; it is then linked (or copied) to `path`."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(wanted.repo, wanted.name, revision=wanted.revision)
    if not isinstance(cached, str):
        return False
    blob = Path(cached).resolve()  # named by its checksum, where the cache can make symbolic links
    if _is_checksum(blob.name) and not _matches(blob, blob.name):
        return False
    try:
        os.link(blob, path)
    except OSError:  # another file system
        part = path.with_name(f"{path.name}.copy.part")
        shutil.copyfile(blob, part)
        part.replace(path)
    return True


def _is_checksum(text: str | None) -> bool:
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text or "") is not None


def _download(wanted: HubFile, path: Path, endpoint: str | None) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(wanted.repo, wanted.name, revision=wanted.revision, endpoint=endpoint)
    announced = get_hf_file_metadata(url)
    if announced.commit_hash != wanted.revision or not _is_checksum(announced.etag):
        raise RagError(
            f"What answers for the hub does not announce {wanted.name} of {wanted.repo} at its pinned revision "
            f"({wanted.revision[:7]}): a login page or a mirror stands in between? Check the network and HF_ENDPOINT."
        )
    part = path.with_name(f"{path.name}.{announced.etag[:8]}.part")
    size = announced.size
    with open(part, "ab") as file:
        if size is not None and file.tell() > size:
            file.truncate(0)
        _receive(url, file, size, wanted.name)
    too_long = size is not None and part.stat().st_size > size
    if too_long or not _matches(part, announced.etag):
        part.unlink()
        what = "size" if too_long else "checksum"
        raise RagError(
            f"What was sent as {wanted.name} of {wanted.repo} is damaged or another file: its {what} is not the one "
            "announced, and it was removed. Call again to download it anew; if that does not help, a proxy changes "
            "what it passes on."
        )
    part.replace(path)


def _receive(url: str, file, size: int | None, name: str) -> None:
    """Append what `file` lacks of the announced `size` (bytes), or more where more is sent."""
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    while True:
        have = file.seek(0, os.SEEK_END)
        try:
            return http_get(url, file, resume_size=have, headers=headers, expected_size=size, displayed_filename=name)
        except Exception:
            now = file.seek(0, os.SEEK_END)
            if size is not None and now > size:
                return None
            if now <= have:  # what was cut, or ended early, is taken up again while something arrives
                raise


def _reason(error: Exception) -> str:
    """What went wrong and what to do, without a closing stop."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            return f"access is refused (HTTP {status}); if HF_TOKEN or HF_ENDPOINT is set, correct or unset it"
        if status == 404:
            return "it is not there at the pinned revision (HTTP 404); if HF_ENDPOINT names a mirror, unset it"
        return f"the hub answers HTTP {status}; call again later, what has arrived is kept"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids the network; unset it"
    if isinstance(error, OSError) and error.errno in STORAGE:
        return (
            f"it cannot be stored ({error.strerror}); make room, or set RAG_HOME to a folder that has it, and call "
            "again: what has arrived is kept"
        )
    if type(error) is OSError and error.errno is None:  # the client's own: all was sent, and it is not all
        return "what is sent ends before the announced size; call again, what has arrived is kept"
    return f"the network failed ({type(error).__name__}); call again, what has arrived is kept"

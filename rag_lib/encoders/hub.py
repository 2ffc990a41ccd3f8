"""One file of a hub repository at a pinned revision: fetched with progress, resumed when cut, compared by checksum.

In: what to fetch and the folder that keeps it. Out: the whole file there, or a RagError. A file gets its name only
after its checksum was compared, so one that has its name is not asked for again; the folder's SHA256SUMS says what it
was. (`hf_hub_download` throws an unfinished transfer away when it fails; here the next call goes on, hours and
processes later.)
"""

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from rag_lib.download import DownloadError, download
from rag_lib.encoders.sums import hash_file, sha256, write_sums
from rag_lib.errors import RagError
from rag_lib.paths import replacing


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
            if not path.is_file():
                if not _take_from_cache(wanted, path):
                    _download(wanted, path, endpoint)
                write_sums(folder, [wanted.name])
    except Exception as error:  # the hub's client and the HTTP library below it raise dozens of kinds
        if isinstance(error, RagError) and not isinstance(error, DownloadError):
            raise
        raise RagError(
            f"{wanted.name} could not be fetched from the hub repository {wanted.repo}: {_reason(error)}. "
            f"Or put the file into data/weights/{folder.name}/ yourself; encoder='pocket' needs no download."
        ) from None
    return path


def _matches(path: Path, etag: str) -> bool:
    """Whether a file is the one that the hub announced: by sha256 (large files) or as a git blob (small ones)."""
    if len(etag) == 64:
        return sha256(path) == etag
    return hash_file(path, hashlib.sha1(b"blob %d\0" % path.stat().st_size)) == etag


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
        with replacing(path) as part:
            shutil.copyfile(blob, part)
    return True


def _is_checksum(text: str | None) -> bool:
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text or "") is not None


def _download(wanted: HubFile, path: Path, endpoint: str | None) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(wanted.repo, wanted.name, revision=wanted.revision, endpoint=endpoint)
    announced = get_hf_file_metadata(url)
    if announced.commit_hash != wanted.revision or not _is_checksum(announced.etag):
        raise RagError(
            f"What answers for the hub does not announce {wanted.name} of {wanted.repo} at its pinned revision "
            f"({wanted.revision[:7]}): a login page or a mirror stands in between? Check the network and HF_ENDPOINT."
        )
    part = path.with_name(f"{path.name}.{announced.etag[:8]}")
    download(url, part, headers=build_hf_headers(), size=announced.size)
    if not _matches(part, announced.etag):
        part.unlink()
        raise RagError(
            f"What was sent as {wanted.name} of {wanted.repo} is damaged or another file: its checksum is not the one "
            "announced, and it was removed. Call again to download it anew; if that does not help, a proxy changes "
            "what it passes on."
        )
    part.replace(path)


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
    if isinstance(error, DownloadError):
        return error.reason
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError | TimeoutError):
        return f"it cannot be stored ({error.strerror}): make room, or set RAG_HOME to a folder that has it"
    return f"the network failed ({type(error).__name__}); call again, what has arrived is kept"

"""One archive from the network to the disk: a URL in, a complete file out, or a RagError.

A broken transfer is resumed (HTTP Range), also by a later call; the size is checked before the file gets its name.
"""

import http.client
import shutil
import ssl
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from pathlib import Path

from tqdm.auto import tqdm

from rag_lib.errors import RagError

CHUNK = 1 << 18  # bytes
MAX_BYTES = 4 << 30  # an archive that unpacks to more is not what we asked for


class _Cut(Exception):
    """The transfer ended early; the next attempt may go on from there."""


def download(url: str, path: Path, *, attempts: int = 4, pause: float = 1.0, timeout: float = 30.0) -> Path:
    """Fetch `url` into the file `path`; a file that is there already is taken as complete.

    `pause`: seconds before the second attempt, doubled each time. `timeout`: seconds without a byte. Bytes of an
    unfinished transfer stay beside it as `*.part`. Raises RagError when all attempts failed.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    reason = ""
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            _fetch(url, part, timeout)
            return part.replace(path)
        except urllib.error.HTTPError as exc:
            reason = f"HTTP {exc.code} {exc.reason}"
            if exc.code == 416:  # what we hold is not a part of what is there now
                part.unlink(missing_ok=True)
            elif exc.code < 500 and exc.code not in (408, 429):
                break
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            _Cut,
            TimeoutError,
            ConnectionError,
            ssl.SSLError,
        ) as exc:
            cause = getattr(exc, "reason", exc)
            reason = getattr(cause, "strerror", None) or str(cause) or type(exc).__name__
        except OSError as exc:
            raise RagError(
                f"'{path.name}' cannot be stored ({exc.strerror or exc}): make room and try again."
            ) from None
    host = urllib.parse.urlsplit(url).hostname or url
    raise RagError(f"'{path.name}' could not be downloaded from {host} ({reason}).")


def _fetch(url: str, part: Path, timeout: float) -> None:
    """One attempt: go on after the bytes that `part` holds. Returns when the announced size is reached."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=timeout) as reply:
        if reply.status != 206:  # the server sends everything, from the start
            have = 0
        length = reply.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        progress = tqdm(desc="downloading", total=total, initial=have, unit="B", unit_scale=True, delay=2)
        with progress, open(part, "ab" if have else "wb") as file:
            while chunk := reply.read1(CHUNK):  # what has come, so that a silence loses none of it
                file.write(chunk)
                progress.update(len(chunk))
                have += len(chunk)
    if total is not None and have != total:
        raise _Cut(f"the connection was cut after {have:,} of {total:,} bytes")


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
                tar.extract(member, room, filter="data")
        return room
    except (tarfile.TarError, EOFError, zlib.error) as exc:
        why = "a member lies outside" if isinstance(exc, tarfile.FilterError) else exc
        reason = f"'{archive.name}' is not a complete tar archive of pictures ({why})."
    except OSError as exc:  # a gzip error is an OSError too, without a number
        reason = f"'{archive.name}' cannot be unpacked ({exc.strerror or exc})."
    except BaseException:
        shutil.rmtree(room, ignore_errors=True)
        raise
    shutil.rmtree(room, ignore_errors=True)
    raise RagError(reason)

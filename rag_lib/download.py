"""One file from the network to the disk: a URL in, a complete file out, or a DownloadError.

A broken transfer is resumed (HTTP Range), also by a later call; the size is checked before the file gets its name.
"""

import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tqdm.auto import tqdm

from rag_lib.errors import RagError

CHUNK = 1 << 18  # bytes


class DownloadError(RagError):
    """`reason`: why the file could not be had, without a closing stop."""

    def __init__(self, name: str, url: str, reason: str):
        host = urllib.parse.urlsplit(url).hostname or url
        super().__init__(f"'{name}' could not be downloaded from {host}: {reason}.")
        self.reason = reason


class _Cut(Exception):
    """The transfer ended early; the next attempt may go on from there."""


class _Wrong(Exception):
    """What is sent is not the file that was announced."""


def download(
    url: str,
    path: Path,
    *,
    headers: Mapping[str, str] | None = None,
    size: int | None = None,
    attempts: int = 4,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Fetch `url` into the file `path`; a file that is there already is taken as complete.

    `headers`: for the host of `url`, not for another one to which it leads. `size`: bytes of the whole file; None: as
    the server says. `attempts`: how many may bring nothing new, one after another; `pause`: seconds after the first of
    them, doubled each time; `timeout`: seconds without a byte. What arrived of an unfinished transfer stays beside
    `path` as `*.part`. Raises DownloadError.
    """
    if path.exists():
        return path
    part = path.with_name(path.name + ".part")
    most, failed, reason = _size(part), 0, ""
    while failed < attempts:
        try:
            _fetch(url, part, headers or {}, size, timeout)
            return part.replace(path)
        except urllib.error.HTTPError as exc:
            reason = f"HTTP {exc.code} {exc.reason}"
            if exc.code == 416:  # what we hold is not a part of what is there now
                part.unlink(missing_ok=True)
            elif exc.code < 500 and exc.code not in (408, 429):
                break
        except _Wrong as exc:
            reason = str(exc)
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
            reason = f"it cannot be stored ({exc.strerror or exc}): make room, or set RAG_HOME to a folder that has it"
            break
        failed, most = (0, _size(part)) if _size(part) > most else (failed + 1, most)
        if 0 < failed < attempts:
            time.sleep(pause * 2 ** (failed - 1))
    raise DownloadError(path.name, url, reason + ("; call again, what has arrived is kept" if _size(part) else ""))


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _fetch(url: str, part: Path, headers: Mapping[str, str], size: int | None, timeout: float) -> None:
    """One attempt: go on after the bytes that `part` holds. Returns when all of them are there."""
    part.parent.mkdir(parents=True, exist_ok=True)
    have = _size(part)
    if have == size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    with urllib.request.urlopen(request, timeout=timeout, context=_certificates()) as reply:
        if reply.status != 206:  # the server sends everything, from the start
            have = 0
        length = reply.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else size
        if size not in (None, total):
            raise _Wrong(f"{total:,} bytes are sent where {size:,} were announced: a proxy changes what it passes on")
        progress = tqdm(desc="downloading", total=total, initial=have, unit="B", unit_scale=True, delay=2)
        with progress, open(part, "ab" if have else "wb") as file:
            while chunk := reply.read1(CHUNK):  # what has come, so that a silence loses none of it
                file.write(chunk)
                file.flush()  # nor a kill
                progress.update(len(chunk))
                have += len(chunk)
    if total is not None and have > total:
        part.unlink()
        raise _Wrong(f"more is sent than the {total:,} bytes that were announced: a proxy changes what it passes on")
    if total is not None and have < total:
        raise _Cut(f"the connection was cut after {have:,} of {total:,} bytes")


@cache
def _certificates() -> ssl.SSLContext:
    """The system's and, since some installations of Python find none there, certifi's."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context

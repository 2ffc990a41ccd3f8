"""Where the pictures lie: a local folder, or a url such as s3://bucket/photos.

In: a folder or a url; out: the names of its files with a mark that changes when they do, and the files at hand, in the
folder itself or fetched into a temporary one. s3:// and gs:// are read by pyarrow, which is there anyway; every other
url by fsspec, which names the package that it needs.
"""

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from rag_lib.catalog.metadata import FILES, Row, read_metadata
from rag_lib.errors import RagError
from rag_lib.images import SUFFIXES, list_images
from rag_lib.paths import replacing, resolve

BY_ARROW = ("s3", "gs", "gcs")
FETCHERS = 8  # files on their way at a time, for each reading task
ATTEMPTS, PAUSE_S = 3, 1.0
HEAD = 2**20  # bytes that tell whether a file is a picture that is not named as one
UNREACHED = "it could not be fetched"  # how the reason of a skip begins that the next run tries again


class Place:
    """A folder of files. `root`: a path that stands for it; of a url one that exists nowhere, such as /s3/bucket/x."""

    def __init__(self, folder: str | Path):
        self.url = str(folder).removeprefix("file://")
        self.remote = "://" in self.url
        bare = re.sub("//[^/@]*@", "//", self.url.split("?")[0])  # what is left out may hold keys
        self.shown = repr(bare)
        self.root = Path("/", bare.replace("://", "/")) if self.remote else resolve(self.url).resolve()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_opened"}

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """(pyarrow filesystem, path in it). RagError for a url that nothing opens."""
        from pyarrow.fs import FileSystem, FSSpecHandler, LocalFileSystem, PyFileSystem

        if not self.remote:
            return LocalFileSystem(), str(self.root)
        try:
            if self.url.split("://")[0] in BY_ARROW:
                files, path = FileSystem.from_uri(self.url)
            else:
                from fsspec.core import url_to_fs

                files, path = url_to_fs(self.url)
                files = PyFileSystem(FSSpecHandler(files))
            return files, path.rstrip("/")
        except (ImportError, ValueError, OSError) as exc:
            raise RagError(f"The place {self.shown} cannot be opened ({_line(exc)}).") from None

    def marks(self) -> dict[str, str]:
        """Name -> size and time of every file that may be read, in the order of the names; hidden ones are left out.

        RagError for a folder that is not there.
        """
        if not self.remote:
            return {file.relative_to(self.root).as_posix(): _mark(file) for file in list_images(self.root, None)}
        from pyarrow.fs import FileSelector

        files, path = self._opened
        try:
            found = files.get_file_info(FileSelector(path, recursive=True))
        except OSError as exc:
            raise RagError(f"The folder {self.shown} cannot be listed ({_line(exc)}).") from None
        marks = {each.path[len(path) :].strip("/"): f"{each.size}-{each.mtime_ns}" for each in found if each.is_file}
        return {name: marks[name] for name in sorted(marks) if not re.search(r"(^|/)\.(?!\.?(/|$))", name)}

    def metadata(self, names: Sequence[str]) -> dict[str, Row]:
        """What the folder's metadata file says; see `read_metadata`."""
        names = [name for name in names if name.lower() in FILES]
        with self.at_hand(names, whole=True) as (folder, failed):
            if failed:
                raise RagError(f"{min(failed)} of {self.shown} cannot be used: {failed[min(failed)]}.")
            return read_metadata([folder / name for name in names])

    @contextmanager
    def at_hand(self, names: Sequence[str], *, whole: bool = False) -> Iterator[tuple[Path, Mapping[str, str]]]:
        """(folder, name -> why it is not in it). Remote files not named as pictures may be cut, unless `whole`."""
        if not self.remote:
            yield self.root, {}
            return
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(FETCHERS) as pool:
            fetched = pool.map(lambda name: self._fetch(name, Path(folder), whole), names)
            yield Path(folder), {name: reason for name, reason in zip(names, fetched, strict=True) if reason}

    def _fetch(self, name: str, folder: Path, whole: bool) -> str:
        if {"", ".", ".."} & set(name.split("/")):  # a bucket takes any key; nothing is written outside of the folder
            return "its name has '..', '.' or nothing between two slashes: rename it"
        files, root = self._opened
        size = None if whole or PurePosixPath(name).suffix.lower() in SUFFIXES else HEAD
        for attempt in range(ATTEMPTS):
            try:
                with files.open_input_file(f"{root}/{name}") as file:
                    data = file.read(size)
                break
            except FileNotFoundError:
                return "there is no such file"
            except Exception as exc:  # of many kinds, by filesystem
                if attempt == ATTEMPTS - 1:
                    return f"{UNREACHED} ({_line(exc)})"
                time.sleep(PAUSE_S * 2**attempt)
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        except OSError as exc:  # a name that is too long, or a full disk
            return f"{UNREACHED} ({_line(exc)})"
        return ""

    def write(self, name: str, data: bytes) -> None:
        """A file of this place, whole or not at all: a bucket shows it when it is closed. The folder is made."""
        if not self.remote:
            self.root.mkdir(parents=True, exist_ok=True)
            with replacing(self.root / name) as beside:
                beside.write_bytes(data)
            return
        files, path = self._opened
        with files.open_output_stream(f"{path}/{name}") as file:
            file.write(data)

    def read(self, name: str) -> bytes:
        files, path = self._opened
        with files.open_input_stream(f"{path}/{name}") as file:
            return file.read()

    def listed(self, suffix: str) -> list[str]:
        """The names of the files right in this place that end in `suffix`, in order; none if there is no such place."""
        from pyarrow.fs import FileSelector

        files, path = self._opened
        found = files.get_file_info(FileSelector(path, allow_not_found=True))
        names = (each.base_name for each in found if each.is_file)
        return sorted(name for name in names if name.endswith(suffix) and not name.startswith("."))


def _mark(file: Path) -> str:
    try:
        found = os.stat(file)
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}"


def _line(exc: Exception) -> str:
    text = str(getattr(exc, "strerror", None) or exc or type(exc).__name__).splitlines()[0]
    return text.split(" Detail:")[0][:200].rstrip(". ")

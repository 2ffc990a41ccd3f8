"""Weights that come within ordinary packages of others: a package's name in, the path of its checked file out.

Nothing of such a package is ever imported. Its files are found by the list that pip keeps, and none is opened before
its sha256 is the expected one.
"""

from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from rag_lib.encoders.sums import sha256
from rag_lib.errors import RagError


class Source(NamedTuple):
    """`file`: the end of its path within the package; `origin`: what it is and under which licence."""

    package: str
    version: str
    file: str
    sha256: str
    origin: str


def find_file(source: Source) -> Path:
    """The file of an installed package. Raises RagError where it is not installed, lacks it, or holds another one."""
    install = f"install it with `pip install {source.package}=={source.version}`"
    try:
        files = metadata.files(source.package) or []
    except metadata.PackageNotFoundError:
        raise RagError(f"The package {source.package} is not there: {install}.") from None
    path = next((Path(file.locate()) for file in files if file.as_posix().endswith(source.file)), None)
    if path is None or not path.is_file():
        raise RagError(f"The package {source.package} holds no file {source.file}: {install}.")
    if (found := sha256(path)) != source.sha256:
        raise RagError(
            f"{source.file} of the package {source.package} is another file than the one that was checked: its sha256 "
            f"starts with {found[:12]}, expected is {source.sha256[:12]}. It was not read; {install}."
        )
    return path

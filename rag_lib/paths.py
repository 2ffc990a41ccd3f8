"""Where files lie, whatever folder a notebook or a command is started from.

A relative path that a user gives, as a parameter, in the code or as a command's option, means below `home()`: see
`resolve`. One exception: `--out` on the command line means below the current folder, as everywhere in a shell.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_lib.errors import RagError

PART = ".part"  # in the name of a file that is being written


def home() -> Path:
    """The folder under which `data/` and `runs/` are made.

    `RAG_HOME` if it is set; else the checkout that holds this package; else (an installed package, as in
    Colab) the current folder.
    """
    if os.environ.get("RAG_HOME"):
        return _expand(os.environ["RAG_HOME"]).resolve()
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").exists() else Path.cwd()


def notebooks() -> Path:
    """The folder of the numbered notebooks and of editions/: within the installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "notebooks"
    return installed if installed.is_dir() else package.parent / "notebooks"


def data_dir() -> Path:
    """The git-ignored folder of catalogs and databases; made on demand."""
    path = home() / "data"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise RagError(
            f"The folder data/ cannot be made here ({exc.strerror}): set RAG_HOME to a folder that can be written."
        ) from None
    return path


def resolve(path: str | Path) -> Path:
    """A path as the user means it: `~` is their own folder, a relative one lies below `home()`.

    RagError for `~somebody` where there is no such user. Nothing needs to exist.
    """
    return home() / _expand(path)


def beginning(path: str | Path) -> str:
    """Where a relative path begins: the end of a message about one that leads nowhere. Nothing for another path."""
    if Path(path).is_absolute() or str(path).startswith("~"):
        return ""
    return f" Relative paths begin at '{os.environ.get('RAG_HOME') or home().name}', not at the current folder."


def _expand(path: str | Path) -> Path:
    expanded = os.path.expanduser(path)
    if str(expanded).startswith("~"):
        user = Path(expanded).parts[0]
        raise RagError(f"'{user[:80]}' is the folder of a user who is not known here: write the whole path.")
    return Path(expanded)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file whole or not at all: `with replacing(path) as beside: beside.write_text(...)`.

    What was written to `beside`, a new name in the same folder with the same ending, takes the place of `path` at the
    end; if the end is not reached, it is removed and `path` stays as it was.
    """
    path = Path(path)
    beside = path.with_name(f".{secrets.token_hex(8)}{PART}{path.suffix}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def is_part(path: Path) -> bool:
    """Whether it is what a killed `replacing` left, or what a living one is writing."""
    return path.name.startswith(".") and PART in path.name


def clear_parts(folder: str | Path) -> None:
    """Delete what killed writers left below `folder`, which nobody else may be writing into now."""
    for path in filter(is_part, Path(folder).rglob(f".*{PART}*")):
        path.unlink(missing_ok=True)

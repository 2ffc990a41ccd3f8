"""Where generated files live, whatever folder a notebook or a command is started from."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_lib.errors import RagError


def home() -> Path:
    """The folder under which `data/` and `runs/` are made.

    `RAG_HOME` if it is set; else the checkout that holds this package; else (an installed package, as in
    Colab) the current folder.
    """
    if os.environ.get("RAG_HOME"):
        return Path(os.environ["RAG_HOME"]).expanduser().resolve()
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").exists() else Path.cwd()


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
    """A relative path as the notebooks' parameters mean it: below `home()`, not below the current folder."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else home() / path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file whole or not at all: `with replacing(path) as beside: beside.write_text(...)`.

    What was written to `beside`, a new name in the same folder, takes the place of `path` at the end; if the end is
    not reached, it is removed and `path` stays as it was.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

"""Where items come from: a catalog's name, or a folder of your own pictures, in; a `records.Catalog` out."""

import os
from pathlib import Path

from rag_lib.catalog.folder import load_folder
from rag_lib.catalog.metadata import same_name
from rag_lib.errors import RagError, did_you_mean
from rag_lib.paths import beginning, resolve
from rag_lib.records import Catalog, as_text

NAMES = ("drawn", "amazon", "photographs")

__all__ = ["NAMES", "load_catalog", "load_folder", "query_picture"]


def load_catalog(name: str | Path, *, folder: str | Path | None = None, seed: int = 0) -> Catalog:
    """The catalog `name`: "drawn" (drawn here on first use), "amazon" (downloaded on first use), "photographs" (of
    installed packages), or a folder's path.

    `folder`: where the drawn catalog is kept, or where the Amazon archive or its unpacked folder lies, if not in the
    usual place. `seed`: of the drawn catalog. A relative path is meant below the project's home. Raises RagError.
    """
    given = str(name).strip()
    if given == "drawn":
        from rag_lib.catalog.drawn import load_drawn

        return load_drawn(folder=folder, seed=seed)
    if given == "amazon":
        from rag_lib.catalog.amazon import load_amazon

        return load_amazon(folder)
    if given == "photographs":
        from rag_lib.catalog.photographs import load_photographs

        return load_photographs()
    if given and os.path.isdir(resolve(given)):
        return load_folder(resolve(given))
    raise RagError(
        f"There is no catalog '{given[:80]}': expected {' or '.join(repr(known) for known in NAMES)}, "
        f"or a folder of pictures.{_nearest(given)}"
    )


def query_picture(catalog: Catalog, name: str | Path) -> Path | None:
    """The picture that a notebook's `query_image` means: a name of the catalog's query pictures, or a file's path.

    None for the empty name: the query is the instruction alone. Raises RagError for a name that is neither.
    """
    name = as_text(str(name) if isinstance(name, Path) else name, "The query picture's name")
    if not name:
        return None
    if same_name(name) in catalog.query_pictures:
        return catalog.query_pictures[same_name(name)]
    if os.path.isfile(resolve(name)):
        return resolve(name)
    known = ", ".join(catalog.query_pictures) or "none (put pictures into the folder's sub-folder query/)"
    hint = did_you_mean(name, catalog.query_pictures) or beginning(name)
    raise RagError(
        f"There is no query picture '{name[:80]}': expected the path of an image, or one of this catalog's: "
        f"{known}.{hint}"
    )


def _nearest(given: str) -> str:
    """A hint at what was probably meant: a known name, or a folder that lies beside the missing one."""
    if not given:
        return ""
    try:
        folders = [path for path in resolve(given).parent.iterdir() if path.is_dir()]
        beside = [Path(given).with_name(path.name).as_posix() for path in folders]
    except (OSError, ValueError):  # no such folder, one that cannot be read, or no path at all
        beside = []
    names = NAMES if len(Path(given).parts) == 1 else ()  # a path is no misspelt name
    return did_you_mean(given, names) or did_you_mean(given, beside) or beginning(given)

"""The pictures of Milvus's tutorial "Multimodal RAG with Milvus": a subset of Amazon Reviews 2023.

In: nothing (they are downloaded once), or their archive or unpacked folder, where there is no network. Out: a `Catalog`
of about 900 appliances, phone accessories and electronics, with the tutorial's query picture "leopard". The archive
has no titles, categories or prices.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from rag_lib.catalog.archive import extract
from rag_lib.catalog.folder import load_folder
from rag_lib.download import download
from rag_lib.errors import RagError
from rag_lib.images import begins_as_picture
from rag_lib.paths import beginning, data_dir, resolve
from rag_lib.records import Catalog

URL = "https://github.com/milvus-io/bootcamp/releases/download/data/amazon_reviews_2023_subset.tar.gz"
ENVIRONMENT = "RAG_AMAZON_ARCHIVE"
REMEDY = f'Use catalog="drawn", or set {ENVIRONMENT} to a copy of the archive ({URL}).'


def load_amazon(
    source: str | Path | None = None, *, url: str = URL, min_images: int = 800, attempts: int = 4, pause: float = 1.0
) -> Catalog:
    """The tutorial's catalog, kept in `data/amazon/`.

    `source`: the archive or its unpacked folder; without it `RAG_AMAZON_ARCHIVE`, else what is already unpacked, else
    a download from `url` (see `download` for `attempts` and `pause`). Raises RagError if it cannot be had, or if it
    holds fewer than `min_images` pictures or no leopard.jpg.
    """
    source = source or os.environ.get(ENVIRONMENT)
    home = data_dir() / "amazon"
    if source:
        path = resolve(source)
        if os.path.isdir(path):
            return _catalog(_pictures(path, min_images))
        if not os.path.isfile(path):
            raise RagError(f"The Amazon archive '{source}' was not found: check the path.{beginning(source)} {REMEDY}")
        return _catalog(_unpack(path, home, min_images))
    if (home / "images_folder").is_dir():
        return _catalog(_pictures(home / "images_folder", min_images))
    archive = home / Path(url).name
    try:
        download(url, archive, attempts=attempts, pause=pause)
    except RagError as exc:
        raise RagError(f"{exc} {REMEDY}") from None
    try:
        folder = _unpack(archive, home, min_images)
    finally:
        archive.unlink(missing_ok=True)  # unpacked, or of no use: the next call must not meet it again
    return _catalog(folder)


def _unpack(archive: Path, home: Path, min_images: int) -> Path:
    """`home`/images_folder, from this archive; the folder appears only when it is complete."""
    folder, stamp = home / "images_folder", home / "archive.txt"
    about = f"{archive.resolve().name} {archive.stat().st_size} {archive.stat().st_mtime_ns}"
    if folder.is_dir() and stamp.is_file() and stamp.read_text() == about:
        return _pictures(folder, min_images)
    try:
        room = extract(archive, folder)
    except RagError as exc:
        raise RagError(f"{exc} {REMEDY}") from None
    try:
        found = _pictures(room, min_images)
        if folder.exists():
            folder.rename(room / "replaced")
        found.rename(folder)
        stamp.write_text(about)
    except OSError as exc:
        raise RagError(f"The Amazon pictures cannot be put in place ({exc.strerror}): try again.") from None
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return folder


def _pictures(folder: Path, min_images: int) -> Path:
    """The folder that holds leopard.jpg and images/, at or just below `folder`; its counts are checked."""
    for root in (folder, folder / "images_folder"):
        count = sum(1 for path in (root / "images").glob("*.jpg") if not path.name.startswith("."))
        if count >= min_images and begins_as_picture(root / "leopard.jpg"):
            return root
    where = "the archive" if folder.name.startswith(".") else folder.name
    raise RagError(
        f"These are not the tutorial's pictures: expected the picture leopard.jpg and at least {min_images} .jpg files "
        f"in images/, but '{where}' lacks them. {REMEDY}"
    )


def _catalog(root: Path) -> Catalog:
    catalog = load_folder(root / "images")
    # File names such as 518Gj1WQ-RL._AC_.jpg: the part before the dot is the picture's number in the shop.
    items = tuple(replace(item, title=item.path.name.split(".")[0]) for item in catalog.items)
    return replace(catalog, name="amazon", root=root, items=items, query_pictures={"leopard": root / "leopard.jpg"})

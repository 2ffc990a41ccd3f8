"""A folder of your own pictures as a catalog.

In: a folder with jpg, jpeg, jfif, png, webp, bmp or gif files, also in sub-folders; beside them, if you like, one
`metadata.csv` or `metadata.jsonl`, and a sub-folder `query/` of pictures to search with. Out: a `Catalog`.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from rag_lib.catalog.metadata import read_metadata
from rag_lib.errors import RagError
from rag_lib.images import (
    OTHER_SUFFIXES,
    SUFFIXES,
    ImageError,
    begins_as_picture,
    check_header,
    content_id,
    list_images,
)
from rag_lib.records import Catalog, Item, Skipped

QUERY_FOLDERS = ("query", "query_pictures")


def load_folder(path: str | Path) -> Catalog:
    """Every picture of the folder as an item, with what the metadata file says about it.

    Of pictures with the same content the first (by path) is kept. Listed in `skipped` are duplicates, files named as
    pictures that cannot be read as one, pictures of other formats, pictures that are not named as one, linked folders,
    and metadata for unknown files. Hidden files and files that are no pictures by name and content, such as texts, are
    not. Raises RagError for a folder without any usable picture, and for metadata that cannot be read.
    """
    folder = Path(path).resolve()
    rows = read_metadata(folder)
    items, queries, skipped, names = {}, {}, [], set()
    for file, reason in _candidates(folder):
        name = file.relative_to(folder).as_posix()
        names.add(name)
        top = name.split("/")[0]
        if not name.isascii() and (shown := os.fsencode(name).decode("utf-8", "replace")) != name:
            skipped.append(Skipped(folder / shown, "its name is not valid UTF-8: rename it"))  # nobody could print it
            continue
        if reason:
            skipped.append(Skipped(file, reason))
            continue
        try:
            check_header(file)
            image_id = content_id(file)
        except ImageError as exc:
            skipped.append(Skipped(file, exc.reason))
            continue
        if top in QUERY_FOLDERS:
            short = name.removeprefix(f"{top}/")
            stem = short.rsplit(".", 1)[0]
            queries[short if stem in queries else stem] = file
        elif image_id in items:
            skipped.append(Skipped(file, f"same picture as {items[image_id].path.relative_to(folder).as_posix()}"))
        else:
            items[image_id] = _item(image_id, file, rows[name].values if name in rows else {})
    if not items:
        because = f" ({skipped[0].path.name}: {skipped[0].reason})" if skipped else ""
        raise RagError(f"No usable picture in the folder '{folder.name}'{because}: put {', '.join(SUFFIXES)} in it.")
    unknown = [row for name, row in rows.items() if name not in names]
    if rows and len(unknown) == len(rows):
        raise RagError(
            f"{unknown[0].source} names '{unknown[0].file}', and no row of it names a picture of the folder "
            f"'{folder.name}': write paths relative to that folder."
        )
    skipped += [Skipped(folder / row.file, f"named in {row.source}, but no picture of the folder") for row in unknown]
    return Catalog(catalog_name(folder), folder, tuple(items.values()), queries, tuple(skipped))


def _candidates(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """Whatever is or may be a picture; with the reason if it is left out for its name, before anything is decoded."""
    for file in tqdm(list_images(folder, None), desc="reading the catalog", unit="file", delay=2):
        suffix = file.suffix.lower()
        if file.is_symlink() and os.path.isdir(file):
            yield file, "a linked folder is not entered"
        elif suffix in SUFFIXES:
            yield file, None
        elif suffix in OTHER_SUFFIXES:
            yield file, f"{suffix} files are not read: save it as .jpg or .png"
        elif begins_as_picture(file):
            yield file, "it is not named as a picture: rename it to .jpg or .png"


def _item(image_id: str, file: Path, values: Mapping[str, Any]) -> Item:
    title = values.get("title") or title_of(file)
    return Item(image_id, file, title, {key: value for key, value in values.items() if key != "title"})


def title_of(path: Path) -> str:
    """`red_phone-case.jpg` -> "red phone case"."""
    return re.sub(r"[_\-\s]+", " ", path.stem).strip() or path.stem


def catalog_name(folder: Path) -> str:
    """`/home/me/My images` -> "my_images_3f9a1c": letters, digits and underscores, as a collection's name needs them.

    The hash is of the whole path, so that two folders of the same name do not share a collection.
    """
    slug = re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_")[:40].strip("_")
    if not slug or slug[0].isdigit():
        slug = f"folder_{slug}".strip("_")
    return f"{slug}_{hashlib.sha256(folder.resolve().as_posix().encode()).hexdigest()[:6]}"

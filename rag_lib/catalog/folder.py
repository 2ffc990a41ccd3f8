"""A folder of your own pictures as a catalog.

In: a folder with jpg, jpeg, jfif, png, webp, bmp or gif files, also in sub-folders; beside them, if you like, one
`metadata.csv` or `metadata.jsonl`, and a sub-folder `query/` of pictures to search with. Out: a `Catalog`.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from rag_lib.catalog.metadata import read_metadata
from rag_lib.errors import RagError
from rag_lib.images import OTHER_SUFFIXES, SUFFIXES, ImageError, check_header, content_id, list_images
from rag_lib.records import Catalog, Item, Skipped

QUERY_FOLDERS = ("query", "query_pictures")


def load_folder(path: str | Path) -> Catalog:
    """Every picture of the folder as an item, with what the metadata file says about it.

    Of pictures with the same content the first (by path) is kept. Duplicates, files that are no pictures, pictures of
    other formats and metadata for unknown files are listed in `skipped`. Raises RagError for a folder without any
    usable picture, and for metadata that cannot be read.
    """
    folder = Path(path).resolve()
    rows = read_metadata(folder)
    items, queries, skipped = {}, {}, []
    names = {file.relative_to(folder).as_posix(): file for file in list_images(folder, (*SUFFIXES, *OTHER_SUFFIXES))}
    for name, file in tqdm(names.items(), desc="reading the catalog", unit="picture", delay=2):
        top = name.split("/")[0]
        if not name.isascii() and (shown := os.fsencode(name).decode("utf-8", "replace")) != name:
            skipped.append(Skipped(folder / shown, "its name is not valid UTF-8: rename it"))  # nobody could print it
            continue
        if file.suffix.lower() in OTHER_SUFFIXES:
            skipped.append(Skipped(file, f"{file.suffix.lower()} files are not read: save it as .jpg or .png"))
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
    skipped += [Skipped(folder / row.file, f"named in {row.source}, but not in the folder") for row in unknown]
    return Catalog(catalog_name(folder), folder, tuple(items.values()), queries, tuple(skipped))


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

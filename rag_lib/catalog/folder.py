"""A folder of your own pictures as a catalog.

In: a folder with jpg, jpeg, jfif, png, webp, bmp or gif files, also in sub-folders; beside them, if you like, one
`metadata.csv` or `metadata.jsonl`, captions (`dog.txt` for `dog.jpg`), and a sub-folder `query/` of pictures to search
with. Out: a `Catalog`.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm.auto import tqdm

from rag_lib.catalog.known import KnownIds
from rag_lib.catalog.metadata import FILES, Row, read_metadata, same_name
from rag_lib.errors import RagError
from rag_lib.images import OTHER_SUFFIXES, SUFFIXES, ImageError, begins_as_picture, list_images
from rag_lib.records import Catalog, Item, Skipped

QUERY_FOLDERS = ("query", "query_pictures")
MOST_LETTERS = 1000  # of a caption


class Found(NamedTuple):
    """`image_id`: of a picture; None where `reason` says why it is left out."""

    file: Path
    image_id: str | None
    reason: str | None


def load_folder(path: str | Path) -> Catalog:
    """Every picture of the folder as an item, with what the metadata file says about it.

    Of pictures with the same content one is kept: the first (by path) that has a row of metadata, else the first.
    Listed in `skipped` are the others, files named as pictures that cannot be read as one, pictures of other formats,
    pictures that are not named as one, folders that are links or cannot be read, metadata that is not read, and its
    rows for unknown files. Hidden files and files that are no pictures by name and content, such as texts, are not.
    Raises RagError for a folder without any usable picture, and for metadata that cannot be read.
    """
    folder = Path(path).resolve()
    files = list_images(folder, None)
    rows = read_metadata([file for file in files if file.parent == folder and file.name.lower() in FILES])
    return gather(folder, _identify(folder, files), rows)


def gather(folder: Path, found: Iterable[Found], rows: Mapping[str, Row]) -> Catalog:
    """The catalog of files in the order of their paths; `rows`: of metadata, by the name of their file.

    Whoever has found the pictures: one process, or many machines (`rag_lib.distributed`). Raises as `load_folder`.
    """
    items, queries, skipped, names = {}, {}, [], set()
    for file, image_id, reason in found:
        written = file.relative_to(folder).as_posix()
        name = same_name(written)
        names.add(name)
        if not name.isascii() and (shown := os.fsencode(written).decode("utf-8", "replace")) != written:
            skipped.append(Skipped(folder / shown, "its name is not valid UTF-8: rename it"))  # nobody could print it
            continue
        if reason:
            skipped.append(Skipped(file, reason))
            continue
        if is_query(name):
            short = name.split("/", 1)[1]
            stem = short.rsplit(".", 1)[0]
            queries[short if stem in queries else stem] = file
            continue
        one = _Named(name, rows.get(name), _item(image_id, file, rows.get(name)))
        kept = items.setdefault(image_id, one)
        if kept is not one:
            if one.row and not kept.row:
                items[image_id], kept, one = one, one, kept
            skipped.append(Skipped(one.item.path, _same(one, kept)))
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
    return Catalog(catalog_name(folder), folder, tuple(each.item for each in items.values()), queries, tuple(skipped))


def is_query(name: str) -> bool:
    """Whether a file's name, relative to the folder, is that of a picture to search with."""
    return "/" in name and name.split("/", 1)[0] in QUERY_FOLDERS


def _identify(folder: Path, files: Sequence[Path]) -> Iterator[Found]:
    known = KnownIds(folder, catalog_name(folder))
    for file, reason in candidates(folder, tqdm(files, desc="reading the catalog", unit="file", delay=2)):
        image_id = None
        try:
            image_id = None if reason else known.id_of(file)
        except ImageError as exc:
            reason = exc.reason
        yield Found(file, image_id, reason)
    known.save()


def candidates(folder: Path, files: Iterable[Path]) -> Iterator[tuple[Path, str | None]]:
    """Whatever is or may be a picture; with the reason if it is left out for its name, before anything is decoded.

    And folders and metadata that are not read.
    """
    for file in files:
        suffix = file.suffix.lower()
        if os.path.isdir(file):
            yield file, "a linked folder is not entered" if file.is_symlink() else "the folder cannot be read: allow it"
        elif suffix in SUFFIXES:
            yield file, None
        elif suffix in OTHER_SUFFIXES:
            yield file, f"{suffix} files are not read: save it as .jpg or .png"
        elif not os.path.lexists(file):
            yield file, "it cannot be read: allow it"
        elif begins_as_picture(file):
            yield file, "it is not named as a picture: rename it to .jpg or .png"
        elif file.stem.lower() == "metadata" and (file.parent != folder or file.name.lower() not in FILES):
            yield file, f"not read: metadata is one {FILES[0]} or {FILES[1]} in the folder itself"


class _Named(NamedTuple):
    name: str
    row: Row | None
    item: Item


def _same(one: _Named, kept: _Named) -> str:
    """Why `one` is left out: it is the picture of `kept`; with both titles, if that loses a row of metadata."""
    reason = f"same picture as {kept.name}"
    if not one.row or one.row.values == kept.row.values:
        return reason
    return f"{reason}, which stays '{kept.item.title}'; {one.row.source}, '{one.item.title}', is not used"


def _item(image_id: str, file: Path, row: Row | None) -> Item:
    values = row.values if row else {}
    title = values.get("title") or _caption_beside(file) or title_of(file)
    return Item(image_id, file, title, {key: value for key, value in values.items() if key != "title"})


def _caption_beside(path: Path) -> str:
    """The first line of the text file of the picture's name; empty if there is none."""
    try:
        with open(path.with_suffix(".txt"), encoding="utf-8-sig", errors="replace") as file:
            return " ".join(file.readline(MOST_LETTERS).split())
    except OSError:
        return ""


def title_of(path: Path) -> str:
    """`red_phone-case.jpg` -> "red phone case"."""
    stem = same_name(path.stem)
    return re.sub(r"[_\-\s]+", " ", stem).strip() or stem


def catalog_name(folder: Path) -> str:
    """`/home/me/My images` -> "my_images_3f9a1c": letters, digits and underscores, as a collection's name needs them.

    The hash is of the whole path, so that two folders of the same name do not share a collection.
    """
    slug = re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_")[:40].strip("_")
    if not slug or slug[0].isdigit():
        slug = f"folder_{slug}".strip("_")
    return f"{slug}_{hashlib.sha256(folder.resolve().as_posix().encode()).hexdigest()[:6]}"

"""The drawn catalog on disk: made once from a seed, checked and mended on every later call.

In: a folder and a seed. Out: `products/*.jpg` and `query/*.jpg` (320 x 320), `items.jsonl`, `query.jsonl`, and
`manifest.json` with the content id of every file, by which a missing or damaged one is found and drawn again.
The same seed gives the same bytes on every run with the same versions of NumPy, OpenCV and Pillow.
"""

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from rag_lib.drawn.drawing import DRAWING_VERSION, draw_picture
from rag_lib.drawn.wares import COUNT, Picture, plan
from rag_lib.drawn.workers import draw_missing, drawing_in
from rag_lib.errors import RagError
from rag_lib.images import ImageError, content_id
from rag_lib.paths import data_dir, is_part, replacing, resolve
from rag_lib.records import Catalog, Item

SIZE = 320  # edge of a picture, pixels
_MANIFEST = "manifest.json"
_FOLDERS = ("products", "query")
_OURS = {_MANIFEST, "items.jsonl", "query.jsonl", *_FOLDERS}  # what may be replaced in a folder


def load_drawn(folder: str | Path | None = None, seed: int = 0, *, count: int = COUNT) -> Catalog:
    """The drawn catalog; it is drawn first if it is missing, unfinished, damaged or of an older version.

    `folder`: where it is kept; by default `drawn` (with another seed or count: `drawn-<seed>-<count>`) in the data
    folder; a relative path is meant below the project's home. `count`: number of products. Raises RagError if the
    folder holds something else or cannot be written.
    """
    products, queries = plan(_check_seed(seed), count)
    name = "drawn" if (seed, count) == (0, COUNT) else f"drawn_{seed}_{count}"  # a collection of its own
    folder = data_dir() / name.replace("_", "-") if folder is None else resolve(folder)
    ids = make_drawn_catalog(folder, seed, count=count)
    items = tuple(
        Item(
            image_id=ids[picture.file],
            path=folder / picture.file,
            title=picture.values["title"],
            metadata={key: value for key, value in picture.values.items() if key != "title"},
        )
        for picture in products
    )
    return Catalog(name, folder, items, {q.values["name"]: folder / q.file for q in queries})


def make_drawn_catalog(folder: str | Path, seed: int = 0, *, count: int = COUNT) -> dict[str, str]:
    """Make sure that `folder` holds the whole catalog of this seed; returns file -> content id.

    `count`: products. A whole catalog is left alone, single damaged files are drawn again. While all of them are drawn
    the manifest names none, so that the next call draws anew what a killed one has begun.
    """
    folder, pictures = resolve(folder), [picture for part in plan(_check_seed(seed), count) for picture in part]
    files = {picture.file: picture for picture in pictures} | _write_lists(pictures)
    stamp = {"drawing_version": DRAWING_VERSION, "seed": int(seed), "count": count}
    try:
        known = _read_manifest(folder, stamp, files)
        if known and not _find_damaged(folder, known):
            return known
        _check_replaceable(folder)
        with drawing_in(folder):
            known = _read_manifest(folder, stamp, files)  # another process may have drawn meanwhile
            for name in _find_damaged(folder, known):
                (folder / name).unlink(missing_ok=True)
            if known and _draw(folder, files, seed) == known:
                return known
            # Nothing is known, or it was drawn by other versions of the libraries, which give other bytes.
            _write_manifest(folder, stamp, {})
            for name in files:
                (folder / name).unlink(missing_ok=True)
            for name in _FOLDERS:
                shutil.rmtree(folder / name, ignore_errors=True)
            ids = _draw(folder, files, seed)
            _write_manifest(folder, stamp, ids)
            return ids
    except OSError as exc:
        why = (exc.strerror or str(exc)).lower()
        raise RagError(
            f"The drawn catalog cannot be kept in '{folder.name}' ({why}): give a folder that can be written."
        ) from None


def _check_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise RagError(f"The seed of the drawn catalog is {seed!r}: give a whole number from 0.")
    return int(seed)


def _check_replaceable(folder: Path) -> None:
    """Raise RagError if anything would be lost that was not drawn here."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RagError(f"'{folder.name}' is a file: give a folder for the drawn catalog.")
    names = {path.name for path in folder.iterdir() if not is_part(path)}
    foreign = sorted(names - _OURS)
    if foreign or (names and _MANIFEST not in names):
        found = f"holds '{foreign[0]}'" if foreign else "is not empty"
        raise RagError(
            f"The folder '{folder.name}' {found}, which was not drawn here: give another folder or move that away."
        )


def _read_manifest(folder: Path, stamp: Mapping, files: Mapping) -> dict[str, str]:
    """File -> content id; empty if there is no manifest, or it is damaged, unfinished or of other files."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
        ids = manifest.pop("files")
        return ids if manifest == stamp and ids.keys() == files.keys() else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _write_manifest(folder: Path, stamp: Mapping, ids: Mapping[str, str]) -> None:
    with replacing(folder / _MANIFEST) as beside:
        beside.write_text(json.dumps({**stamp, "files": ids}, indent=0), "utf-8", newline="\n")


def _find_damaged(folder: Path, ids: Mapping[str, str]) -> list[str]:
    """The files that are missing or hold something else."""

    def is_whole(name: str) -> bool:
        try:
            return content_id(folder / name) == ids[name]
        except ImageError:
            return False

    return [name for name in ids if not is_whole(name)]


def _write_lists(pictures: Sequence[Picture]) -> dict[str, str]:
    """`items.jsonl` and `query.jsonl` -> their text: one object a line, in the catalog's order."""
    rows: dict[str, str] = {"items.jsonl": "", "query.jsonl": ""}
    for picture in pictures:
        row = {"file": picture.file, **picture.values, **({"kind": picture.kind} if picture.kind else {})}
        rows["query.jsonl" if picture.kind else "items.jsonl"] += json.dumps(row, ensure_ascii=False) + "\n"
    return rows


def _draw(folder: Path, files: Mapping[str, Picture | str], seed: int) -> dict[str, str]:
    """Make what is missing; returns the content ids of all."""
    for name in _FOLDERS:
        (folder / name).mkdir(exist_ok=True)
    draw_missing(folder, files, partial(_draw_file, seed), description="drawing the catalog", unit="file")
    return {name: content_id(folder / name) for name in files}


def _draw_file(seed: int, what: Picture | str) -> bytes:
    """A file's bytes, from its own random numbers, so that neither order nor number of processes matters."""
    if isinstance(what, str):
        return what.encode()
    rng, values = np.random.default_rng([seed, what.index, DRAWING_VERSION]), what.values
    pixels = draw_picture(rng, values.get("category"), values["theme"], values["color"], what.kind, SIZE)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue()

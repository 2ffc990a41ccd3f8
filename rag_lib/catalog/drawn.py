"""The drawn catalog on disk: made once from a seed, checked and mended on every later call.

In: a folder and a seed. Out: `products/*.jpg` and `query/*.jpg` (320 x 320), `items.jsonl`, `query.jsonl`, and
`manifest.json` with the content id of every file, by which a missing or damaged one is found and drawn again.
The same seed gives the same bytes on every run with the same versions of NumPy, OpenCV and Pillow.
"""

import json
import multiprocessing
import multiprocessing.connection
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from rag_lib.drawn.drawing import DRAWING_VERSION, draw_product, draw_query_picture
from rag_lib.drawn.wares import COUNT, Picture, plan
from rag_lib.errors import RagError
from rag_lib.images import ImageError, content_id
from rag_lib.paths import data_dir, resolve
from rag_lib.records import Catalog, Item

SIZE = 320  # edge of a picture, pixels
_MANIFEST = "manifest.json"
_OURS = {_MANIFEST, "items.jsonl", "query.jsonl", "products", "query"}  # what may be replaced in a folder
_LEFTOVER_AGE = 3600  # seconds after which an unfinished folder beside ours belongs to a run that was killed


def load_drawn(folder: str | Path | None = None, seed: int = 0, *, count: int = COUNT) -> Catalog:
    """The drawn catalog; it is drawn first if it is missing, unfinished, damaged or of an older version.

    `folder`: where it is kept; by default `drawn` (with another seed or count: `drawn-<seed>-<count>`) in the data
    folder; a relative path is meant below the project's home. `count`: number of products. Raises RagError if the
    folder holds something else or cannot be written.
    """
    products, queries = plan(_checked(seed), count)
    if folder is None:
        usual = (seed, count) == (0, COUNT)
        folder = data_dir() / ("drawn" if usual else f"drawn-{seed}-{count}")
    folder = resolve(folder)
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
    name = "drawn" if (seed, count) == (0, COUNT) else f"drawn_{seed}_{count}"  # a collection of its own
    return Catalog(name, folder, items, {q.values["name"]: folder / q.file for q in queries})


def make_drawn_catalog(
    folder: str | Path, seed: int = 0, *, count: int = COUNT, processes: int | None = None
) -> dict[str, str]:
    """Make sure that `folder` holds the whole catalog of this seed; returns file -> content id.

    `count`: products. `processes`: how many draw at once, by default up to eight, one for each core. A whole catalog
    is left alone, single damaged files are drawn again. A new one is drawn beside its place and moved there at the
    end, so that a run that is killed leaves no half-made catalog.
    """
    folder, pictures = resolve(folder), [picture for part in plan(_checked(seed), count) for picture in part]
    stamp = {"drawing_version": DRAWING_VERSION, "seed": seed, "count": count}
    try:
        manifest = _read_manifest(folder)
        if {key: manifest.get(key) for key in stamp} == stamp:
            if ids := _mend(folder, manifest["files"], pictures, seed, processes):
                return ids
        _check_replaceable(folder)
        return _draw_all(folder.resolve(), stamp, pictures, seed, processes)
    except OSError as exc:
        why = (exc.strerror or str(exc)).lower()
        raise RagError(
            f"The drawn catalog cannot be kept in '{folder.name}' ({why}): give a folder that can be written."
        ) from None


def _checked(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise RagError(f"The seed of the drawn catalog is {seed!r}: give a whole number from 0.")
    return int(seed)


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest; empty if there is none or it is damaged."""
    path = folder / _MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return manifest if all(isinstance(value, str) for value in manifest["files"].values()) else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _check_replaceable(folder: Path) -> None:
    """Raise RagError if anything would be lost that was not drawn here."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RagError(f"'{folder.name}' is a file: give a folder for the drawn catalog.")
    names = {path.name for path in folder.iterdir()}
    foreign = sorted(names - _OURS - {f"{name}.part" for name in _OURS})
    if foreign or (names and _MANIFEST not in names):
        found = f"holds '{foreign[0]}'" if foreign else "is not empty"
        raise RagError(
            f"The folder '{folder.name}' {found}, which was not drawn here: give another folder or move that away."
        )


def _mend(folder: Path, ids: dict[str, str], pictures: list[Picture], seed: int, processes) -> dict[str, str] | None:
    """Draw damaged files again; None if that does not give what the manifest promises, so that all must be redrawn."""
    if set(ids) != {picture.file for picture in pictures} | {"items.jsonl", "query.jsonl"}:
        return None
    damaged = {name for name, known in ids.items() if _id(folder / name) != known}
    if not damaged:
        return ids
    for name in ("products", "query"):
        (folder / name).mkdir(exist_ok=True)
    _draw(folder, [picture for picture in pictures if picture.file in damaged], seed, processes)
    _write_lists(folder, pictures)
    return ids if all(_id(folder / name) == ids[name] for name in damaged) else None


def _id(path: Path) -> str | None:
    try:
        return content_id(path)
    except ImageError:
        return None


def _draw_all(folder: Path, stamp: dict, pictures: list[Picture], seed: int, processes) -> dict[str, str]:
    """Draw the whole catalog into a temporary sibling and move it into place."""
    parent, prefix = folder.absolute().parent, f".{folder.name}-"
    parent.mkdir(parents=True, exist_ok=True)
    for leftover in parent.glob(f"{prefix}*"):
        if leftover.suffix in (".drawing", ".old") and time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE:
            shutil.rmtree(leftover, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=prefix, suffix=".drawing", dir=parent))
    try:
        fresh.chmod(0o755)
        for name in ("products", "query"):
            (fresh / name).mkdir()
        _draw(fresh, pictures, seed, processes)
        _write_lists(fresh, pictures)
        names = [picture.file for picture in pictures] + ["items.jsonl", "query.jsonl"]
        ids = {name: content_id(fresh / name) for name in names}
        _write(fresh / _MANIFEST, json.dumps({**stamp, "files": ids}, indent=0))
        old = fresh.with_suffix(".old")
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(fresh, folder)
        except OSError:
            # Another process, that started together with this one, was sooner: the same pictures.
            if _read_manifest(folder).get("files") != ids:
                raise
        shutil.rmtree(old, ignore_errors=True)
        return ids
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write_lists(folder: Path, pictures: list[Picture]) -> None:
    """`items.jsonl` and `query.jsonl`: one object a line, in the catalog's order."""
    rows: dict[str, list[str]] = {"items.jsonl": [], "query.jsonl": []}
    for picture in pictures:
        row = {"file": picture.file, **picture.values, **({"kind": picture.kind} if picture.kind else {})}
        rows["query.jsonl" if picture.kind else "items.jsonl"].append(json.dumps(row, ensure_ascii=False))
    for name, lines in rows.items():
        _write(folder / name, "\n".join(lines) + "\n")


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, "utf-8", newline="\n")
    os.replace(part, path)


def _draw(folder: Path, pictures: list[Picture], seed: int, processes: int | None) -> None:
    """Draw files, in parallel where that pays."""
    processes = processes or min(8, os.cpu_count() or 1)
    job = partial(_draw_file, folder, seed)
    if processes > 1 and len(pictures) > 40:
        try:
            _follow(_in_parallel(job, pictures, processes), len(pictures))
            return
        except BrokenProcessPool:
            pass  # a script without a __main__ guard cannot start processes: draw here
    _follow(map(job, pictures), len(pictures))


def _in_parallel(job, pictures: list[Picture], processes: int) -> Iterator[None]:
    # "spawn" works beside threads (notebooks, torch) and on every system
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker) as pool:
        yield from pool.map(job, pictures, chunksize=8)


def _start_worker() -> None:
    """One thread for OpenCV; and the worker ends with its parent, even if that is killed."""
    cv2.setNumThreads(1)

    def watch():
        multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _follow(done: Iterable[None], total: int) -> None:
    for _ in tqdm(done, desc="drawing the catalog", total=total, unit="picture", delay=1):
        pass


def _draw_file(folder: Path, seed: int, picture: Picture) -> None:
    """Draw one file from its own random numbers, so that neither order nor number of processes matters."""
    rng = np.random.default_rng([seed, picture.index, DRAWING_VERSION])
    values = picture.values
    if picture.kind:
        pixels = draw_query_picture(rng, values["theme"], values["color"], picture.kind, SIZE)
    else:
        pixels = draw_product(rng, values["category"], values["theme"], values["color"], SIZE)
    path = folder / picture.file
    part = path.with_name(path.name + ".part")
    Image.fromarray(pixels).save(part, "JPEG", quality=90, subsampling=0)
    os.replace(part, path)

"""What is killed: each function does one piece of real work in a process of its own and returns what can be compared.

All take `home`, the folder that stands for the project's, as first argument. The same call again is the next run.
"""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from rag_lib import index
from rag_lib.catalog import load_folder
from rag_lib.collection import Collection
from rag_lib.encoders.base import Encoder
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.images import open_image
from rag_lib.rerank.replies import Replies

DIM = 16
CHUNK = 8  # so that a small catalog crosses many edges
index.CHUNK = CHUNK


class Mosaic(Encoder):
    """Real vectors of real pixels without torch: the mean colors of a grid. The kills are of what lies around it."""

    name, fingerprint, dim, composes = "mosaic", "1", DIM, "sum"

    def prepare(self, source):
        return np.asarray(open_image(source).convert("L").resize((4, 4), Image.Resampling.BOX), np.float32).ravel() + 1

    def embed_images(self, prepared):
        vectors = np.stack(prepared)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    embed_queries = None


class Other(Mosaic):
    """Another model: it sees the picture turned."""

    name, fingerprint = "turned", "2"

    def prepare(self, source):
        return np.asarray(super().prepare(source)).reshape(4, 4).T.ravel().copy()


def make_pictures(folder: Path, count: int, *, first: int = 0) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03}.png" for number in range(first, first + count)]
    for number, path in enumerate(paths, start=first):
        pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((32, 32), Image.Resampling.NEAREST).save(path)
    return paths


def digest(*arrays) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def at(home: str) -> Path:
    os.environ["RAG_HOME"] = str(home)
    return Path(home)


def draw(home: str, count: int = 16) -> dict:
    from rag_lib.catalog.drawn import load_drawn

    at(home)
    catalog = load_drawn(count=count)
    return {"ids": [item.image_id for item in catalog.items], "left": leftovers(Path(home) / "data")}


def fetch(home: str, url: str) -> dict:
    from rag_lib.download import download

    path = download(url, at(home) / "data" / "archive.bin", pause=0.01)
    return {"sum": hashlib.sha256(path.read_bytes()).hexdigest(), "left": leftovers(path.parent)}


def encode(home: str) -> dict:
    paths = sorted((at(home) / "pictures").iterdir())
    with EmbeddingCache.for_encoder(Mosaic()) as cache:
        before = len(cache)
        found = Mosaic().encode_images(paths, batch_size=4, progress=False, cache=cache)
        return {"vectors": digest(found.vectors), "kept": len(cache), "paid": found.encoded - (len(paths) - before)}


def fill(home: str, encoder=Mosaic) -> dict:
    """The index of a folder; `paid`: pictures encoded although the cache held them."""
    home = at(home)
    catalog = load_folder(home / "pictures")
    with EmbeddingCache.for_encoder(encoder()) as cache:
        before = len(cache)
        missing = sum(cache.get(item.image_id) is None for item in catalog.items)
    name = index.collection_name(catalog, encoder())
    with Collection(home / "milvus.db", name, dim=DIM, root=catalog.root) as collection:
        report = index.update_index(collection, catalog, encoder(), progress=False)
        return state(collection) | {"before": before, "paid": report.encoded - missing}


def change(folder: Path) -> None:
    """A third of the pictures goes, a third gets other names, ten come."""
    for number, path in enumerate(sorted(folder.iterdir())):
        if number % 3 == 0:
            path.unlink()
        elif number % 3 == 1:
            path.rename(folder / f"renamed{number:03}.png")
    make_pictures(folder, 10, first=500)


def state(collection) -> dict:
    """All that a reader can see: rows, their names, and what searches find, with scores."""
    rows = collection.compare([])
    queries = np.random.default_rng(7).uniform(0.1, 1, (4, DIM)).astype(np.float32)
    hits = [[(h.item.image_id, h.item.path.name, round(h.score, 4)) for h in collection.search(q, 12)] for q in queries]
    names = sorted((item.image_id, item.path.name) for item in rows.besides)
    return {"count": collection.count(), "ids": sorted(rows.stored), "names": names, "hits": hits}


def reply(home: str, count: int = 30) -> dict:
    kept = Replies(at(home) / "data" / "replies" / "model")
    for number in range(count):
        if kept.get({"question": number}) is None:
            kept.put({"question": number}, f"answer {number}" * 50)
    found = [kept.get({"question": number}) for number in range(count)]
    return {"replies": found, "left": [name for name in leftovers(kept.folder) if not name.endswith(".part.json")]}


def train(home: str) -> dict:
    """A real loop, optimizer and checkpoint over a small model."""
    import torch

    from rag_lib.training import loop
    from rag_lib.training.files import run_folder
    from rag_lib.training.recipe import Recipe

    loop.SAVE_EVERY = 3
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 8)
    folder = at(home) / "runs" / "training"

    def step(rng):
        batch = torch.from_numpy(rng.normal(size=(16, 8)).astype(np.float32))
        loss = ((model(batch) - batch.roll(1, 1)) ** 2).mean()
        return loss, {"batch": float(batch.mean())}

    parameters = list(model.parameters())
    with run_folder(folder):
        log = loop.optimize(
            "tower", step, parameters, torch.nn.ModuleList(), 40, Recipe(muon=False), folder, modules=[model]
        )
    return {"weights": digest(*(p.detach().numpy() for p in parameters)), "log": log, "left": leftovers(folder)}


def run(home: str, notebooks: str) -> dict:
    """A papermill run of two small notebooks."""
    import nbformat

    from rag_lib.run.command import main

    out = at(home) / "runs" / "kills"
    code = main(["--notebooks", notebooks, "--out", str(out)])
    cells = {
        path.name: "".join(o["text"] for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", ()))
        for path in sorted(out.glob("[0-9]*.ipynb"))
    }
    return {"code": code, "cells": cells, "left": sorted(p.name for p in out.iterdir() if "failed" in p.name)}


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.name.endswith((".part", ".damaged")) or ".part." in p.name)


def load(home: str, name: str, folder: str) -> dict:
    from rag_lib.encoders import load_encoder

    at(home)
    encoder = load_encoder(name, folder)
    return {"vector": digest(encoder.encode_query(text="a red toaster"))}


def unpack(home: str, archive: str) -> dict:
    from rag_lib.catalog.archive import extract

    room = extract(Path(archive), at(home) / "data" / "amazon")
    names = len(list(room.rglob("*.png")))
    shutil.rmtree(room)
    return {"names": names}

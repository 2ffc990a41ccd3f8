"""What is killed: each function does one piece of real work in a process of its own and returns what can be compared.

All take `home`, the folder that stands for the project's, as first argument. The same call again is the next run.
"""

import hashlib
import os
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from rag_lib import index
from rag_lib.catalog import load_folder
from rag_lib.collection import Collection, connection
from rag_lib.encoders.base import Encoder
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.images import ImageError, content_id, open_image
from rag_lib.records import Item
from rag_lib.rerank.replies import Replies

DIM = 16
CHUNK = 8  # so that a small catalog crosses many edges
QUESTIONS = ("a red lamp", "a blue mug", "a green chair")
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
    """Killed while it draws the catalog: the next run has the same pictures and leaves no half ones"""
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


def grow(home: str) -> dict:
    """The same where more than thirty rows get a graph; what is found is what comparing all rows finds."""
    connection.EXACT = 30
    found = fill(home)
    with Collection(Path(home) / "milvus.db", name_of(home, Mosaic), dim=DIM) as collection:
        assert collection.wait_for_index(60)
        return found | {"index": collection.client.describe_index(collection.name, "vector")["index_type"]}


def move(home: str) -> dict:
    """A collection by another encoder takes the old one's place, which is dropped then."""
    found, old = fill(home, Other), name_of(home, Mosaic)
    with Collection(Path(home) / "milvus.db", name_of(home, Other), dim=DIM) as collection:
        collection.serve_as("shop")
        if collection.client.has_collection(old):
            collection.client.drop_collection(old)
        return found | {"collections": len(collection.client.list_collections())}


def read(home: str, name: str = "shop") -> dict:
    at(home)
    with Collection(Path(home) / "milvus.db", name, dim=DIM, root=Path(home) / "pictures") as collection:
        return state(collection)


def publish(home: str) -> dict:
    """The index of a folder, under a name for its readers."""
    found = fill(home)
    with Collection(Path(home) / "milvus.db", name_of(home, Mosaic), dim=DIM) as collection:
        collection.serve_as("shop")
    return found


def name_of(home: str, encoder: type) -> str:
    return index.collection_name(load_folder(at(home) / "pictures"), encoder())


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
    """Killed while replies are kept: each is whole or not there"""
    kept = Replies(at(home) / "data" / "replies" / "model")
    for number in range(count):
        if kept.get({"question": number}) is None:
            kept.put({"question": number}, f"answer {number}" * 50)
    found = [kept.get({"question": number}) for number in range(count)]
    return {"replies": found, "left": [name for name in leftovers(kept.folder) if not name.endswith(".part.json")]}


def train(home: str) -> dict:
    """Killed while it trains: the next run ends with the same weights and the same log

    A real loop, optimizer and checkpoint over a small model.
    """
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
    """Killed in a papermill run: the next run has all notebooks, whole, and nothing of the killed one"""
    import nbformat

    from rag_lib.run.command import main

    out = at(home) / "runs" / "kills"
    code = main(["--notebooks", notebooks, "--out", str(out)])
    cells = {
        path.name: "".join(o["text"] for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", ()))
        for path in sorted(out.glob("[0-9]*.ipynb"))
    }
    left = [path.name for path in out.iterdir() if "failed" in path.name]
    return {"code": code, "cells": cells, "left": sorted(left + leftovers(out))}


def sweep(home: str, notebooks: str) -> dict:
    """Killed in a sweep: the next run has the same table and pages, and runs nothing again that was done

    `again`: how many combinations ran although they had been finished.
    """
    import csv

    from rag_lib.run.command import main

    out, file = at(home) / "runs" / "sweep", Path(home) / "sweep.yaml"
    file.write_text("vary: {seed: [1, 2]}\nparameters: {seen: seen.txt}\nnotebooks: [0]\n")
    done = len(list(out.glob("*/run.json")))
    code = main(["--notebooks", notebooks, "--sweep", str(file), "--out", str(out)])
    with open(out / "runs.csv", newline="") as file:
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]
    pages = sorted(path.relative_to(out).parts[0] for path in out.rglob("index.html"))
    ran = (Path(home) / "seen.txt").read_text().split().count(str(os.getpid()))
    return {"code": code, "rows": rows, "pages": pages, "again": ran - (2 - done), "left": leftovers(out)}


def serve(home: str, model: str) -> dict:
    """The app, asked by a visitor for rankings by the model at that address: what he is told, and what lies there."""
    import tempfile

    from gradio_client import Client

    from rag_lib.app import start

    tempfile.tempdir = str(at(home) / "tmp")
    Path(tempfile.tempdir).mkdir(exist_ok=True)
    os.environ |= {"OPENAI_BASE_URL": model, "OPENAI_API_KEY": "sk-none", "no_proxy": "127.0.0.1"}
    parts = {"catalog": f"{home}/pictures", "encoder": "pocket", "reranker": "far", "milvus_uri": "milvus.db"}
    with start(**parts) as server:
        visitor = Client(server.url, verbose=False, analytics_enabled=False)
        told = [visitor.predict(text=text, limit=4, rerank=True, api_name="/ask") for text in QUESTIONS]
        visitor.close()
    left = leftovers(Path(home)) + sorted(path.name for path in Path(tempfile.tempdir).glob("rag-app-*"))
    return {"told": told, "left": left}


def write(home: str, uri: str, token: str) -> dict:
    """A thousand rows for a Milvus server, twenty at a time, a dot in `acknowledged` after each."""
    items, vectors = rows(1_000)
    with Collection(uri, "written", dim=DIM, token=token) as collection:
        for start in range(0, len(items), 20):
            collection.upsert(items[start : start + 20], vectors[start : start + 20], progress=False)
            with open(Path(home) / "acknowledged", "a") as file:
                file.write(".")
        return state(collection)


def stored(uri: str, token: str) -> list[str]:
    """The ids that a Milvus server has of `write`'s."""
    with Collection(uri, "written", dim=DIM, token=token) as collection:
        return sorted(collection.ids())


def rows(count: int) -> tuple[list[Item], np.ndarray]:
    vectors = np.random.default_rng(5).normal(size=(count, DIM)).astype(np.float32)
    items = [Item(f"id{n:04}", Path(f"/pictures/{n}.png"), f"picture {n % 50}", {"n": n}) for n in range(count)]
    return items, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def soak(uri: str, token: str, queries: int, each: int) -> list[tuple[float, int, int]]:
    """So many searches of all kinds -> (MB, threads, open files) of this process after each `each` of them."""
    process, sizes = psutil.Process(), []
    items, vectors = rows(1_000)
    with Collection(uri, "soaked", dim=DIM, token=token) as collection:
        collection.upsert(items, vectors, progress=False)

        def ask(n):
            kind = n % 4
            where = {"n": (n % 1_000, 1_000)} if kind == 1 else None
            text = "picture 7" if n % 40 == 2 and collection.local else None  # slow there
            hits = collection.search(vectors[n % 1_000], 9, where, ["id0003"] if kind == 3 else (), text=text)
            assert kind > 1 or n % 1_000 in [hit.item.metadata["n"] for hit in hits]

        # A server is waited for, a quarter of a second each: half an hour if it were asked by one.
        with ThreadPoolExecutor(1 if collection.local else 10) as pool:
            for start in range(0, queries, each):
                list(pool.map(ask, range(start, start + each)))
                sizes.append((process.memory_info().rss / 2**20, process.num_threads(), process.num_fds()))
    return sizes


def look(files: list[str]) -> tuple[list[tuple[str | None, tuple[int, int] | str]], float]:
    """For each file its content id and the size of its pixels, or None and why it is left out; most MB at a time."""
    found = []
    for file in files:
        try:
            image = open_image(file)
        except ImageError as error:
            found.append((None, error.reason))
        else:
            assert image.mode == "RGB" and np.asarray(image).shape == (image.height, image.width, 3)
            found.append((content_id(file), image.size))
    return found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def shelve(home: str, folder: str) -> dict:
    """A folder's pictures through the whole path: catalog, the pocket's vectors, index."""
    from rag_lib.encoders import load_encoder

    catalog, encoder = load_folder(folder), load_encoder("pocket")
    with Collection(at(home) / "milvus.db", "shelf", dim=encoder.dim, root=catalog.root) as collection:
        report = index.update_index(collection, catalog, encoder, progress=False)
        return {"ids": sorted(collection.ids()), "skipped": [(path.name, reason) for path, reason in report.skipped]}


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

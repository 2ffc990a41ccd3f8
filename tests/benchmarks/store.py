"""How fast the store answers on this machine: `python tests/benchmarks/store.py --out store.json`.

`rag_lib.collection.Collection` beside the calls of Milvus's tutorial on multimodal RAG (create_collection with auto
ids and dynamic fields, one insert, search; no flush), in one run: the same Milvus Lite, vectors and queries, by turns.

The vectors lie as those of an embedding model do: all lean to one side, and near pictures form groups. A row is
normalized(1.0 * common + 1.0 * its group's center + 0.7 * its own direction), all three random unit vectors, 20 rows
a group on average: cosines of about 0.8 within a group and 0.4 between groups. A query is a row turned by 30 degrees.
Nothing is asserted. `--sizes 500000` needs some 10 GB and, to build the graph on two cores, half an hour.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
from milvus_lite.engine import collection as engine
from pymilvus import MilvusClient

from rag_lib.collection import Collection, lite
from rag_lib.records import Item

DIM, TOP, N_MANY = 768, 10, 1_000
TURN, PATIENCE_S = 20, 60  # warm queries that one side answers before the other's turn; no new turn after seconds
OURS, TUTORIAL = "rag_lib", "tutorial"


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def make_vectors(rng: np.random.Generator, n: int, n_queries: int) -> tuple[np.ndarray, np.ndarray]:
    """-> (n, DIM) rows and (n_queries, DIM) queries, float32, of unit length."""
    common, centers = unit(rng.normal(size=DIM)), unit(rng.normal(size=(max(n // 20, 1), DIM)))
    own = unit(rng.normal(size=(n, DIM)))
    rows = unit(common + centers[rng.integers(len(centers), size=n)] + 0.7 * own)
    turned = rows[rng.integers(n, size=n_queries)] + np.tan(np.pi / 6) * unit(rng.normal(size=(n_queries, DIM)))
    return rows.astype(np.float32), unit(turned).astype(np.float32)


def items_of(paths: list[str]) -> list[Item]:
    metadata = {"category": "toaster", "price": 9.99}
    return [Item(path, Path(path).absolute(), f"picture {path}", metadata) for path in paths]


class Tutorial:
    """The tutorial's calls, one to one."""

    name = "multimodal_rag_demo"

    def __init__(self, path: Path):
        self.client = MilvusClient(uri=str(path))  # gRPC may complain here of too_many_pings; it connects again
        self.client.create_collection(collection_name=self.name, auto_id=True, dimension=DIM, enable_dynamic_field=True)

    def write(self, paths: list[str], rows: np.ndarray) -> None:
        pairs = zip(paths, rows.tolist(), strict=True)
        self.client.insert(self.name, data=[{"image_path": path, "vector": row} for path, row in pairs])

    def search(self, query: np.ndarray) -> list:
        found = self.client.search(
            collection_name=self.name,
            data=[query.tolist()],
            output_fields=["image_path"],
            limit=TOP,
            search_params={"metric_type": "COSINE", "params": {}},
        )[0]
        return [hit["entity"]["image_path"] for hit in found]

    def search_many(self, queries: np.ndarray) -> None:
        self.client.search(self.name, data=queries.tolist(), output_fields=["image_path"], limit=TOP)

    def wait(self) -> None:
        pass


class Ours:
    def __init__(self, path: Path):
        self.collection = Collection(path, "benchmark", dim=DIM)

    def write(self, paths: list[str], rows: np.ndarray) -> None:
        self.collection.upsert(items_of(paths), rows, progress=False)

    def search(self, query: np.ndarray) -> list:
        return [hit.item.image_id for hit in self.collection.search(query, limit=TOP)]

    def search_many(self, queries: np.ndarray) -> None:
        self.collection.search_many(queries, limit=TOP)

    def wait(self) -> None:
        self.collection.wait_for_index(7_200)

    def open_again(self, path: Path, paths: list[str]) -> None:
        """As `open_index` does when nothing changed: rows compared, a sample looked at for damage."""
        self.collection.close()
        self.collection = Collection(path, "benchmark", dim=DIM)
        missing, _, stored = self.collection.compare(items_of(paths))
        assert not missing and not self.collection.is_damaged(stored)


def seconds(function, *arguments) -> float:
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def measure(size: int, n_queries: int, folder: Path) -> dict[str, dict[str, float]]:
    """name -> figures, for each side."""
    rows, queries = make_vectors(np.random.default_rng(size), size + 1, n_queries)
    paths = [f"{number:06}.jpg" for number in range(size + 1)]
    sides = {OURS: Ours(folder / "ours.db"), TUTORIAL: Tutorial(folder / "tutorial.db")}
    figures, warm = {}, {name: [] for name in sides}
    for name, side in sides.items():
        written = seconds(side.write, paths[:-1], rows[:-1])
        first = seconds(side.search, queries[0])
        figures[name] = {"written, rows/s": size / written, "first answer, ms": 1000 * first}
        figures[name]["until the index is ready, s"] = seconds(side.wait)
    started = time.perf_counter()
    for some in np.array_split(queries, -(-n_queries // TURN)):
        for name, side in sides.items():
            warm[name] += [seconds(side.search, query) for query in some]
        if time.perf_counter() - started > PATIENCE_S:
            break
    theirs = engine.execute_search_with_index  # what our side's searches are without the live rows that are remembered
    with mock.patch.object(engine, "execute_search_with_index", getattr(theirs, "replaced", theirs)):
        anew = [seconds(sides[OURS].search, query) for query in queries[:TURN]]
    figures[OURS]["warm p50 where each row is asked anew, ms"] = 1000 * float(np.median(anew))
    exact = [{paths[i] for i in np.argsort(-(rows[:-1] @ query))[:TOP]} for query in queries]
    for name, side in sides.items():
        ms = 1000 * np.array(warm[name])
        figures[name] |= {"warm p50, ms": float(np.median(ms)), "warm p95, ms": float(np.percentile(ms, 95))}
        asked = range(len(ms))
        right = [len(exact[i] & set(side.search(queries[i]))) / TOP for i in (asked if name == OURS else asked[:3])]
        figures[name]["recall@10"] = float(np.mean(right))
        many = np.tile(queries, (-(-N_MANY // len(queries)), 1))[:N_MANY]
        figures[name][f"{N_MANY:,} queries in one call, ms a query"] = 1000 * seconds(side.search_many, many) / N_MANY
        more = seconds(side.write, paths[-1:], rows[-1:])
        figures[name]["one more row and its first answer, ms"] = 1000 * (more + seconds(side.search, queries[0]))
    figures[OURS]["opened again, s"] = seconds(sides[OURS].open_again, folder / "ours.db", paths)
    gone = seconds(sides[OURS].collection.delete, paths[TOP:])
    figures[OURS]["all rows but ten removed, s"] = gone
    assert len(sides[OURS].search(queries[0])) == TOP
    sides[OURS].collection.close()
    sides[TUTORIAL].client.close()
    lite.release(folder / "tutorial.db")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[900, 5_000, 50_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--out", help="a JSON file for the figures")
    options = parser.parse_args()
    results = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            results[str(size)] = found = measure(size, options.queries, Path(folder))
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"{size:,} vectors of {DIM} dimensions{OURS:>29}{TUTORIAL:>12}{'ratio':>9}", flush=True)
        for name, value in found[OURS].items():
            other = found[TUTORIAL].get(name)
            if not other:
                print(f"  {name:50}{value:10.3g}{'-':>12}", flush=True)
                continue
            ratio = value / other if name.endswith("/s") or name.startswith("recall") else other / value
            print(f"  {name:50}{value:10.3g}{other:12.3g}{ratio:9.3g}", flush=True)
    if options.out:
        Path(options.out).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How fast the offline edition's parts are on this machine: `python tests/benchmarks/offline.py --out offline.json`.

Draws, embeds, inserts and searches in a temporary folder, and prints a rate for each. Nothing is asserted.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from rag_lib.catalog import load_folder
from rag_lib.collection import Collection
from rag_lib.drawn.drawing import CATEGORIES, LOOKS, draw_product
from rag_lib.encoders import load_encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--encoder", default="pocket")
    parser.add_argument("--out", help="a JSON file for the figures")
    options = parser.parse_args()
    rng, figures = np.random.default_rng(0), {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        folder.mkdir()
        started = time.perf_counter()
        for number in range(options.pictures):
            look = LOOKS[int(rng.integers(len(LOOKS)))]
            pixels = draw_product(rng, CATEGORIES[number % len(CATEGORIES)], *look)
            Image.fromarray(pixels).save(folder / f"{number:04d}.jpg")
        figures["drawn, pictures/s, one process"] = options.pictures / (time.perf_counter() - started)

        catalog, encoder = load_folder(folder), load_encoder(options.encoder)
        encoder.encode_images([item.path for item in catalog.items[:32]], progress=False)  # warm-up
        started = time.perf_counter()
        encoded = encoder.encode_images([item.path for item in catalog.items], progress=False)
        figures["embedded, pictures/s, decoding included"] = len(encoded.kept) / (time.perf_counter() - started)

        with Collection(Path(temporary) / "milvus.db", "benchmark", dim=encoder.dim) as collection:
            started = time.perf_counter()
            collection.upsert(catalog.items, encoded.vectors, progress=False)
            figures["inserted, rows/s"] = len(catalog.items) / (time.perf_counter() - started)
            query, seconds = encoder.encode_query(catalog.items[0].path, "a toaster in this style"), []
            for _ in range(50):
                started = time.perf_counter()
                collection.search(query)
                seconds.append(time.perf_counter() - started)
        figures["search, ms, median"] = 1000 * statistics.median(seconds)
    for name, value in figures.items():
        print(f"{name:42}{value:10.1f}")
    if options.out:
        Path(options.out).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

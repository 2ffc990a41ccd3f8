"""Photographs asked over the drawn catalog: `python tests/benchmarks/photographs.py --pictures FOLDER`.

Below the folder lie the files of photographs.yaml, under any names: they are known by their sha256. Each is asked for
three products ("A lamp with this image theme"), as a user asks. Printed is how often the first hit is that product, and
how often it has the photograph's theme or one of its colors; intervals are over photographs. Nothing is asserted.
"""

import argparse
import hashlib
import warnings
from pathlib import Path

import numpy as np
import yaml

from rag_lib.catalog import load_catalog
from rag_lib.encoders import load_encoder
from rag_lib.encoders.vocabulary import Caution
from rag_lib.errors import RagError
from rag_lib.evaluation.significance import interval
from rag_lib.records import Hit, Query
from rag_lib.rerank import load_reranker

ASKED = ("phone case", "lamp", "toaster")
LIMIT = 9  # hits that are reranked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--encoder", nargs="+", default=["photo", "pocket"])
    parser.add_argument("--show", action="store_true", help="also print what was found for each photograph")
    options = parser.parse_args()
    warnings.simplefilter("ignore", Caution)
    photographs, catalog = find(options.pictures), load_catalog("drawn")
    print(f"{len(photographs)} photographs, {len(ASKED) * len(photographs)} queries over {len(catalog.items)} products")
    for name in options.encoder:
        encoder = load_encoder(name)
        rows = encoder.encode_images([item.path for item in catalog.items], progress=False).vectors
        found = [[search(encoder, rows, catalog, path, text) for text in map(ask, ASKED)] for path in photographs]
        report(name, found, photographs, options.show)
        if name == "pocket":
            noticed = sum(encoder.photograph(path, ask(ASKED[0])) is not None for path in photographs)
            print(f"  {noticed} are noticed to be photographs")
            reranker = load_reranker("pocket")
            ranked = [
                [reranker.rank(Query(path, text), hits).hits for text, hits in zip(map(ask, ASKED), each, strict=True)]
                for path, each in zip(photographs, found, strict=True)
            ]
            report(f"{name}, reranked", ranked, photographs, options.show)


def ask(product: str) -> str:
    return f"A {product} with this image theme"


def find(folder: Path) -> dict[Path, set[str]]:
    """Path -> labels. Raises RagError if one is missing."""
    sources = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    wanted = {row["sha256"]: (row, source) for source in sources for row in source["pictures"]}
    there = {}
    for path in sorted(filter(Path.is_file, folder.rglob("*"))):
        there.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
    missing = [
        f"{row['path']} of {source['source']}" for digest, (row, source) in wanted.items() if digest not in there
    ]
    if missing:
        raise RagError(f"{len(missing)} of {len(wanted)} photographs are not below {folder}: {missing[0]} ...")
    return {there[digest]: set(row["labels"].split()) for digest, (row, _) in wanted.items()}


def search(encoder, rows: np.ndarray, catalog, path: Path, text: str) -> list[Hit]:
    scores = rows @ encoder.encode_query(path, text)
    best = np.argsort(-scores)[:LIMIT]
    return [Hit(rank, float(scores[n]), catalog.items[n]) for rank, n in enumerate(best, 1)]


def report(name: str, found: list, photographs: dict[Path, set[str]], show: bool) -> None:
    values = np.zeros((len(photographs), 2))  # of each photograph: the product, the look
    for row, (path, labels) in enumerate(photographs.items()):
        first = [hits[0].item.metadata for hits in found[row]]
        is_it = [each["category"] == product for each, product in zip(first, ASKED, strict=True)]
        looks = [bool({each["theme"], each["color"]} & labels) for each in first]
        values[row] = np.mean(is_it), np.mean(looks)
        if show:
            print(f"  {path.name} ({' '.join(sorted(labels))}):", *(f"{f['color']} {f['theme']}," for f in first))
    for column, measure in enumerate(("the product", "theme or color")):
        low, high = interval(values[:, column])
        print(f"{name}: {measure} {values[:, column].mean():.2f} ({low:.2f}-{high:.2f})")


if __name__ == "__main__":
    main()

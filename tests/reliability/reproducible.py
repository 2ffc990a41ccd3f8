"""Is it the same in another environment? What a seed decides, as JSON; of two such files, where they part.

    python tests/reliability/reproducible.py --seed 0 > here.json      # in each environment
    python tests/reliability/reproducible.py here.json there.json      # exit code 1: they differ

Ids are the hashes of the drawn files, so that they hold every byte of the catalog.
"""

import argparse
import json
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

PACKAGES = ("torch", "transformers", "timm", "numpy", "scipy", "Pillow", "milvus-lite", "pymilvus")
INSTRUCTIONS = ("phone case with this image theme", "the same in blue, not striped", "a toaster like this", "")
WORDS = ("red striped lamp", "a green mug with leaves", "something for the kitchen below 30 dollars")
TOLERANCE = 1e-4  # of a component of a unit vector, and of a cosine: processors sum in another order


def record(seed: int) -> dict:
    from rag_lib.catalog import load_catalog
    from rag_lib.encoders import load_encoder
    from rag_lib.index import open_index
    from rag_lib.records import Query
    from rag_lib.rerank import load_reranker

    shop, model, judge = load_catalog("drawn", seed=seed), load_encoder("pocket"), load_reranker("pocket")
    asked = [(name, text) for name in sorted(shop.query_pictures) for text in INSTRUCTIONS]
    asked += [("", text) for text in WORDS]
    hits, rankings, vectors = {}, {}, []
    with tempfile.TemporaryDirectory() as folder, open_index(shop, model, str(Path(folder, "milvus.db"))) as collection:
        for name, text in asked:
            query = Query(image=shop.query_pictures.get(name), text=text or None)
            vectors.append(model.encode_query(query.image, query.text))
            found = collection.search(vectors[-1], limit=9)
            hits[f"{name}: {text}"] = [[hit.item.image_id, hit.score] for hit in found]
            rankings[f"{name}: {text}"] = [hit.item.image_id for hit in judge.rank(query, found).hits]
    pictures = model.encode_images([item.path for item in shop.items[::20]], progress=False).vectors
    return {
        "versions": {"Python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "ids": {item.path.name: item.image_id for item in shop.items},
        "titles": {item.image_id: item.title for item in shop.items},
        "hits": hits,
        "rankings": rankings,
        "vectors": np.vstack([*vectors, pictures]).tolist(),
    }


def differences(ours: dict, theirs: dict) -> list[str]:
    """One line for each kind of thing that is not the same, with the first of its kind."""
    lines = []
    for what in ("ids", "titles", "rankings"):
        names = [name for name in ours[what] | theirs[what] if ours[what].get(name) != theirs[what].get(name)]
        if names:
            first = f"{names[0]!r}: {ours[what].get(names[0])} and {theirs[what].get(names[0])}"
            lines.append(f"{len(names)} of {len(ours[what])} {what} differ; the first is {first}")
    for question, found in ours["hits"].items():
        scores = [dict(found), dict(theirs["hits"].get(question, []))]
        if scores[0].keys() != scores[1].keys() or max(abs(scores[0][k] - scores[1][k]) for k in scores[0]) > TOLERANCE:
            lines.append(f"the search finds other pictures, or other scores, for {question!r}")
            break
        if list(scores[0]) != list(scores[1]):
            lines.append(f"the search finds the same pictures in another order for {question!r}")
            break
    apart = np.abs(np.subtract(ours["vectors"], theirs["vectors"])).max()
    if apart > TOLERANCE:
        lines.append(f"the vectors are {apart:.1e} apart")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="none: record this environment; two: compare them")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if not given.files:
        print(json.dumps(record(given.seed)))
        return 0
    ours, theirs = (json.loads(path.read_text()) for path in given.files)
    found = differences(ours, theirs)
    print("\n".join(found) or f"{len(ours['ids'])} files, {len(ours['hits'])} rankings: the same.")
    print(f"Vectors: at most {np.abs(np.subtract(ours['vectors'], theirs['vectors'])).max():.1e} apart.")
    other = {name: (mine, theirs["versions"][name]) for name, mine in ours["versions"].items()}
    print("Versions:", {name: pair for name, pair in other.items() if pair[0] != pair[1]})
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

"""CIRR: a folder in its official layout -> its val or test1 split, and the measures of its protocol.

Liu et al. 2021, "Image Retrieval on Real-life Images with Pre-trained Vision-and-Language Models" (ICCV; arXiv
2108.04024); files and test server: github.com/Cuberick-Orion/CIRR. That the reference is left out of both rankings is
as in github.com/miccunifi/SEARLE, src/validate.py, which later papers share. The layout:

    captions/cap.rc2.{val,test1}.json          a list of {pairid, reference, caption, img_set.members, target_hard}
    image_splits/split.rc2.{train,val,test1}.json      {id: relative path, such as "./dev/dev-244-0-img0.png"}
    img_raw/{train,dev,test1}/                 the pictures, from NLVR2

Evaluation code of later papers keeps the annotations in cirr/ and the pictures beside it; that is read too.
"""

from collections.abc import Sequence
from pathlib import Path

from rag_lib.errors import RagError
from rag_lib.evaluation.cir.files import check_ids, choose, find_root, read_entries, read_json
from rag_lib.evaluation.cir.measures import recall, target_ranks
from rag_lib.evaluation.cir.records import CirBenchmark, CirQuery
from rag_lib.paths import resolve

TITLE = "CIRR"
SOURCE = "github.com/Cuberick-Orion/CIRR"
SPLITS = {"val": 4181, "test1": 4148}  # queries
GALLERIES = {"split": {"val": 2297, "test1": 2315}, "all": {"val": 21_551}}  # pictures
FIELDS = {"pairid": int, "reference": str, "caption": str, "img_set": dict}
PROTOCOL = {
    "split": "Every picture of the split is ranked but the query's own reference (Liu et al. 2021, arXiv 2108.04024).",
    "all": "Every picture of train, val and test1 is ranked, the corpus of VISTA's table 2 (arXiv 2406.04292).",
}


def load(folder: str | Path, split: str, gallery: str) -> CirBenchmark:
    """Read the annotations of `split` and find its pictures. Raises RagError for anything that is not as published."""
    choose(TITLE, "split", split, SPLITS)
    choose(
        f"{TITLE}'s split {split}", "gallery", gallery, [name for name, sizes in GALLERIES.items() if split in sizes]
    )
    captions = f"captions/cap.rc2.{split}.json"
    root = find_root(folder, captions, title=TITLE, source=SOURCE, below=("cirr",))
    entries = read_entries(root, captions, FIELDS | ({} if split == "test1" else {"target_hard": str}))
    queries = tuple(
        CirQuery(
            query_id=str(entry["pairid"]),
            reference=entry["reference"],
            text=entry["caption"],
            targets=(entry["target_hard"],) if split != "test1" else (),
            subset=_members(entry, captions),
        )
        for entry in entries
    )
    files = {}
    for each in ("train", "val", "test1") if gallery == "all" else (split,):
        files |= _paths(root, f"image_splits/split.rc2.{each}.json")
    check_ids(queries, {"": tuple(files)}, title=TITLE)
    pictures = _find_pictures(resolve(folder), root, files)
    return CirBenchmark(
        name="cirr",
        title=TITLE,
        split=split,
        gallery=gallery,
        queries=queries,
        pictures=pictures,
        galleries={"": tuple(pictures)},
        excludes_reference=True,
        official=(SPLITS[split], GALLERIES[gallery][split]),
        protocol=PROTOCOL[gallery],
    )


def measure(queries: Sequence[CirQuery], ranked: Sequence[Sequence[str]], subsets: Sequence[Sequence[str]]) -> dict:
    """Percent. Recall@K over the gallery, Recall_subset@K over img_set, and their average (Liu et al. 2021).

    Recall@K: the share of queries whose one target is among the first K. Recall_subset@K: the same when only the five
    other members of the query's img_set are ranked. Average: (Recall@5 + Recall_subset@1) / 2.
    """
    places = target_ranks(queries, ranked)
    near = target_ranks(queries, subsets)
    row = {f"Recall@{k}": recall(places, k) for k in (1, 5, 10, 50)}
    row |= {f"Recall_subset@{k}": recall(near, k) for k in (1, 2, 3)}
    return row | {"Average": (row["Recall@5"] + row["Recall_subset@1"]) / 2}


def _members(entry: dict, name: str) -> tuple[str, ...]:
    members = entry["img_set"].get("members")
    if not isinstance(members, list) or entry["reference"] not in map(str, members):
        raise RagError(f"Query {entry['pairid']} of {name} has no img_set.members that hold its reference.")
    return tuple(map(str, members))


def _paths(root: Path, name: str) -> dict[str, str]:
    paths = read_json(root, name, dict)
    if not paths or not all(isinstance(path, str) for path in paths.values()):
        raise RagError(f"{name} is no object of ids and relative paths: download the annotations again.")
    return paths


def _find_pictures(folder: Path, root: Path, files: dict[str, str]) -> dict[str, Path]:
    """id -> path: the relative paths lie below img_raw/, below the annotations' folder, or beside it."""
    top = Path(next(iter(files.values()))).parts[0]
    for base in (root / "img_raw", folder / "img_raw", root, folder):
        if (base / top).is_dir():
            return {each: base / path for each, path in files.items()}
    raise RagError(
        f"CIRR's annotations are here but its pictures are not: put the folder {top}/ of NLVR2's pictures into "
        f"img_raw/. How to get them is told at {SOURCE}."
    )

"""CIRCO: a folder in its official layout -> its val or test split, and the measures of its protocol.

Baldrati et al. 2023, "Zero-Shot Composed Image Retrieval with Textual Inversion" (ICCV; arXiv 2303.15247);
files, evaluation (src/evaluation.py) and test server: github.com/miccunifi/CIRCO. The layout:

    annotations/{val,test}.json      a list of {id, reference_img_id, relative_caption, shared_concept, and on val
                                     target_img_id, gt_img_ids, semantic_aspects}
    COCO2017_unlabeled/annotations/image_info_unlabeled2017.json
    COCO2017_unlabeled/unlabeled2017/000000243611.jpg ...

The text is the relative caption. Several papers also name the shared concept in it; BGE-VL's published queries do, in
the words of `CONCEPT_TEXT`, so that row is shown beside the plain one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rag_lib.errors import RagError
from rag_lib.evaluation.cir.files import check_ids, choose, find_root, read_entries
from rag_lib.evaluation.cir.measures import average_precision, recall, target_ranks
from rag_lib.evaluation.cir.records import CirBenchmark, CirQuery

TITLE = "CIRCO"
SOURCE = "github.com/miccunifi/CIRCO"
SPLITS = {"val": 220, "test": 800}  # queries
GALLERIES = {"split": 123_403}  # pictures
INFO = "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json"
IMAGES = "COCO2017_unlabeled/unlabeled2017"
FIELDS = {"id": int, "reference_img_id": int, "relative_caption": str, "shared_concept": str}
TARGETS = {"target_img_id": int, "gt_img_ids": list}
CUTOFFS = (5, 10, 25, 50)
CONCEPT_TEXT = "Find a picture that also {concept}, but {text}."
PROTOCOL = (
    "All pictures of COCO 2017 unlabeled are ranked, the reference included (Baldrati et al. 2023, arXiv 2303.15247)."
)


def load(folder: str | Path, split: str, gallery: str) -> CirBenchmark:
    """Read the annotations of `split` and find its pictures. Raises RagError for anything that is not as published."""
    choose(TITLE, "split", split, SPLITS)
    choose(TITLE, "gallery", gallery, GALLERIES)
    name = f"annotations/{split}.json"
    root = find_root(folder, name, title=TITLE, source=SOURCE)
    entries = read_entries(root, name, FIELDS | ({} if split == "test" else TARGETS))
    queries = tuple(
        CirQuery(
            query_id=str(entry["id"]),
            reference=str(entry["reference_img_id"]),
            text=entry["relative_caption"],
            targets=_targets(entry, name) if split != "test" else (),
            concept=entry["shared_concept"],
            aspects=tuple(entry.get("semantic_aspects") or ()),
        )
        for entry in entries
    )
    info = read_entries(root, INFO, {"id": int, "file_name": str}, key="images")
    pictures = {str(each["id"]): root / IMAGES / each["file_name"] for each in info}
    check_ids(queries, {"": tuple(pictures)}, title=TITLE)
    if not (root / IMAGES).is_dir():
        raise RagError(
            f"CIRCO's annotations are here but its pictures are not: put COCO's into {IMAGES}/. See {SOURCE}."
        )
    return CirBenchmark(
        name="circo",
        title=TITLE,
        split=split,
        gallery=gallery,
        queries=queries,
        pictures=pictures,
        galleries={"": tuple(pictures)},
        excludes_reference=False,
        official=(SPLITS[split], GALLERIES[gallery]),
        protocol=PROTOCOL,
    )


def measure(queries: Sequence[CirQuery], ranked: Sequence[Sequence[str]], subsets: Sequence[Sequence[str]]) -> dict:
    """Percent. mAP@K over all ground truths, Recall@K of the single target, and mAP@10 of every semantic aspect."""
    row = {}
    for k in CUTOFFS:
        precisions = [average_precision(ids, q.targets, k) for q, ids in zip(queries, ranked, strict=True)]
        row[f"mAP@{k}"] = 100 * float(np.mean(precisions))
        if k == 10:
            at_10 = precisions
    places = target_ranks(queries, ranked)
    row |= {f"Recall@{k}": recall(places, k) for k in CUTOFFS}
    for aspect in sorted({aspect for query in queries for aspect in query.aspects}):
        own = [value for query, value in zip(queries, at_10, strict=True) if aspect in query.aspects]
        row[f"mAP@10 {aspect}"] = 100 * float(np.mean(own))
    return row


def _targets(entry: dict, name: str) -> tuple[str, ...]:
    """All ground truths, the single target first (as in the official files)."""
    truths = entry["gt_img_ids"]
    if entry["target_img_id"] not in truths or not all(isinstance(each, int) for each in truths):
        raise RagError(f"Query {entry['id']} of {name}: gt_img_ids must be numbers and hold target_img_id.")
    return tuple(dict.fromkeys(map(str, [entry["target_img_id"], *truths])))

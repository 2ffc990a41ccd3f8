"""FashionIQ: a folder in its official layout -> its val split, and the measures of its protocol.

Wu et al. 2021, "The Fashion IQ Dataset: Retrieving Images by Combining Side Information and Relative Natural Language
Feedback" (CVPR; arXiv 1905.12794); annotations: github.com/XiaoxiaoGuo/fashion-iq. The layout:

    captions/cap.{dress,shirt,toptee}.val.json         a list of {target, candidate, captions: [two strings]}
    image_splits/split.{dress,shirt,toptee}.{train,val,test}.json      a list of ids
    images/<id>.jpg                                    (or another suffix)

`candidate` is the reference. The test split's targets are not public: everyone reports val. Papers differ in two ways:

- The gallery. "split": all pictures of the category's split file (3,817 / 6,346 / 5,373), the original protocol, which
  zero-shot papers use. "captions": only pictures that a query names (2,628 / 3,089 / 2,902), introduced by VAL (Chen
  et al. 2020, CVPR), which gives higher figures. "all": every picture of all nine split files in one gallery (74,381).
- The text. Here "{first} and {second}", each stripped of spaces and of ".?,", one query a pair (Baldrati et al. 2023,
  arXiv 2303.15247, whose code also averages the embeddings of both orders). BGE-VL writes "{first}, and {second}"; VAL
  asks each caption by itself. Three pairs of val have an empty caption: there the other stands alone.
"""

from collections.abc import Sequence
from pathlib import Path

from rag_lib.errors import RagError
from rag_lib.evaluation.cir.files import check_ids, choose, find_root, read_entries, read_ids
from rag_lib.evaluation.cir.measures import recall, target_ranks
from rag_lib.evaluation.cir.records import CirBenchmark, CirQuery
from rag_lib.images import list_images

TITLE = "FashionIQ"
SOURCE = "github.com/XiaoxiaoGuo/fashion-iq"
CATEGORIES = ("dress", "shirt", "toptee")
SPLITS = {"val": 6016}  # queries
GALLERIES = {"split": 15_536, "captions": 8619, "all": 74_381}  # pictures, summed over the categories' galleries
FIELDS = {"target": str, "candidate": str, "captions": list}
PROTOCOL = {
    "split": "Each category's queries rank its whole split file, the reference included (Wu et al. 2021, "
    "arXiv 1905.12794).",
    "captions": "Each category's queries rank only the pictures that its captions name (VAL, Chen et al. 2020).",
    "all": "All queries rank every picture of all categories and splits, the corpus of VISTA's table 2 "
    "(arXiv 2406.04292).",
}


def load(folder: str | Path, split: str, gallery: str) -> CirBenchmark:
    """Read the annotations of `split` and find its pictures. Raises RagError for anything that is not as published."""
    choose(TITLE, "split", split, SPLITS)
    choose(TITLE, "gallery", gallery, GALLERIES)
    root = find_root(folder, f"captions/cap.dress.{split}.json", title=TITLE, source=SOURCE)
    queries, galleries = [], {}
    for category in CATEGORIES:
        name = f"captions/cap.{category}.{split}.json"
        entries = read_entries(root, name, FIELDS)
        queries += [
            CirQuery(
                query_id=f"{category}-{number}",
                reference=entry["candidate"],
                text=join(entry["captions"], where=f"entry {number} of {name}"),
                targets=(entry["target"],),
                gallery=category,
            )
            for number, entry in enumerate(entries)
        ]
        if gallery == "captions":
            ids = [entry[key] for entry in entries for key in ("candidate", "target")]
        else:
            ids = read_ids(root, f"image_splits/split.{category}.{split}.json")
        galleries[category] = tuple(dict.fromkeys(ids))
    check_ids(queries, galleries, title=TITLE)
    if gallery == "all":
        queries = [CirQuery(q.query_id, q.reference, q.text, q.targets) for q in queries]
        names = [f"image_splits/split.{c}.{s}.json" for c in CATEGORIES for s in ("train", "val", "test")]
        galleries = {"": tuple(dict.fromkeys(each for name in names for each in read_ids(root, name)))}
    if not (root / "images").is_dir():
        raise RagError(
            f"FashionIQ's annotations are here but its pictures are not: put them into images/. See {SOURCE}."
        )
    files = {path.stem: path for path in list_images(root / "images")}
    return CirBenchmark(
        name="fashioniq",
        title=TITLE,
        split=split,
        gallery=gallery,
        queries=tuple(queries),
        pictures={each: files.get(each, root / f"images/{each}.jpg") for ids in galleries.values() for each in ids},
        galleries=galleries,
        excludes_reference=False,
        official=(SPLITS[split], GALLERIES[gallery]),
        protocol=PROTOCOL[gallery],
    )


def join(captions: Sequence[str], *, where: str = "the entry") -> str:
    """Two captions -> one text; an empty one is left out."""
    if len(captions) != 2 or not all(isinstance(caption, str) for caption in captions):
        raise RagError(f"FashionIQ: {where} has {captions!r} as captions; expected two strings.")
    return " and ".join(filter(None, (caption.strip(".?, \n\t") for caption in captions)))


def measure(queries: Sequence[CirQuery], ranked: Sequence[Sequence[str]], subsets: Sequence[Sequence[str]]) -> dict:
    """Percent. Recall@10 and @50 of every category, their means over the categories, and the mean of those two.

    In one gallery of all pictures: Recall@5, @10 and @50 over all queries alike.
    """
    places = target_ranks(queries, ranked)
    if not any(query.gallery for query in queries):
        return {f"Recall@{k}": recall(places, k) for k in (5, 10, 50)}
    row = {}
    for category in CATEGORIES:
        own = [place for query, place in zip(queries, places, strict=True) if query.gallery == category]
        row |= {f"{category} R@{k}": recall(own, k) for k in (10, 50)}
    row |= {f"Recall@{k}": sum(row[f"{c} R@{k}"] for c in CATEGORIES) / len(CATEGORIES) for k in (10, 50)}
    return row | {"Average": (row["Recall@10"] + row["Recall@50"]) / 2}

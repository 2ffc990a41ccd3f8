"""Figures that others have published, to stand beside a measured row. None of them was measured here.

Each is tied to its protocol: a figure from another gallery or split is not comparable, and the report says so.
"""

from dataclasses import asdict, dataclass

VISTA = "VISTA, Zhou et al. 2024, arXiv 2406.04292 (also FlagEmbedding, research/visual_bge/README.md)"
MEGAPAIRS = "MegaPairs, Zhou et al. 2024, arXiv 2412.14475, table 1"
# The paper's corpus is the union of all splits' pictures, which the official split files confirm to the picture
# (21,551 and 74,381). It does not say whether the reference is ranked, nor how FashionIQ's captions are joined.
POOL = "val queries over all splits' pictures; whether the reference is ranked is not said"


@dataclass(frozen=True)
class Published:
    """`figures`: measure -> percent, under the report's names. `protocol`: what is known of how it was measured.

    `either_way`: the source does not say whether the query's reference was ranked; the row then stands beside both.
    """

    model: str
    benchmark: str
    split: str
    gallery: str
    figures: dict[str, float]
    protocol: str
    source: str
    either_way: bool = False


PUBLISHED = (
    Published("VISTA base", "cirr", "val", "all", {"Recall@5": 22.51}, POOL, VISTA, either_way=True),
    Published("VISTA m3", "cirr", "val", "all", {"Recall@5": 20.19}, POOL, VISTA, either_way=True),
    Published("VISTA base", "fashioniq", "val", "all", {"Recall@5": 7.51}, POOL, VISTA, either_way=True),
    Published("VISTA m3", "fashioniq", "val", "all", {"Recall@5": 6.55}, POOL, VISTA, either_way=True),
    Published(
        "BGE-VL-base",
        "cirr",
        "test1",
        "split",
        {"Recall@1": 36.1, "Recall_subset@1": 71.6},
        "test1, whose targets only the evaluation server has",
        MEGAPAIRS,
    ),
    Published(
        "BGE-VL-base",
        "fashioniq",
        "val",
        "split",
        {"Recall@10": 31.9},
        'their published code joins the captions by ", and " and ranks the split files with the reference',
        MEGAPAIRS,
    ),
    Published(
        "BGE-VL-base",
        "circo",
        "test",
        "split",
        {"mAP@5": 34.3},
        "test, whose targets only the evaluation server has; their published queries name the shared concept",
        MEGAPAIRS,
    ),
)


def find_published(benchmark: str) -> list[dict]:
    """Every published row of a benchmark, as plain dictionaries."""
    return [asdict(row) for row in PUBLISHED if row.benchmark == benchmark]

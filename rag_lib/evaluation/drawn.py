"""A drawn benchmark: a gallery of 900 unseen pictures and composed queries with one known answer each.

Every picture shows another combination of category, theme and color, so that a query's picture alone, or its words
alone, fits many of them. Training never saw about a quarter of the combinations (all that it holds out), and half of
the queries ask for those. Every picture is new: the seeds of the two splits are used nowhere else. "validation" is for
choosing between models, "test" for the figures that are quoted.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rag_lib.catalog.drawing import CATEGORIES, COLORS, LOOKS, NATURAL, draw_product, draw_query_picture
from rag_lib.errors import RagError
from rag_lib.training.language import write_instruction
from rag_lib.training.pictures import HELD_OUT, HERO, SEEN

SEEDS = {"validation": 71, "test": 72}
FAMILIES = ("theme transfer", "category swap", "color edit", "theme edit")
SIZE = 320

Combination = tuple[str, str, str]


@dataclass(frozen=True)
class DrawnQuery:
    """`wanted`: the (category, theme, color) that answers it. `unseen`: whether training never saw that combination."""

    family: str
    image: Image.Image
    text: str
    wanted: Combination
    unseen: bool


@dataclass(frozen=True)
class Benchmark:
    """`pictures[i]` shows `shown[i]`, a (category, theme, color)."""

    split: str
    pictures: list[Image.Image]
    shown: list[Combination]
    queries: list[DrawnQuery]


def make_benchmark(split: str = "test", *, n_gallery: int = 900, per_family: int = 150) -> Benchmark:
    """Draw a split: the same pictures and queries on every call."""
    from tqdm.auto import tqdm

    if split not in SEEDS:
        raise RagError(f"Unknown split {split!r}; expected one of {', '.join(SEEDS)}.")
    rng = np.random.default_rng(SEEDS[split])
    unseen = [HERO, *_sample(rng, [c for c in HELD_OUT if c != HERO], min(n_gallery // 2, len(HELD_OUT)) - 1)]
    seen = _sample(rng, SEEN, n_gallery - len(unseen))
    shown = [*unseen, *seen]
    pictures = [_photo(draw_product(rng, *c, size=SIZE)) for c in tqdm(shown, desc=f"draw {split} gallery")]
    queries = []
    for family in tqdm(FAMILIES, desc=f"draw {split} queries"):
        for number in range(per_family):
            pool = unseen if number % 2 else seen
            if family == "color edit":
                pool = [c for c in pool if c[2] != NATURAL]
            wanted = pool[int(rng.integers(len(pool)))]
            queries.append(_query(rng, family, wanted, unseen=bool(number % 2)))
    return Benchmark(split, pictures, shown, queries)


def _query(rng: np.random.Generator, family: str, wanted: Combination, *, unseen: bool) -> DrawnQuery:
    category, theme, color = wanted
    names = dict(category=category, theme=theme, color=color)
    if family == "theme transfer":
        source = draw_query_picture(rng, theme, color, size=SIZE)
    else:
        source = draw_product(rng, *_source(rng, family, wanted), size=SIZE)
    # Phrasings that training never saw.
    text = write_instruction(rng, family, **names, held_out=True)
    return DrawnQuery(family, _photo(source), text, wanted, unseen)


def _source(rng: np.random.Generator, family: str, wanted: Combination) -> Combination:
    """The product that an edit starts from: it differs from `wanted` in what the instruction will say."""
    category, theme, color = wanted
    if family == "category swap":
        return _one(rng, [c for c in CATEGORIES if c != category]), theme, color
    if family == "color edit":
        return category, theme, _one(rng, [c for c in COLORS if c != color])
    looks = [look for look in LOOKS if look[0] != theme and (color == NATURAL or look[1] == color)]
    return category, *_one(rng, looks)


def _one(rng, options: Sequence):
    return options[int(rng.integers(len(options)))]


def _sample(rng, options: Sequence, n: int) -> list:
    return [options[int(i)] for i in rng.choice(len(options), n, replace=False)]


def _photo(pixels: np.ndarray) -> Image.Image:
    """As a file of the catalog would give it: through JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return Image.open(buffer)

"""The drawn benchmark: two galleries of pictures that training never saw, and queries whose answers are known exactly.

In: a split's name; out: a `Benchmark`, the same on every call. Its pictures are drawn once, into `data/benchmark/`.

Galleries:
- "full": every combination of category, theme and color once. A query has one right answer.
- "standard": 900 product pictures of some combinations, a part of them in two pictures, so that a query may have two
  right answers; queries that leave an attribute open have many and are asked here only.
Both hold the queries' own pictures too, as distractors: those of edits and swaps are products of the gallery anyway.

Splits, as tags of a query: "combination" (whether training saw what is wanted, and if it did, the product that the
query starts from), "phrasing" (of training; held out; in the test split also free-form), "picture kind" (whether it is
one of `HELD_OUT_KINDS`).
"""

import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from rag_lib.drawn.combinations import COMBINATIONS, HERO, is_held_out
from rag_lib.drawn.drawing import CATEGORIES, DRAWING_VERSION, LOOKS, draw_picture
from rag_lib.drawn.workers import draw_missing
from rag_lib.errors import RagError
from rag_lib.evaluation.drawn.asking import Asker
from rag_lib.evaluation.drawn.plan import FAMILIES, GALLERIES, Picture, Plan
from rag_lib.paths import data_dir

BENCHMARK_VERSION = 2  # raise it when a split would ask something else; 1 had one gallery and four families
SEEDS = {"validation": 271, "test": 272}  # "validation" is for choosing between models, "test" for what is quoted
# Free-form sentences are never chosen on, so that the validation split has none.
PHRASINGS = {"validation": ("seen", "held-out"), "test": ("seen", "held-out", "free-form")}
PER_PHRASING = 84  # queries a family: every cell of a family's splits then has the same number
SIZE = 256  # edge of a picture, pixels


@dataclass(frozen=True)
class Benchmark:
    """A plan whose pictures lie in `folder`."""

    plan: Plan
    folder: Path

    def path(self, image_id: str) -> Path:
        return self.folder / f"{image_id}.jpg"


def make_benchmark(split: str = "test", *, galleries: Sequence[str] = GALLERIES, **sizes) -> Benchmark:
    """Plan a split and draw what is missing of its pictures.

    `galleries`: those whose pictures are needed. `sizes`: see `make_plan`.
    """
    plan = make_plan(split, **sizes)
    folder = data_dir() / "benchmark" / f"{split}-{BENCHMARK_VERSION}.{DRAWING_VERSION}"
    needed = {image_id for gallery in galleries for image_id in plan.galleries[gallery]}
    try:
        draw_pictures([plan.pictures[image_id] for image_id in sorted(needed)], folder, SEEDS[split])
    except OSError as error:
        raise RagError(
            f"The benchmark's pictures cannot be kept in data/benchmark ({error.strerror}): make room there, or set "
            "RAG_HOME to a folder that can be written."
        ) from None
    return Benchmark(plan, folder)


def make_plan(
    split: str = "test",
    *,
    n_standard: int = 900,
    per_family: int | None = None,
    categories: Sequence[str] = CATEGORIES,
    looks: Sequence[tuple[str, str]] = LOOKS,
) -> Plan:
    """Lay out a split: pictures, galleries, queries. Nothing is drawn.

    `n_standard`: product pictures of the standard gallery. `per_family`: queries, by default `PER_PHRASING` for each
    phrasing. `categories`, `looks`: a smaller world.
    """
    if split not in SEEDS:
        raise RagError(f"Unknown split {split!r}; expected one of {', '.join(SEEDS)}.")
    per_family = per_family or PER_PHRASING * len(PHRASINGS[split])
    rng = np.random.default_rng([BENCHMARK_VERSION, SEEDS[split]])
    world = [c for c in COMBINATIONS if c[0] in categories and c[1:] in looks]
    mixed = [world[int(i)] for i in rng.permutation(len(world))]
    mixed.sort(key=lambda combination: combination != HERO)  # the hero is always in the gallery, twice
    unseen, seen = ([c for c in mixed if is_held_out(*c) == held_out] for held_out in (True, False))
    # Products that are asked for by another picture of them. In the full gallery that picture would be a second
    # answer, so that no other query wants them.
    n_alone = -(-per_family // 4)
    alone = unseen[len(unseen) - n_alone :] + seen[len(seen) - n_alone :]
    unseen, seen = unseen[: len(unseen) - n_alone], seen[: len(seen) - n_alone]
    n_twice = n_standard // 7
    n_seen = n_standard - n_twice - 2 * len(alone) - len(unseen)
    if not unseen or not n_twice <= n_seen <= len(seen):
        raise RagError(f"{len(world)} combinations do not fit {n_standard} pictures and {per_family} queries a family.")
    seen = seen[:n_seen]
    wanted = unseen + seen
    twice = [wanted[0], *(wanted[1 + int(i)] for i in rng.choice(len(wanted) - 1, n_twice - 1, replace=False))]

    own = _takes(alone, "own")
    standard = [*_takes(wanted + alone, "1"), *_takes(twice, "2"), *own]
    asker = Asker(rng, standard, own, seen=seen, unseen=unseen, phrasings=PHRASINGS[split])
    queries = [query for family in FAMILIES for query in asker.make_queries(family, per_family)]
    scenes = [picture for pictures in asker.scenes.values() for picture in pictures]
    galleries = {"standard": [*standard, *scenes], "full": [*_takes(world, "1"), *own, *scenes]}
    return Plan(
        split,
        {picture.image_id: picture for pictures in galleries.values() for picture in pictures},
        {name: tuple(sorted(picture.image_id for picture in pictures)) for name, pictures in galleries.items()},
        tuple(queries),
    )


def _takes(combinations: Iterable[tuple[str, str, str]], take: str) -> list[Picture]:
    """One picture of each: "phone-case.leopard.natural.1". `take`: 1, 2, or own for a picture to ask with."""
    return [Picture(".".join((*c, take)).replace(" ", "-"), c) for c in combinations]


def draw_pictures(pictures: Sequence[Picture], folder: Path, seed: int) -> None:
    """Make sure that `folder` holds <image_id>.jpg of every picture: the missing ones are drawn, in parallel.

    A picture depends on its id and the seed alone, so that a call that was stopped is simply made again.
    """
    wanted = {f"{picture.image_id}.jpg": picture for picture in pictures}
    draw_missing(folder, wanted, partial(_draw, seed), description="draw")


def _draw(seed: int, picture: Picture) -> bytes:
    rng = np.random.default_rng([BENCHMARK_VERSION, seed, zlib.crc32(picture.image_id.encode())])
    pixels = draw_picture(rng, *picture.shown, picture.kind, SIZE)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()

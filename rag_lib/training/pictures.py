"""The drawn pictures that the pocket model learns from, with their labels.

In: counts and a seed; out: a `PictureSet`. Drawing is done once: shards lie in `data/training/` and are found again.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from rag_lib.drawn.combinations import COLOR_LABELS, SEEN, query_kinds
from rag_lib.drawn.drawing import (
    CATEGORIES,
    COLORED_THEMES,
    COLORS,
    DRAWING_VERSION,
    LOOKS,
    NATURAL,
    NATURAL_THEMES,
    THEMES,
    draw_picture,
)
from rag_lib.drawn.workers import draw_missing
from rag_lib.errors import RagError
from rag_lib.paths import data_dir
from rag_lib.training.recipe import Recipe

SHARD = 500


@dataclass(frozen=True)
class Spec:
    """What one picture shows. `category` is None for a query picture, which is no product but of a `kind`."""

    category: str | None
    theme: str
    color: str
    kind: str | None = None


@dataclass(frozen=True)
class PictureSet:
    """`images`: (n, S, S, 3) uint8 RGB; `labels`: (n, 3) int, the indices of category, theme and color in `LABELS`.

    The category of a query picture is -1.
    """

    images: np.ndarray
    labels: np.ndarray


def training_specs(
    n_products: int,
    n_queries: int,
    seed: int,
    *,
    categories: Sequence[str] = CATEGORIES,
    looks: Sequence[tuple[str, str]] = LOOKS,
) -> list[Spec]:
    """Labels for a training set: seen combinations only, natural and colored themes in the proportion 2 : 3.

    `categories`, `looks`: a smaller world. Raises RagError if it holds no seen combination.
    """
    rng, looks = np.random.default_rng(seed), set(looks)
    world = [c for c in SEEN if c[0] in categories and c[1:] in looks]
    if not world:
        raise RagError("No combination of these categories and looks is for training: give more of both.")
    natural = [c for c in world if c[2] == NATURAL]
    colored = [c for c in world if c[2] != NATURAL]
    specs = []
    for number in range(n_products):
        pool = _in_turn(number, natural, colored)
        specs.append(Spec(*pool[int(rng.integers(len(pool)))]))
    natural = [theme for theme in NATURAL_THEMES if (theme, NATURAL) in looks]
    colors = {theme: [color for color in COLORS if (theme, color) in looks] for theme in COLORED_THEMES}
    colored = [theme for theme in COLORED_THEMES if colors[theme]]
    for number in range(n_queries):
        themes = _in_turn(number, natural, colored)
        theme, color = themes[int(rng.integers(len(themes)))], NATURAL
        if themes is colored:
            color = colors[theme][int(rng.integers(len(colors[theme])))]
        kinds = query_kinds(theme, color, held_out=False)
        specs.append(Spec(None, theme, color, kinds[int(rng.integers(len(kinds)))]))
    return specs


def _in_turn(number: int, natural: list, colored: list) -> list:
    """Two of five are natural, where the world has both."""
    return natural if natural and (number % 5 < 2 or not colored) else colored


def training_pictures(recipe: Recipe, size: int) -> PictureSet:
    """The pictures of a recipe, `size` x `size` pixels, drawn or found in `data/training/`."""
    return draw_set(
        training_specs(recipe.n_products, recipe.n_query_pictures, recipe.seed),
        size=size,
        seed=recipe.seed + 1,  # the catalogs and galleries of evaluation have seeds of their own
        folder=data_dir() / "training",
        description="draw pictures",
    )


def draw(spec: Spec, rng: np.random.Generator, size: int) -> np.ndarray:
    """One picture as files give it: drawn at some resolution, most often through JPEG, resized to `size`."""
    resolution = int(rng.choice([size, round(size * 1.4), size * 2], p=[0.5, 0.3, 0.2]))
    pixels = draw_picture(rng, spec.category, spec.theme, spec.color, spec.kind, resolution)
    picture = Image.fromarray(pixels)
    if rng.random() < 0.7:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=int(rng.integers(60, 96)))
        picture = Image.open(buffer)
    if resolution != size:
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def draw_set(specs: Sequence[Spec], *, size: int, seed: int, folder: Path, description: str) -> PictureSet:
    """Draw `specs` in parallel, or find the shards that an earlier, perhaps interrupted call left in `folder`."""
    recipe = repr((DRAWING_VERSION, size, seed, SHARD, list(specs)))
    folder = folder / hashlib.sha256(recipe.encode()).hexdigest()[:12]
    starts = range(0, len(specs), SHARD)
    shards = {f"{start:06d}.npy": (start, specs[start : start + SHARD]) for start in starts}
    draw_missing(folder, shards, partial(_draw_shard, seed, size), description=description, unit="shard", enough=1)
    images = np.concatenate([np.load(folder / name) for name in shards])
    return PictureSet(images, labels_of(specs))


def labels_of(specs: Sequence[Spec]) -> np.ndarray:
    """(n, 3) int64: indices in `LABELS`; -1 for the category of a query picture."""
    return np.array(
        [
            (
                CATEGORIES.index(spec.category) if spec.category else -1,
                THEMES.index(spec.theme),
                COLOR_LABELS.index(spec.color),
            )
            for spec in specs
        ],
        dtype=np.int64,
    ).reshape(-1, 3)


def _draw_shard(seed: int, size: int, shard: tuple[int, Sequence[Spec]]) -> bytes:
    start, specs = shard
    images = [draw(spec, np.random.default_rng([seed, start + i]), size) for i, spec in enumerate(specs)]
    file = io.BytesIO()
    np.save(file, np.stack(images))
    return file.getvalue()

"""The recipe of the pocket model as numbers and switches, and the same on a command line."""

import argparse
from dataclasses import dataclass, fields

from rag_lib.errors import RagError


@dataclass(frozen=True)
class Recipe:
    """Sizes and parts of one training. Steps, not minutes, so that a faster machine makes the same model.

    `batch`: pictures, or queries, a step; `twins`: at most so many of the queries' products come in a second picture.
    `augment`: see `augment.py`. `word_noise`: words are dropped, blanked, added and mistyped. `hard_batches`: the share
    of batches that come from few categories and looks. `attribute_weight`, `single_weight`: weights in the text stage
    of the attributes' cross-entropy, and of each of the contrastive losses of a text alone and of a picture alone.
    `mask_answers`: a candidate that also answers a query is none of its negatives. `muon`: Muon for the matrices of
    the transformer blocks; without it AdamW for all.
    """

    n_products: int = 44_000
    n_query_pictures: int = 14_000
    tower_steps: int = 5_000
    text_steps: int = 1_500
    batch: int = 96
    twins: int = 24
    learning_rate: float = 1e-3
    seed: int = 0
    augment: bool = True
    word_noise: bool = True
    hard_batches: float = 0.6
    attribute_weight: float = 0.3
    single_weight: float = 0.4
    mask_answers: bool = True
    muon: bool = True

    def __post_init__(self):
        for name in ("n_products", "tower_steps", "text_steps", "batch", "twins"):
            if getattr(self, name) < 1:
                raise RagError(f"The recipe's {name} is {getattr(self, name)}; it must be at least 1.")


def add_arguments(parser: argparse.ArgumentParser, defaults: Recipe) -> None:
    """An option for every field: `--text-steps 500`, `--no-augment`."""
    for field in fields(Recipe):
        flag, value = "--" + field.name.replace("_", "-"), getattr(defaults, field.name)
        if isinstance(value, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=value, help=f"({value})")
        else:
            parser.add_argument(flag, type=type(value), default=value, help=f"({value})")


def from_arguments(arguments: argparse.Namespace) -> Recipe:
    """What `add_arguments` read; other options are left alone."""
    return Recipe(**{field.name: getattr(arguments, field.name) for field in fields(Recipe)})

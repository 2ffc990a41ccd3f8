"""Batches: every query fits its pictures, in the whole world and in small ones."""

import numpy as np
import pytest

from rag_lib.drawn.combinations import COLOR_LABELS, is_held_out
from rag_lib.drawn.drawing import CATEGORIES, NATURAL, THEMES
from rag_lib.errors import RagError
from rag_lib.training.pictures import Spec, labels_of, training_specs
from rag_lib.training.queries import ANY, QuerySampler


def spec_of(label):
    category = None if label[0] == ANY else CATEGORIES[label[0]]
    return category, THEMES[label[1]], COLOR_LABELS[label[2]]


def check(labels, batch, size):
    assert len(batch.texts) == len(batch.sources) == len(batch.targets) == size
    assert (labels[batch.targets] == batch.wanted).all()
    assert not any(is_held_out(*spec_of(row)) for row in batch.wanted)
    assert (labels[batch.twins] == labels[batch.sources[batch.twin_of]]).all()
    named = batch.described != ANY
    assert (batch.described == batch.wanted)[named].all() and named[:, 0].all()
    differ = (labels[batch.sources] != batch.wanted).any(axis=1)
    assert differ.all()  # every composed query asks for another thing than its picture


def test_batches_pair_what_the_instruction_says():
    labels = labels_of(training_specs(6000, 2000, seed=0))
    check(labels, QuerySampler(labels).batch(np.random.default_rng(3), 64, 16), 64)


LEOPARD, ZEBRA, RED, BLUE = ("leopard", NATURAL), ("zebra", NATURAL), ("dots", "red"), ("dots", "blue")


@pytest.mark.parametrize(
    ("categories", "looks", "n_queries"),
    [
        (["toaster", "kettle", "lamp"], [LEOPARD, ZEBRA, RED, BLUE], 20),
        (["toaster"], [LEOPARD, ZEBRA, RED, BLUE], 20),
        (["toaster", "kettle"], [LEOPARD], 20),
        (["toaster", "kettle", "lamp"], [RED, BLUE], 20),
        (["toaster", "kettle", "lamp"], [LEOPARD, ZEBRA, RED, BLUE], 0),
    ],
)
@pytest.mark.parametrize("hard", [0.0, 1.0])
def test_batches_of_a_small_world_are_right(categories, looks, n_queries, hard):
    labels = labels_of(training_specs(60, n_queries, 0, categories=categories, looks=looks))
    sampler = QuerySampler(labels, hard=hard)
    for seed in range(5):
        check(labels, sampler.batch(np.random.default_rng(seed), 16, 4), 16)


def test_a_hard_batch_that_has_nothing_to_ask_for_becomes_another():
    # Two products of one look among many that share nothing: few draws of categories and looks have a query.
    specs = [Spec(category, theme, NATURAL) for category, theme in zip(CATEGORIES, THEMES[:9], strict=False)]
    specs = [spec for spec in specs if not is_held_out(spec.category, spec.theme, spec.color)]
    specs += [Spec("toaster", "zebra", NATURAL), Spec("lamp", "zebra", NATURAL), Spec(None, "zebra", NATURAL)]
    labels = labels_of(specs)
    sampler = QuerySampler(labels, hard=1.0)
    for seed in range(4):
        check(labels, sampler.batch(np.random.default_rng(seed), 4, 2), 4)


@pytest.mark.parametrize(
    "specs",
    [
        [Spec("toaster", "leopard", NATURAL)],
        [Spec(None, "leopard", NATURAL)],
        [Spec("toaster", "dots", "red"), Spec("lamp", "leopard", NATURAL)],
    ],
)
def test_too_small_a_world_says_so(specs):
    with pytest.raises(RagError, match="show too little to ask for"):
        QuerySampler(labels_of(specs)).batch(np.random.default_rng(0), 4, 2)


@pytest.mark.parametrize(("hard", "low", "high"), [(0.0, 15, 24), (1.0, 3, 8)])
def test_hard_batches_come_from_few_categories(hard, low, high):
    labels = labels_of(training_specs(6000, 2000, seed=0))
    for seed in range(3):
        batch = QuerySampler(labels, hard=hard).batch(np.random.default_rng(seed), 96, 4)
        assert low <= len(set(batch.wanted[:, 0].tolist())) <= high


def test_without_noise_the_words_are_as_they_are_written():
    labels = labels_of(training_specs(2000, 600, seed=0))
    noisy, plain = (
        " ".join(QuerySampler(labels, noise=noise).batch(np.random.default_rng(0), 96, 4).texts)
        for noise in (True, False)
    )
    assert "[UNK]" in noisy and "[UNK]" not in plain

"""The recipe in miniature: what is held out stays out, losses are right by hand, a stopped training goes on."""

import dataclasses

import numpy as np
import pytest
import torch

from rag_lib.catalog.drawing import CATEGORIES, NATURAL, THEMES
from rag_lib.encoders import load_encoder
from rag_lib.errors import RagError
from rag_lib.training import losses, train
from rag_lib.training.pictures import (
    COLOR_LABELS,
    HELD_OUT,
    HERO,
    SEEN,
    PictureSet,
    Spec,
    draw_set,
    is_held_out,
    labels_of,
    training_specs,
)
from rag_lib.training.queries import ANY, QuerySampler
from rag_lib.training.tokenizer import train_tokenizer

RECIPE = train.Recipe(n_products=300, n_query_pictures=150, tower_steps=3, text_steps=3, batch=12, twins=4)


def spec_of(label):
    category = None if label[0] == ANY else CATEGORIES[label[0]]
    return category, THEMES[label[1]], COLOR_LABELS[label[2]]


def test_one_combination_in_ten_is_held_out_and_the_hero_among_them():
    assert is_held_out(*HERO) and HERO in HELD_OUT
    assert not set(SEEN) & set(HELD_OUT) and len(SEEN) + len(HELD_OUT) == 2520
    assert 0.07 < len(HELD_OUT) / 2520 < 0.13


def test_training_pictures_show_no_held_out_combination():
    specs = training_specs(3000, 1000, seed=0)
    products = [spec for spec in specs if spec.category]
    assert len(products) == 3000
    assert not any(is_held_out(s.category, s.theme, s.color) for s in products)
    assert {s.category for s in products} == set(CATEGORIES) and {s.theme for s in products} == set(THEMES)
    assert all((s.color == NATURAL) == (THEMES.index(s.theme) < 9) for s in specs)


def test_batches_pair_what_the_instruction_says():
    labels = labels_of(training_specs(6000, 2000, seed=0))
    batch = QuerySampler(labels).batch(np.random.default_rng(3), 64, 16)
    assert (labels[batch.targets] == batch.wanted).all()
    assert not any(is_held_out(*spec_of(row)) for row in batch.wanted)
    assert (labels[batch.twins] == labels[batch.sources[batch.twin_of]]).all()
    named = batch.described != ANY
    assert (batch.described == batch.wanted)[named].all() and named[:, 0].all()
    differ = (labels[batch.sources] != batch.wanted).any(axis=1)
    assert differ.all()  # every composed query asks for another thing than its picture


def test_contrastive_loss_by_hand():
    queries = torch.tensor([[1.0, 0.0]])
    candidates = torch.tensor([[0.6, 0.8], [0.8, 0.6], [1.0, 0.0], [1.0, 0.0]])
    shown = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 0, 0], [ANY, 0, 0]])
    loss, hit = losses.contrastive(
        queries, candidates, torch.tensor([0]), wanted=torch.tensor([[0, 0, 0]]), shown=shown, scale=torch.tensor(1.0)
    )
    # Candidate 2 answers the query too and 3 is no product: only 1 is a negative.
    assert loss.item() == pytest.approx(-np.log(np.exp(0.6) / (np.exp(0.6) + np.exp(0.8))), abs=1e-5)
    assert hit.item() == 0
    loss, hit = losses.contrastive(
        queries,
        candidates,
        torch.tensor([1]),
        wanted=torch.tensor([[1, ANY, ANY]]),
        shown=shown,
        scale=torch.tensor(9.0),
    )
    assert hit.item() == 0  # candidate 2 is now a negative, and nearer


def test_attribute_loss_leaves_out_what_is_unknown():
    logits = (torch.tensor([[2.0, 0.0], [0.0, 9.0]]), torch.zeros(2, 4))
    labels = torch.tensor([[0, ANY], [ANY, ANY]])
    assert losses.attributes(logits, labels).item() == pytest.approx(np.log(1 + np.exp(-2)), abs=1e-5)


def test_drawing_is_done_once_and_goes_on_after_a_stop(tmp_path, monkeypatch):
    monkeypatch.setattr("rag_lib.training.pictures.SHARD", 4)
    specs = [Spec("toaster", "leopard", NATURAL), Spec(None, "dots", "red")] * 5
    options = dict(size=32, seed=1, folder=tmp_path, description="draw")
    first = draw_set(specs, **options)
    shards = sorted(tmp_path.rglob("*.npy"))
    assert first.images.shape == (10, 32, 32, 3) and len(shards) == 3
    kept = shards[0].stat().st_mtime_ns
    shards[1].unlink()
    again = draw_set(specs, **options)
    assert (again.images == first.images).all()
    assert shards[0].stat().st_mtime_ns == kept


@pytest.fixture(scope="module")
def world():
    specs = training_specs(RECIPE.n_products, RECIPE.n_query_pictures, seed=0)
    rng = np.random.default_rng(0)
    pictures = PictureSet(rng.integers(0, 255, (len(specs), 128, 128, 3), dtype=np.uint8), labels_of(specs))
    tokenizer = train_tokenizer(1200, n_texts=2000)
    tokenizer.enable_padding()
    return pictures, tokenizer


def run_all(world, folder, recipe=RECIPE):
    pictures, tokenizer = world
    folder.mkdir(exist_ok=True)
    model, heads = train.new_model(tokenizer.get_vocab_size(), recipe.seed)
    train.train_tower(model, heads, pictures, recipe, folder)
    log = train.train_text(model, heads, pictures, tokenizer, recipe, folder)
    return model, heads, tokenizer, log


def test_a_stopped_training_goes_on_to_the_same_weights(world, tmp_path, monkeypatch):
    whole, *_ = run_all(world, tmp_path / "whole")
    steps = iter(range(2))
    sampler = QuerySampler.batch

    def stop_at_the_third(self, *arguments):
        next(steps)  # StopIteration stands for a kill
        return sampler(self, *arguments)

    monkeypatch.setattr(train, "SAVE_EVERY", 1)
    monkeypatch.setattr(QuerySampler, "batch", stop_at_the_third)
    with pytest.raises(StopIteration):
        run_all(world, tmp_path / "stopped")
    monkeypatch.setattr(QuerySampler, "batch", sampler)
    resumed, *_ = run_all(world, tmp_path / "stopped")
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name


def test_what_is_saved_is_what_is_loaded(world, tmp_path):
    model, heads, tokenizer, log = run_all(world, tmp_path)
    assert {"step", "loss", "composed", "text", "image"} == set(log[-1])
    train.save_pocket(tmp_path / "weights", model, heads, tokenizer, RECIPE)
    encoder = load_encoder("pocket", weights=tmp_path / "weights")
    ids = torch.tensor([tokenizer.encode("a leopard toaster").ids])
    with torch.inference_mode():
        expected = model(ids, torch.ones_like(ids))[0].numpy()
    assert encoder.encode_query(text="a leopard toaster") @ expected > 0.999
    assert encoder.model.config == dataclasses.replace(model.config)
    assert encoder.reader().labels["category"] == list(CATEGORIES)


def test_checkpoints_of_another_recipe_are_refused(world, tmp_path):
    run_all(world, tmp_path)
    with pytest.raises(RagError, match="tower.pt belongs to another recipe: give another --out"):
        run_all(world, tmp_path, dataclasses.replace(RECIPE, learning_rate=1e-4))

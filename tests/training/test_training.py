"""Both stages in miniature: a stopped training goes on, what is saved is loaded, each part can be left out."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from rag_lib.drawn.drawing import CATEGORIES
from rag_lib.encoders import load_encoder
from rag_lib.encoders.preprocess import normalize
from rag_lib.errors import RagError
from rag_lib.training import loop, losses, train
from rag_lib.training.minutes import read_minutes
from rag_lib.training.queries import QuerySampler
from rag_lib.training.recipe import Recipe
from rag_lib.training.tokenizer import train_tokenizer


def test_a_stopped_training_goes_on_to_the_same_weights(miniature, tmp_path, monkeypatch):
    whole = miniature.train(tmp_path / "whole")
    steps, batch = iter(range(2)), QuerySampler.batch

    def stop_at_the_third(self, *arguments):
        next(steps)  # StopIteration stands for a kill
        return batch(self, *arguments)

    monkeypatch.setattr(loop, "SAVE_EVERY", 1)
    monkeypatch.setattr(QuerySampler, "batch", stop_at_the_third)
    with pytest.raises(StopIteration):
        miniature.train(tmp_path / "stopped")
    monkeypatch.setattr(QuerySampler, "batch", batch)
    resumed = miniature.train(tmp_path / "stopped")
    for (name, a), b in zip(whole.model.state_dict().items(), resumed.model.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name
    assert resumed.log == whole.log


def test_a_finished_training_is_not_made_again(miniature, tmp_path, monkeypatch):
    first = miniature.train(tmp_path)
    monkeypatch.setattr(torch.Tensor, "backward", None)
    again = miniature.train(tmp_path)
    assert again.log == first.log
    assert torch.equal(again.model.visual_proj.weight, first.model.visual_proj.weight)


def test_minutes_are_kept_when_a_training_goes_on_and_begin_anew_with_it(miniature, tmp_path):
    miniature.train(tmp_path)
    (tmp_path / "minutes.json").write_text(json.dumps({"tower": 50, "text": 40, "patch tokens": 3}))
    (tmp_path / "text.pt").unlink()
    miniature.train(tmp_path)
    found = read_minutes(tmp_path)
    assert found["tower"] == 50 and found["text"] < 10 and found["patch tokens"] >= 3


def test_checkpoints_of_another_recipe_are_refused(miniature, tmp_path):
    miniature.train(tmp_path)
    with pytest.raises(RagError, match="tower.pt belongs to another recipe: give another --out"):
        miniature.train(tmp_path, dataclasses.replace(miniature.recipe, learning_rate=1e-4))


def test_a_checkpoint_knows_its_vocabulary(miniature, tmp_path):
    found = miniature.train(tmp_path)
    other = train_tokenizer(miniature.tokenizer.get_vocab_size(), n_texts=2000, seed=1)
    with pytest.raises(RagError, match="text.pt belongs to another"):
        train.train_text(found.model, found.heads, miniature.pictures, other, miniature.recipe, tmp_path)


def test_a_checkpoint_from_before_a_part_could_be_left_out_had_that_part(miniature, tmp_path):
    first = miniature.train(tmp_path)
    state = torch.load(tmp_path / "tower.pt", weights_only=True)
    del state["recipe"]["muon"]
    torch.save(state, tmp_path / "tower.pt")
    assert miniature.train(tmp_path).log == first.log


def test_what_is_saved_is_what_is_loaded(miniature, tmp_path):
    found, tokenizer = miniature.train(tmp_path), miniature.tokenizer
    assert found.log["text"][-1].keys() == {"step", "loss", "composed", "text", "image"}
    train.save_pocket(tmp_path / "weights", found.model, found.heads, tokenizer, miniature.recipe)
    encoder = load_encoder("pocket", weights=tmp_path / "weights")
    ids = torch.tensor([tokenizer.encode("a leopard toaster").ids])
    with torch.inference_mode():
        expected = found.model(ids, torch.ones_like(ids))[0].numpy()
    assert encoder.encode_query(text="a leopard toaster") @ expected > 0.999
    assert encoder.model.config == found.model.config
    assert encoder.reader().labels["category"] == list(CATEGORIES)


@pytest.mark.parametrize(("steps", "rows", "every"), [(3, 3, 1), (90, 30, 3), (200, 34, 6), (350, 35, 10)])
def test_a_short_stage_has_a_curve_too(tmp_path, monkeypatch, steps, rows, every):
    monkeypatch.setattr(loop, "LOG_EVERY", 10)
    weight = torch.nn.Linear(2, 2)

    def step(rng):
        return weight(torch.ones(1, 2)).square().sum(), {"share": 1.0}

    recipe = Recipe(learning_rate=1e-2)
    log = loop.optimize("some", step, [*weight.parameters()], weight, steps, recipe, tmp_path, modules=[weight])
    assert len(log) == rows and log[0]["step"] == every and log[-1]["step"] == steps
    assert log[-1]["loss"] < log[0]["loss"]


@pytest.mark.parametrize(("size", "norm"), [(1000.0, 1.0), (0.1, 0.1)])
def test_gradients_are_clipped_to_a_norm_of_one(tmp_path, monkeypatch, size, norm):
    weight, norms, descend = torch.nn.Parameter(torch.ones(2, 2)), [], torch.optim.AdamW.step

    def note(optimizer, *arguments):
        norms.append(weight.grad.norm().item())
        return descend(optimizer, *arguments)

    def step(rng):
        return (weight * size / 2).sum(), {}  # a gradient of norm `size`

    monkeypatch.setattr(torch.optim.AdamW, "step", note)
    loop.optimize("some", step, [weight], None, 2, Recipe(muon=False), tmp_path, modules=[])
    assert norms == pytest.approx([norm, norm], rel=1e-4)


def test_a_checkpoint_that_was_half_written_is_cleared(miniature, tmp_path):
    (tmp_path / ".0123456789abcdef.part.pt").write_bytes(b"half")
    (tmp_path / ".fedcba9876543210.part.json").write_bytes(b"half")
    miniature.train(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"tower.pt", "text.pt", "minutes.json"}


@pytest.mark.parametrize(("steps", "warm"), [(5000, 60), (2400, 60), (600, 60), (100, 10), (5, 1)])
def test_the_learning_rate_rises_over_sixty_steps_or_a_tenth_of_a_short_stage(tmp_path, monkeypatch, steps, warm):
    weight, rates = torch.nn.Linear(2, 2), []

    class Enough(Exception):
        pass

    def note(optimizer, *_):
        rates.append(optimizer.param_groups[0]["lr"])

    def step(rng):
        if len(rates) > warm:
            raise Enough
        return weight(torch.ones(1, 2)).sum(), {}

    monkeypatch.setattr(torch.optim.AdamW, "step", note)
    with pytest.raises(Enough):
        parameters = [*weight.parameters()]
        loop.optimize("some", step, parameters, weight, steps, Recipe(muon=False), tmp_path, modules=[weight])
    assert rates[0] == pytest.approx(1e-3 / warm, rel=0.01)
    assert int(np.argmax(rates)) == warm - 1


@pytest.mark.parametrize("name", ["tower_steps", "batch", "twins", "n_products"])
def test_a_recipe_of_nothing_is_refused(name):
    with pytest.raises(RagError, match=f"The recipe's {name} is 0; it must be at least 1."):
        Recipe(**{name: 0})


@pytest.mark.parametrize("augment", [True, False])
def test_the_tower_sees_pictures_as_they_are_or_augmented(miniature, tmp_path, monkeypatch, augment):
    seen, image_tokens = [], train.VisualizedBGE.image_tokens

    def note(model, pixels):
        seen.append(pixels)
        return image_tokens(model, pixels)

    monkeypatch.setattr(train.VisualizedBGE, "image_tokens", note)
    miniature.train(tmp_path, dataclasses.replace(miniature.recipe, augment=augment))
    plain = normalize(torch.from_numpy(miniature.pictures.images)).flatten(1)
    reflected = normalize(torch.from_numpy(miniature.pictures.images[:, :, ::-1].copy())).flatten(1)
    rows = torch.cat(seen).flatten(1)
    nearest = torch.minimum(torch.cdist(rows, plain).min(1).values, torch.cdist(rows, reflected).min(1).values)
    assert ((nearest < 0.1).all()) == (not augment)


@pytest.fixture
def text_stage(miniature, tmp_path, monkeypatch):
    """One step of the text stage with a changed recipe: what the losses were asked, what they gave, the log."""

    def run(**changed):
        asked, given, words = [], [], []
        contrastive, batch = losses.contrastive, QuerySampler.batch

        def note(*arguments, **options):
            asked.append(options)
            given.append(contrastive(*arguments, **options))
            return given[-1]

        def read(self, *arguments):
            words.append(self)
            return batch(self, *arguments)

        monkeypatch.setattr(losses, "contrastive", note)
        monkeypatch.setattr(QuerySampler, "batch", read)
        recipe = dataclasses.replace(miniature.recipe, tower_steps=1, text_steps=1, **changed)
        found = miniature.train(tmp_path / "run", recipe)
        return asked, [loss.item() for loss, _ in given], found.log["text"][0]["loss"], words[0]

    return run


@pytest.mark.parametrize("weight", [0.4, 0.0])
def test_single_weight_weighs_the_losses_of_a_text_and_a_picture_alone(text_stage, weight):
    _, given, loss, _ = text_stage(single_weight=weight, attribute_weight=0.0)
    assert loss == pytest.approx(given[0] + weight * (given[1] + given[2]), abs=1e-3)


def test_attribute_weight_weighs_the_attributes(text_stage):
    _, given, loss, _ = text_stage(single_weight=0.0, attribute_weight=0.3)
    assert loss > given[0] + 0.3 * 3  # three attributes, each about the logarithm of its names


@pytest.mark.parametrize("mask", [True, False])
def test_mask_answers_reaches_the_losses(text_stage, mask):
    asked, *_ = text_stage(mask_answers=mask)
    assert [options["mask_answers"] for options in asked] == [mask] * 3


def test_hard_batches_and_word_noise_reach_the_batches(text_stage):
    *_, sampler = text_stage(hard_batches=0.25, word_noise=False)
    assert (sampler.hard, sampler.noise) == (0.25, False)


def test_without_muon_adamw_trains_all(miniature, tmp_path, monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(RagError, match="Training needs torch 2.9 or newer for its optimizer Muon"):
        miniature.train(tmp_path / "with")
    recipe = dataclasses.replace(miniature.recipe, muon=False)
    fresh, _ = train.new_model(miniature.tokenizer.get_vocab_size(), recipe.seed, miniature.config)
    found = miniature.train(tmp_path / "without", recipe)
    block = "tower.blocks.0.attn.proj.weight"
    assert not torch.equal(found.model.state_dict()[block], fresh.state_dict()[block])

"""The ablation in miniature."""

import json

import numpy as np
import pytest
import torch

from rag_lib import ablation
from rag_lib.encoders.pocket.loading import read_pocket
from rag_lib.errors import RagError
from rag_lib.training.recipe import Recipe
from rag_lib.training.train import new_model

VARIANTS = {name: ablation.VARIANTS[name] for name in (ablation.BASE, "words as they are", "AdamW for all")}


@pytest.fixture(scope="module")
def given(miniature):
    """The model and heads that all variants start from."""
    return new_model(miniature.tokenizer.get_vocab_size(), 5, miniature.config)


@pytest.fixture(scope="module")
def ablate(miniature, given, small_benchmark):
    """Make the ablation in a folder, or go on with it."""
    benchmark = small_benchmark("validation")

    def run(folder, recipe=miniature.recipe):
        return ablation.ablate(
            recipe,
            miniature.pictures,
            miniature.tokenizer,
            benchmark,
            folder,
            given,
            variants=VARIANTS,
        )

    return run


@pytest.fixture(scope="module")
def made(ablate, tmp_path_factory):
    """(folder, rows) of an ablation."""
    folder = tmp_path_factory.mktemp("ablation")
    return folder, ablate(folder)


def test_every_variant_leaves_out_one_part_of_the_recipe():
    for name, changed in ablation.VARIANTS.items():
        assert len(changed) == (name != ablation.BASE)
        for field, value in changed.items():
            assert type(value) is type(getattr(Recipe(), field)) and value != getattr(Recipe(), field)


def test_each_variant_is_measured_and_compared_with_the_first(made):
    folder, rows = made
    assert len(rows) == len(VARIANTS) * 2 * len(ablation.FIGURES)
    found = {(row["variant"], row["gallery"], row["figure"]): row for row in rows}
    for (name, gallery, figure), row in found.items():
        base = found[ablation.BASE, gallery, figure]
        assert row["difference"] == pytest.approx(row["mean"] - base["mean"], abs=2e-4)
        values = json.loads((folder / name.replace(" ", "-") / "values.json").read_text())["values"]
        assert row["mean"] == pytest.approx(np.mean(values[gallery][figure]), abs=1e-4)
        assert row["n"] == len(values[gallery][figure])
    assert found[ablation.BASE, "full", "worn"]["p"] == 1
    assert json.loads((folder / "ablation.json").read_text())["split"] == "validation"
    text = (folder / "ablation.md").read_text()
    assert "the test split was not asked" in text.replace("\n", " ")
    assert all(text.count(f"| {name} ") == 2 for name in VARIANTS)


def test_all_variants_have_the_tower_that_was_given(made, given):
    folder, _ = made
    for name in VARIANTS:
        model, heads, *_ = read_pocket(folder / name.replace(" ", "-") / "weights")
        for mine, theirs in ((model.tower, given[0].tower), (heads.image_head, given[1].image_head)):
            for tensor, other in zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True):
                assert torch.equal(tensor, other.half().float())


def test_run_again_only_what_is_missing_is_trained(made, ablate, monkeypatch):
    folder, rows = made
    (folder / "words-as-they-are" / "values.json").unlink()
    trained, train = [], ablation._train
    monkeypatch.setattr(ablation, "_train", lambda recipe, *rest: trained.append(recipe) or train(recipe, *rest))
    assert ablate(folder) == rows
    assert [recipe.word_noise for recipe in trained] == [False]


def test_a_folder_of_another_recipe_is_refused(made, ablate):
    with pytest.raises(RagError, match="all-parts is of another recipe: give another --out"):
        ablate(made[0], Recipe())

"""What training draws: what is held out stays out, small worlds work, drawing goes on after a stop."""

import pytest

from rag_lib.drawn.combinations import HELD_OUT, HELD_OUT_KINDS, HERO, SEEN, is_held_out
from rag_lib.drawn.drawing import CATEGORIES, COLORS, LOOKS, NATURAL, THEMES
from rag_lib.errors import RagError
from rag_lib.training.pictures import Spec, draw_set, training_specs


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


def test_training_draws_no_query_picture_of_a_held_out_kind():
    kinds = {spec.kind for spec in training_specs(1, 5000, seed=0) if not spec.category}
    assert None not in kinds and len(kinds) > 10
    assert not kinds & set(HELD_OUT_KINDS)


def test_a_small_world_holds_only_its_categories_and_looks():
    looks = [("leopard", NATURAL), ("dots", "red"), ("dots", "blue"), ("stars", "red")]
    specs = training_specs(300, 100, 0, categories=["toaster", "kettle"], looks=looks)
    assert {spec.category for spec in specs} == {"toaster", "kettle", None}
    assert {(spec.theme, spec.color) for spec in specs} == set(looks)
    assert {(spec.theme, spec.color) for spec in specs if not spec.category} == set(looks)


@pytest.mark.parametrize("looks", [[("leopard", NATURAL), ("zebra", NATURAL)], [("dots", "red"), ("stars", "blue")]])
def test_a_world_may_be_all_natural_or_all_colored(looks):
    specs = training_specs(50, 20, 0, looks=looks)
    assert len(specs) == 70 and {(spec.theme, spec.color) for spec in specs} == set(looks)


def test_the_whole_world_is_the_default():
    assert training_specs(200, 100, 5) == training_specs(200, 100, 5, categories=CATEGORIES, looks=LOOKS)
    assert {spec.color for spec in training_specs(500, 0, 0)} == {*COLORS, NATURAL}


def test_a_world_that_is_held_out_cannot_be_trained_on():
    with pytest.raises(RagError, match="No combination of these categories and looks is for training"):
        training_specs(10, 0, 0, categories=["phone case"], looks=[("leopard", NATURAL)])


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

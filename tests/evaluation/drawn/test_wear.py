"""Worn queries: changed, but by little, and the same for the same seed."""

import numpy as np
from PIL import Image

from rag_lib.evaluation.drawn.wear import wear_picture, wear_text


def test_a_worn_picture_is_another_picture_of_the_same():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    sizes = set()
    for seed in range(30):
        worn = wear_picture(np.random.default_rng(seed), image)
        again = wear_picture(np.random.default_rng(seed), image)
        assert worn.mode == "RGB" and (np.asarray(worn) == np.asarray(again)).all()
        assert worn.size != image.size or (np.asarray(worn) != pixels).any()
        assert 40 <= min(worn.size) and max(worn.size) <= 90
        sizes.add(worn.size == image.size)
    assert sizes == {True, False}  # crops and frames change the size, the others do not


def test_worn_words_are_capitals_or_one_typo():
    text = "phone case with this image theme"
    found = {wear_text(np.random.default_rng(seed), text) for seed in range(100)}
    assert text.upper() in found and text not in {t for t in found if t != text}
    for worn in found - {text.upper()}:
        changed = [(a, b) for a, b in zip(text.split(), worn.split(), strict=True) if a != b]
        assert len(changed) <= 1
        for a, b in changed:
            assert len(a) >= 5 and sorted(a)[: len(b)] and len(a) - len(b) in (0, 1) and a[0] == b[0]


def test_words_too_short_for_a_typo_are_shouted():
    assert wear_text(np.random.default_rng(0), "in red") == "IN RED"

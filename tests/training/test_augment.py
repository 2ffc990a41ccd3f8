"""Augmented pictures stay pictures, and the same generator gives the same."""

import numpy as np
import pytest
import torch

from rag_lib.encoders.preprocess import normalize
from rag_lib.training.augment import augment, mirror


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 255, (64, 32, 32, 3), dtype=np.uint8)


def test_augmented_pictures_keep_their_shape_and_range(images):
    out = augment(images, np.random.default_rng(1))
    assert out.shape == (64, 3, 32, 32) and out.dtype == torch.float32
    white = normalize(torch.full((1, 1, 1, 3), 255, dtype=torch.uint8))
    black = normalize(torch.zeros((1, 1, 1, 3), dtype=torch.uint8))
    assert (out <= white.abs() * 1.1 + 1e-5).all() and (out >= black * 1.1 - 1e-5).all()


def test_nearly_every_picture_is_changed_and_the_given_ones_are_not(images):
    before = images.copy()
    out = augment(images, np.random.default_rng(1))
    assert (images == before).all()
    unchanged = torch.isclose(out, normalize(torch.from_numpy(images))).all(dim=(1, 2, 3))
    assert unchanged.sum() == 0


def test_the_same_generator_gives_the_same_pictures(images):
    first, second, other = (augment(images, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_a_mirrored_picture_is_itself_or_its_reflection(images):
    out, plain = mirror(images, np.random.default_rng(1)), normalize(torch.from_numpy(images))
    same = torch.isclose(out, plain).all(dim=(1, 2, 3))
    reflected = torch.isclose(out, plain.flip(3)).all(dim=(1, 2, 3))
    assert (same ^ reflected).all()
    assert 16 < same.sum() < 48

"""The parts of the photo encoder on numbers made by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from rag_lib.encoders.photo.encoder import soften
from rag_lib.encoders.photo.loading import pack_rows
from rag_lib.encoders.photo.looks import HUES, Reader, count_colors
from rag_lib.encoders.photo.tower import SIZE, read_whole, to_pixels
from rag_lib.encoders.photo.words import ClassReader, Instruction, WordTable


@pytest.fixture
def tokenizer():
    words = ["[UNK]", "a", "red", "cat", "cap", "with", "this", "look", "leopard", "phone", "case", "##s"]
    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def test_a_text_is_the_sum_of_its_words_made_unit(tokenizer):
    vectors = np.zeros((12, 2), np.float32)
    vectors[3], vectors[4] = (3, 0), (0, 4)
    table = WordTable(tokenizer, vectors)
    assert np.allclose(table(["cat", "a cat cap", "what"]), [[1, 0], [0.6, 0.8], [0, 0]])


def test_a_text_is_nearest_to_the_class_of_its_name(tokenizer):
    vectors = np.zeros((12, 3), np.float32)
    vectors[3], vectors[4] = (1, 0, 0), (0, 1, 0)
    classes = ClassReader(WordTable(tokenizer, vectors), np.eye(3, dtype=np.float32), np.zeros(3, np.float32), 0.1)
    near = classes(["cat", "cap", "this"])
    assert near.argmax(axis=1)[:2].tolist() == [0, 1] and not near[2].any()
    assert np.allclose(near[:2].sum(axis=1), 0, atol=1e-6) and np.allclose(np.linalg.norm(near[:2], axis=1), 1)


def test_an_instruction_is_taken_apart(tokenizer):
    read = Instruction(
        tokenizer,
        names={
            "category": {"phone case": ["phone case"]},
            "theme": {"leopard": ["leopard"]},
            "color": {"red": ["red"]},
        },
        others=["a", "with", "this", "look"],
    )
    assert read("a red leopard") == ("leopard", {"theme": {"leopard"}, "color": {"red"}})
    thing, looks = read("a leopard phone case")
    assert thing == "phone case" and looks["category"] == {"phone case"}
    assert read("with this look") == ("", {})


def test_colors_are_counted_without_the_white_around_them():
    picture = np.full((1, 224, 224, 3), 255, np.uint8)
    picture[:, 50:100, 50:100] = (255, 0, 0)
    counts = count_colors(picture)[0]
    assert counts[HUES] == pytest.approx(1) and np.linalg.norm(counts) == pytest.approx(1)
    assert count_colors(np.full((1, 224, 224, 3), 255, np.uint8))[0].argmax() == 2 * HUES + 3


def test_shares_sum_to_one():
    shares = Reader(np.eye(3, dtype=np.float32) * 50, np.zeros(3, np.float32))(np.eye(3, dtype=np.float32))
    assert np.allclose(shares, np.eye(3), atol=1e-6) and shares.dtype == np.float32


def test_softening_keeps_the_order_and_takes_the_level_away():
    logits = np.array([[1.0, 2, 5], [101, 102, 105]])
    soft = soften(logits, 2.0)
    assert np.allclose(soft[0], soft[1]) and (np.diff(soft[0]) > 0).all()


def test_packed_rows_are_the_rows_to_one_part_in_250():
    rows = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    packed = pack_rows(rows)
    found = packed["rows"].astype(np.float32) * packed["scale"].astype(np.float32)[:, None]
    assert packed["rows"].dtype == np.int8 and np.abs(found - rows).max() < np.abs(rows).max() / 200


def test_the_whole_picture_is_seen_on_white():
    square = read_whole(Image.new("RGB", (400, 100), (0, 0, 255)))
    assert square.shape == (SIZE, SIZE, 3) and (square[0] == 255).all() and (square[:, :8] == 255).all()
    blue = (square == (0, 0, 255)).all(axis=2)
    assert blue[SIZE // 2].sum() == pytest.approx(SIZE / 1.1, abs=2)
    pixels = to_pixels(torch.from_numpy(square[None]), torch.float32)
    assert pixels.shape == (1, 3, SIZE, SIZE) and pixels.max() == 1 and pixels.min() == -1

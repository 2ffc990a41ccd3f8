"""The parts of the photo encoder on numbers made by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from rag_lib.encoders.photo.encoder import soften
from rag_lib.encoders.photo.loading import pack_rows
from rag_lib.encoders.photo.looks import COLORS, Reader, lean, name_colors, settle
from rag_lib.encoders.photo.tower import SIZE, read_whole, to_pixels
from rag_lib.encoders.photo.typical import Typical
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


@pytest.mark.parametrize(
    ("rgb", "name"),
    [((220, 20, 30), "red"), ((240, 130, 20), "orange"), ((40, 90, 210), "blue"), ((110, 70, 40), "brown")]
    + [((20, 20, 22), "black"), ((120, 124, 130), "grey"), ((250, 130, 180), "pink"), ((40, 150, 70), "green")],
)
def test_a_cut_out_has_its_own_color(rgb, name):
    picture = np.full((1, 224, 224, 3), 255, np.uint8)
    picture[:, 70:150, 70:150] = rgb
    shares = name_colors(picture)
    assert COLORS[shares[0].argmax()] == name and shares.sum() == pytest.approx(1, abs=1e-5)


def test_a_color_is_the_things_and_not_the_meadows():
    picture = np.full((1, 224, 224, 3), (70, 130, 60), np.uint8)
    picture[:, 85:140, 85:140] = (220, 20, 30)
    assert COLORS[name_colors(picture)[0].argmax()] == "red"


def test_a_white_picture_is_white():
    assert COLORS[name_colors(np.full((1, 224, 224, 3), 255, np.uint8))[0].argmax()] == "white"


def test_what_the_thing_is_moves_its_theme():
    shares = np.array([[0.7, 0.3], [0.7, 0.3]], np.float32)
    moved = lean(shares, np.array([[0.0, 0.05], [0.0, 0.9]], np.float32))
    assert np.allclose(moved[0], shares[0]) and moved[1, 1] > 0.99


def test_beside_words_a_look_is_what_is_sure():
    themes = np.sqrt([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]).astype(np.float32)
    colors = np.sqrt([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.6, 0.4]]).astype(np.float32)
    theme, color = settle(themes, colors, np.array([True, False, False]))
    assert theme.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert color.tolist() == [[0, 0], [1, 0], [1, 0], [1, 0]], "a leopard's own are not asked for"
    unsure = np.full((1, 12), 12**-0.5, np.float32)
    assert np.allclose(settle(themes[3:], unsure, np.array([True, False, False]))[1], unsure)


def test_what_is_unlike_all_drawings_is_strange():
    logits = np.random.default_rng(0).normal(size=(3, 5))
    strange = Typical(np.zeros(7), np.ones(7), np.eye(7)[:2], np.full(2, 4.0), rest=1.0, limit=2.0)
    near, far, along = strange(np.array([[0, 0], [0, 30], [2, 0]]), logits)
    assert far > 30 and far - near == pytest.approx(900 / 4 / 7, rel=0.3) and along < far


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

import numpy as np
import pytest
from PIL import Image

from rag_lib.display import embedding_diagram

WORDS = ["[CLS]", "phone", "case", "[SEP]"]


def draw(words=WORDS, *, dim=256, patches=64):
    square, vector = Image.new("RGB", (128, 128), "gold"), np.linspace(-1, 1, dim) / dim**0.5
    return embedding_diagram(square, words, vector, patches=patches, width=192, layers=3)


def test_its_words_hold_the_numbers_of_the_model():
    told = repr(draw())
    assert "64 patches of 192 numbers, then of 256" in told and "4 rows of 256: [CLS] phone case [SEP]" in told
    assert "3 layers" in told


@pytest.mark.parametrize("patches", [4, 16, 64, 196, 256])
def test_any_number_of_patches_is_drawn_in_the_same_room(patches):
    picture = draw(patches=patches)
    assert picture.image.width == 560  # a telephone shows it at two thirds
    assert (np.array(picture.image) == (255, 215, 0)).all(axis=-1).sum() > 128 * 128


@pytest.mark.parametrize(
    "words", [["[CLS]", "[SEP]"], ["[CLS]", *["word"] * 500, "[SEP]"], ["[CLS]", "w" * 300, "[SEP]"]]
)
def test_few_many_and_long_words_fit(words):
    image = draw(words).image
    assert image.height < 1200
    assert (np.array(image)[:, -8:] == 255).all()  # nothing leaves it at the right


def test_a_long_vector_is_cut_and_says_so():
    assert draw(dim=1024).image.size == draw(dim=256).image.size

"""A photograph asked of the pocket: noticed, put into words that it knows, and said to the asker."""

import warnings
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rag_lib.catalog.drawn import load_drawn
from rag_lib.catalog.photographs import load_photographs
from rag_lib.drawn.drawing import NATURAL, draw_product
from rag_lib.encoders import load_encoder
from rag_lib.encoders.pocket.loading import POCKET_FOLDER, load_pocket
from rag_lib.encoders.pocket.photographs import Look, Photographed, read_photograph

LEOPARD, ORANGE, NOTHING = Look("leopard", "orange", own=True), Look(None, "orange"), Look(None, None)


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("pocket")


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """name -> path: the catalog's, and some of gradio's, which are not ours to hand on."""
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    images = Path(distribution("gradio").locate_file("gradio/media_assets/images"))
    theirs = {"cheetah": images / "cheetah1.jpg", "runner": images / "cheetah.jpg", "lion": images / "lion.jpg"}
    return {item.path.stem: item.path for item in load_photographs().items} | theirs


def test_photographs_are_read(photographs):
    looks = {name: read_photograph(photographs[name], "cpu") for name in ("cheetah", "runner", "flower", "lion")}
    assert looks["cheetah"].words == looks["runner"].words == "leopard"
    assert looks["flower"].words == "orange floral"
    assert looks["lion"].theme is None and "its pattern could not be named" in str(looks["lion"])


def test_no_query_picture_of_the_drawn_catalog_is_taken_for_a_photograph(encoder, tmp_path):
    pictures = load_drawn(tmp_path / "drawn", count=2).query_pictures
    assert len(pictures) == 22
    assert [name for name, path in pictures.items() if encoder.photograph(path, "in red")] == []


def test_a_photograph_finds_the_product_of_its_theme_and_is_warned_of_once(encoder, photographs):
    looks = [("phone case", "leopard", NATURAL), ("lamp", "leopard", NATURAL), ("phone case", "zebra", NATURAL)]
    looks += [("phone case", "floral", "orange"), ("phone case", "plain", "brown"), ("toaster", "floral", "red")]
    drawn = [Image.fromarray(draw_product(np.random.default_rng(n), *look)) for n, look in enumerate(looks)]
    gallery = encoder.encode_images(drawn, progress=False).vectors
    with pytest.warns(Photographed, match="a photograph, read as: leopard[.]$"):
        cheetah = encoder.encode_query(photographs["cheetah"], "A phone case with this image theme")
    assert looks[(gallery @ cheetah).argmax()] == ("phone case", "leopard", NATURAL)
    with pytest.warns(Photographed, match="read as: orange floral[.]$"):
        flower = encoder.encode_query(photographs["flower"], "A phone case with this image theme")
    assert looks[(gallery @ flower).argmax()] == ("phone case", "floral", "orange")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Photographed)
        again = encoder.encode_query(photographs["cheetah"], "A phone case with this image theme")
    assert np.array_equal(cheetah, again)


def test_weights_of_ones_own_are_given_the_photograph_itself(photographs, tmp_path):
    own = tmp_path / "own"
    own.symlink_to(POCKET_FOLDER, target_is_directory=True)
    assert load_pocket(own, device="cpu", dtype=torch.float32).photograph(photographs["cheetah"], "in red") is None


@pytest.mark.parametrize(
    ("look", "text", "said"),
    [
        (LEOPARD, "a phone case with this image theme", "leopard phone case"),
        (ORANGE, "a phone case with this image theme", "orange phone case"),
        (LEOPARD, None, "leopard"),
        (LEOPARD, "the same in blue", "the same in blue, leopard"),
        (ORANGE, "the same in blue", "the same in blue"),
        (ORANGE, "a striped lamp", "a striped lamp, orange"),
        (LEOPARD, "a bicycle with this theme", "a bicycle with this theme, leopard"),
        (NOTHING, "a phone case with this theme", "phone case"),
        (NOTHING, None, ""),
    ],
)
def test_the_words_stand_and_the_picture_fills_what_they_leave_open(encoder, look, text, said):
    assert look.say(text, encoder.vocabulary) == said


def test_what_cannot_be_named_is_said():
    assert (
        str(NOTHING) == "Your picture is a photograph, and neither its pattern nor its color could be named: crop it."
    )

"""Vectors that upstream's own class gave, against ours: from the picture's file and the text's letters to the vector.

`golden/recipe.py` makes what both sides are given; `golden/make.py` ran upstream and kept its outputs.
"""

import copy
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

from rag_lib.encoders import load_encoder
from rag_lib.encoders.visualized_bge.checkpoint import build_empty, load_checkpoint
from rag_lib.encoders.visualized_bge.encoder import ComposedEncoder
from rag_lib.encoders.visualized_bge.model import M3
from rag_lib.paths import data_dir

BASE_NAME, M3_NAME = "visualized-bge-base-en-v1.5", "visualized-bge-m3"
# In fp32. Between what was measured, at most 2e-6, and the smallest mistakes that were tried: 5e-5 for BERT's GELU by
# its tanh formula, 1e-4 for 8,192 tokens of text cut one short. Wrong positions, norms or masks give 4e-3 and more.
TOLERANCE = 2e-5
CASES = ["pictures", "texts", "composed", "batch of texts", "batch of composed", "long text", "long composed"]
EXAMPLES = "RAG_OFFICIAL_EXAMPLES"
# The model's 872 million parameters, twice while they are packed, beside upstream's for the text: 11 GB were measured.
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9 if hasattr(os, "sysconf") else float("inf")
room_for_m3 = pytest.mark.skipif(MEMORY < 15, reason=f"m3 needs 15 GB of memory, here are {MEMORY:.0f}")


def golden(recipe, name):
    file = Path(__file__).parent / "golden" / f"golden-{recipe.FOLDERS[name]}.npz"
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def checkpoint(recipe, name, layers=None):
    """The recipe's weights under upstream's names, with the buffers that official files carry."""
    shapes = json.loads(str(golden(recipe, name)["shapes"]))
    if layers:
        dropped = tuple(f"bge_encoder.layer.{i}." for i in range(layers, 24))
        shapes = {key: shape for key, shape in shapes.items() if not key.startswith(dropped)}
    tensors = recipe.weights(shapes)
    tensors |= {key: torch.zeros(shape) for key, shape in shapes.items() if key not in tensors}  # rotary tables
    return tensors | {"bge_embeddings.position_ids": torch.arange(512)[None]}


def difference(recipe, name, title, encoder, folder):
    """The largest difference between two entries, ours and upstream's, in a case of the recipe."""
    case, expected = recipe.cases(name)[title], golden(recipe, name)[title]
    paths = [folder / picture for picture in case.pictures or ()] or [None] * len(case.texts)
    if case.texts is None:
        vectors = encoder.encode_images(paths, progress=False).vectors
    elif case.batch:
        vectors = encoder.encode_queries(paths, case.texts)
    else:
        vectors = np.stack([encoder.encode_query(path, text) for path, text in zip(paths, case.texts, strict=True)])
    assert vectors.shape == expected.shape
    return np.abs(vectors - expected).max()


@pytest.fixture(scope="module")
def base(recipe):
    """The encoder as a room without network would load it, and the folder of its files and the pictures."""
    with TemporaryDirectory() as folder:  # gigabytes: pytest would keep them
        folder = Path(folder)
        recipe.draw_pictures(folder)
        recipe.write_text_model(BASE_NAME, folder)
        torch.save(checkpoint(recipe, BASE_NAME), folder / "Visualized_base_en_v1.5.pth")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAG_HOME", str(folder / "home"))  # where the converted copy is kept
            encoder = load_encoder(BASE_NAME, weights=folder, device="cpu", dtype="float32")
        yield encoder, folder


@pytest.mark.parametrize("title", CASES)
def test_the_base_edition_gives_upstreams_vectors(recipe, base, title):
    assert difference(recipe, BASE_NAME, title, *base) < TOLERANCE


@pytest.fixture(scope="module")
def m3(recipe, tmp_path_factory):
    """`m3(layers)`: the encoder with so many layers of its text model, all of one build; and the pictures' folder.

    Its 3.5 GB never touch the disk.
    """
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("m3")
    recipe.draw_pictures(folder)
    recipe.write_text_model(M3_NAME, folder)
    model = build_empty(M3)
    load_checkpoint(model, checkpoint(recipe, M3_NAME))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    whole = ComposedEncoder(model, tokenizer, name=M3_NAME, fingerprint="", device="cpu", dtype=torch.float32)

    def with_layers(layers):
        encoder = copy.copy(whole)
        encoder.model = copy.copy(whole.model)
        encoder.model.layers = whole.model.layers[:layers]
        return encoder, folder

    return with_layers


@pytest.mark.slow
@room_for_m3
@pytest.mark.parametrize("layers", [24, 2])
def test_the_m3_edition_gives_upstreams_vectors(recipe, m3, layers):
    cases = recipe.cases(M3_NAME).items()
    titles = [title for title, case in cases if (case.layers or 24) == layers]
    differences = {title: difference(recipe, M3_NAME, title, *m3(layers)) for title in titles}
    assert max(differences.values()) < TOLERANCE, differences


def test_every_golden_vector_is_looked_at(recipe):
    for name in (BASE_NAME, M3_NAME):
        assert set(golden(recipe, name)) - {"shapes", "commit"} == set(recipe.cases(name)) == set(CASES)


def flag_model(recipe, name, folder, layers=None):
    """FlagEmbedding's own encoder of texts, on the same text model."""
    from FlagEmbedding import FlagModel
    from safetensors.torch import save_file

    tensors = checkpoint(recipe, name, layers)
    tensors = {key.removeprefix("bge_"): tensor for key, tensor in tensors.items() if key.startswith("bge_")}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    recipe.write_text_model(name, folder, **({"num_hidden_layers": layers} if layers else {}))
    return FlagModel(str(folder), pooling_method="cls", normalize_embeddings=True, use_fp16=False, devices="cpu")


def assert_texts_are_as_flag_embedding_has_them(recipe, encoder, theirs):
    texts = [*recipe.SENTENCES, *recipe.FOREIGN, recipe.long_text(30)]  # of mixed lengths
    ours = encoder.encode_queries([None] * len(texts), texts)
    assert np.abs(ours - theirs.encode(texts)).max() < TOLERANCE


def test_texts_alone_are_what_flag_embedding_makes_of_them(recipe, base):
    with TemporaryDirectory() as folder:
        theirs = flag_model(recipe, BASE_NAME, Path(folder))
        assert_texts_are_as_flag_embedding_has_them(recipe, base[0], theirs)


@pytest.mark.slow
@room_for_m3
def test_texts_alone_are_what_flag_embedding_makes_of_them_in_m3(recipe, m3):
    with TemporaryDirectory() as folder:
        theirs = flag_model(recipe, M3_NAME, Path(folder), layers=2)
        assert_texts_are_as_flag_embedding_has_them(recipe, m3(2)[0], theirs)


BRIDGE = (
    "The Mid-Hudson Bridge was designated as a New York State Historic Civil Engineering Landmark by the American "
    'Society of Civil Engineers in 1983. The bridge was renamed the "Franklin Delano Roosevelt Mid-Hudson Bridge" in '
    "1994."
)
SPANNING = "The Mid-Hudson Bridge, spanning the Hudson River between Poughkeepsie and Highland."
HORSES = ("cir_candi_1.png", None), ("cir_candi_2.png", None)


# The model's card (research/visual_bge/README.md): a query, its candidates, the cosines printed there.
@pytest.mark.parametrize(
    ("name", "query", "candidates", "cosines"),
    [
        (
            BASE_NAME,
            ("cir_query.png", "Make the background dark, as if the camera has taken the photo at night"),
            HORSES,
            (0.8750, 0.7816),
        ),
        (
            BASE_NAME,
            (None, "Are there sidewalks on both sides of the Mid-Hudson Bridge?"),
            (("wiki_candi_1.jpg", SPANNING), ("wiki_candi_2.jpg", "Golden_Gate_Bridge"), (None, BRIDGE)),
            (0.6932, 0.4441, 0.6415),
        ),
        (M3_NAME, ("cir_query.png", "一匹马牵着这辆车"), HORSES, (0.7026, 0.8075)),
    ],
    ids=["composed", "knowledge", "multilingual"],
)
def test_the_official_weights_give_the_cosines_of_the_model_card(name, query, candidates, cosines):
    folder, weights = Path(os.environ.get(EXAMPLES, "")), data_dir() / "weights" / name
    if not os.environ.get(EXAMPLES) or not weights.is_dir():
        pytest.skip(
            f"needs the official checkpoint with its tokenizer files in data/weights/{name}/, and {EXAMPLES}= the "
            "folder research/visual_bge/imgs of a checkout of github.com/FlagOpen/FlagEmbedding"
        )
    encoder = load_encoder(name, device="cpu", dtype="float32")

    def embed(picture, text):
        return encoder.encode_query(picture and folder / picture, text)

    found = [embed(*query) @ embed(*candidate) for candidate in candidates]
    assert found == pytest.approx(cosines, abs=1e-3)  # four digits, from another machine

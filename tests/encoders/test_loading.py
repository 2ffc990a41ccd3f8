"""From a name to a model: every wrong turn ends in a sentence with the remedy."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from rag_lib.encoders import load_encoder
from rag_lib.encoders.loading import POCKET_FOLDER
from rag_lib.encoders.visualized_bge import BASE, VisualizedBGE
from rag_lib.errors import RagError

OFFICIAL = "visualized-bge-base-en-v1.5"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (dict(name="poket"), "Unknown encoder 'poket'. Did you mean 'pocket'"),
        (dict(name="clip"), "Unknown encoder 'clip'.*Known: pocket, visualized-bge-base-en-v1.5, visualized-bge-m3"),
        (dict(name="pocket", device="tpu"), "Device 'tpu' cannot be used here; usable: auto, cpu"),
        (dict(name="pocket", dtype="int3"), "Unknown dtype 'int3'"),
        (dict(name="pocket", weights="no/such/folder"), "lacks config.json, model.safetensors, tokenizer.json"),
        (dict(name=OFFICIAL, weights="no/such.pth"), "no weights at 'no/such.pth'.*Visualized_base_en_v1.5.pth"),
    ],
)
def test_a_wrong_argument_is_named(arguments, sentence):
    with pytest.raises(RagError, match=sentence):
        load_encoder(**arguments)


def test_a_folder_must_hold_one_checkpoint(tmp_path):
    with pytest.raises(RagError, match="holds 0 checkpoints; expected exactly one"):
        load_encoder(OFFICIAL, weights=tmp_path)
    for name in ("a.pth", "b.safetensors"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(RagError, match="holds 2 checkpoints"):
        load_encoder(OFFICIAL, weights=tmp_path)


def test_damaged_pocket_weights_are_noticed(tmp_path):
    folder = tmp_path / "pocket"
    shutil.copytree(POCKET_FOLDER, folder)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(RagError, match="model.safetensors of the pocket is damaged"):
        load_encoder("pocket", weights=folder)


def test_the_fingerprint_follows_the_numbers_that_are_computed():
    assert load_encoder("pocket").fingerprint == load_encoder("pocket").fingerprint != ""
    assert load_encoder("pocket").fingerprint != load_encoder("pocket", dtype="bfloat16").fingerprint


def test_an_official_checkpoint_in_its_folder_is_found_and_works(tmp_path, monkeypatch, upstream_checkpoint):
    """The whole base model at random weights, as a room without network would hold it."""
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    folder = tmp_path / "data" / "weights" / OFFICIAL
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    model = VisualizedBGE(BASE).half()
    torch.save(upstream_checkpoint(model), folder / "Visualized_base_en_v1.5.pth")
    load_encoder("pocket").tokenizer.save_pretrained(folder)
    encoder = load_encoder(OFFICIAL)
    picture = Image.new("RGB", (300, 200), "orange")
    composed = encoder.encode_query(picture, "a phone case " * 400)  # longer than the positions: truncated
    assert encoder.dim == composed.shape[0] == 768
    assert np.linalg.norm(composed) == pytest.approx(1, abs=1e-5)


def test_without_a_network_the_official_name_says_what_to_do(tmp_path):
    code = (
        "from rag_lib.encoders import load_encoder\nfrom rag_lib.errors import RagError\n"
        f"try:\n    load_encoder({OFFICIAL!r})\nexcept RagError as error:\n    print(error)"
    )
    nowhere = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", code], env=nowhere, capture_output=True, text=True, timeout=120)
    assert "could not be fetched from the hub" in result.stdout and "encoder='pocket'" in result.stdout, result.stderr

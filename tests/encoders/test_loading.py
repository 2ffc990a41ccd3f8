"""From a name to a model: every wrong turn ends in a sentence with the remedy."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from rag_lib.encoders import load_encoder
from rag_lib.encoders.pocket.loading import POCKET_FOLDER
from rag_lib.encoders.preprocess import PREPROCESS_VERSION
from rag_lib.encoders.sums import SUMS, write_sums
from rag_lib.encoders.visualized_bge import loading
from rag_lib.encoders.visualized_bge.loading import fingerprint_of
from rag_lib.encoders.visualized_bge.model import BASE, CONFIGS, VisualizedBGE
from rag_lib.errors import RagError

OFFICIAL = "visualized-bge-base-en-v1.5"
SHIPPED = f"c61a528980e0t985729p{PREPROCESS_VERSION}"  # collections and caches of the pocket are named by it


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (dict(name="poket"), "Unknown encoder 'poket'. Did you mean 'pocket'"),
        (
            dict(name="clip"),
            "Unknown encoder 'clip'.*Known: pocket, photo, visualized-bge-base-en-v1.5, visualized-bge-m3",
        ),
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


def flip(file, place, bit=1):
    content = bytearray(file.read_bytes())
    content[place] ^= bit
    file.write_bytes(content)


@pytest.fixture
def pocket(tmp_path):
    """A copy of the pocket's folder."""
    return shutil.copytree(POCKET_FOLDER, tmp_path / "pocket")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "words.json"])
def test_a_flipped_bit_in_a_file_of_the_pocket_is_refused(pocket, name):
    rng, size = np.random.default_rng(0), (pocket / name).stat().st_size
    for place in (0, size - 1, *rng.integers(0, size, 6)):
        bit = 1 << int(rng.integers(8))
        flip(pocket / name, place, bit)
        with pytest.raises(RagError, match=f"{name} in the weights folder 'pocket' is damaged.*Restore it from"):
            load_encoder("pocket", weights=pocket)
        flip(pocket / name, place, bit)
    assert load_encoder("pocket", weights=pocket).fingerprint == load_encoder("pocket").fingerprint


def test_a_setting_that_was_changed_to_another_that_fits_is_refused(pocket):
    """With one head in place of three the same tensors load, and give other vectors."""
    settings = (pocket / "config.json").read_text()
    (pocket / "config.json").write_text(settings.replace('"num_heads": 3', '"num_heads": 1'))
    with pytest.raises(RagError, match="config.json in the weights folder 'pocket' is damaged or was changed"):
        load_encoder("pocket", weights=pocket)


@pytest.mark.parametrize("change", [(0, 64), (30, 1), (-1, 1)], ids=str)
def test_damaged_checksums_are_refused(pocket, change):
    flip(pocket / SUMS, *change)
    with pytest.raises(RagError, match="SHA256SUMS in the weights folder|is damaged or was changed"):
        load_encoder("pocket", weights=pocket)


def test_the_words_of_the_pocket_may_not_be_missing(pocket):
    (pocket / "words.json").unlink()
    with pytest.raises(RagError, match="words.json in the weights folder 'pocket' is missing"):
        load_encoder("pocket", weights=pocket)


def test_a_folder_that_was_trained_before_there_were_checksums_loads(pocket):
    for name in (SUMS, "words.json"):
        (pocket / name).unlink()
    encoder = load_encoder("pocket", weights=pocket)
    assert encoder.fingerprint == load_encoder("pocket").fingerprint and encoder.vocabulary is None
    flip(pocket / "model.safetensors", -1)
    with pytest.raises(RagError, match="model.safetensors of the pocket is damaged"):
        load_encoder("pocket", weights=pocket)


def test_the_shipped_weights_have_the_fingerprint_that_collections_are_named_by():
    assert load_encoder("pocket", device="cpu", dtype="float32").fingerprint == SHIPPED


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


@pytest.fixture
def small(tmp_path, monkeypatch, upstream_checkpoint, small_config):
    """Makes folders of a small model under the official name: .make(folder, seed) -> the checkpoint in it."""
    monkeypatch.setenv("RAG_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(CONFIGS, OFFICIAL, small_config)

    def make(folder="room", seed=0):
        folder = tmp_path / folder
        folder.mkdir(exist_ok=True)
        torch.manual_seed(seed)
        torch.save(upstream_checkpoint(VisualizedBGE(small_config)), folder / "Visualized_base_en_v1.5.pth")
        shutil.copy(POCKET_FOLDER / "tokenizer.json", folder)
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
        return folder / "Visualized_base_en_v1.5.pth"

    return make


def load(path):
    encoder = load_encoder(OFFICIAL, weights=path)
    return encoder.fingerprint, encoder.encode_query(text="a phone case")


@pytest.mark.parametrize("way", ["zip", "before torch 1.6", "safetensors"])
def test_a_checkpoint_is_read_in_every_form(small, tmp_path, way):
    path = small()
    _, vector = load(path)
    tensors = torch.load(path, weights_only=True)
    if way == "safetensors":
        path.unlink()
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path.with_suffix(".safetensors"))
    elif way == "before torch 1.6":
        torch.save(tensors, path, _use_new_zipfile_serialization=False)
    _, same = load(path.parent)
    assert np.array_equal(same, vector)
    assert not (tmp_path / "home").exists()  # nothing is kept beside the file itself


def test_a_checkpoint_at_another_place_has_the_same_fingerprint(small, tmp_path):
    path = small()
    first, _ = load(path)
    os.utime(path)
    other = shutil.copytree(path.parent, tmp_path / "other") / path.name
    assert load(path)[0] == load(other)[0] == load(other.parent)[0] == first


def test_a_replaced_checkpoint_has_another_fingerprint(small):
    path = small(seed=0)
    before = path.stat()
    old, vector = load(path)
    small(seed=1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns
    new, other = load(path)
    assert new != old and not np.allclose(other, vector)


@pytest.mark.parametrize("name", ["Visualized_base_en_v1.5.pth", "tokenizer.json", "tokenizer_config.json"])
def test_a_flipped_bit_in_what_was_fetched_is_refused(small, name):
    path = small()
    write_sums(path.parent, [path.name, "tokenizer.json", "tokenizer_config.json"])
    load(path)
    flip(path.parent / name, 200 if name.endswith(".pth") else -20)
    with pytest.raises(RagError, match=f"{name} in the weights folder 'room' is damaged or was changed.*fetched anew"):
        load(path)


def test_a_file_that_was_fetched_and_is_gone_is_named(small):
    path = small()
    write_sums(path.parent, [path.name, "tokenizer.json", "tokenizer_config.json"])
    (path.parent / "tokenizer_config.json").unlink()
    with pytest.raises(RagError, match="tokenizer_config.json in the weights folder 'room' is missing, says its SHA"):
        load(path)


def test_the_official_file_is_found_beside_the_text_models_own_weights(small):
    path = small()
    (path.parent / "model.safetensors").write_bytes(b"the text model's")
    assert load(path.parent) is not None


def write_config(path, **changes):
    sizes = dict(CONFIGS[OFFICIAL].text_args, model_type="bert", max_position_embeddings=512, layer_norm_eps=1e-12)
    (path.parent / "config.json").write_text(json.dumps(sizes | changes))


def test_a_config_with_the_official_sizes_changes_nothing(small):
    path = small()
    first, _ = load(path)
    write_config(path)
    assert load(path)[0] == first


def test_a_config_beside_the_checkpoint_sets_the_text_models_sizes(small, monkeypatch, small_config):
    path = small()
    write_config(path)
    first, vector = load(path)
    write_config(path, num_attention_heads=2)
    heads, other = load(path)
    assert heads != first and not np.allclose(other, vector)
    write_config(path, num_hidden_layers=1)
    with pytest.raises(RagError, match="does not fit.*unknown encoder.layer.1"):
        load(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "not a model's settings in JSON: restore it from BAAI/bge-base-en-v1.5, or remove it"),
        ("[1]", "not a model's settings in JSON"),
        ('{"model_type": "xlm-roberta"}', "of type 'xlm-roberta'; visualized-bge-base-en-v1.5 reads 'bert'"),
        ("{}", "of type None"),
        ('{"model_type": "bert", "num_attention_heads": 7}', "No text model can be built with the sizes"),
        ('{"model_type": "bert", "hidden_size": "wide"}', "No text model can be built with the sizes"),
    ],
)
def test_a_config_that_cannot_be_is_refused(small, content, sentence):
    path = small()
    (path.parent / "config.json").write_text(content)
    with pytest.raises(RagError, match=sentence):
        load(path)


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"model.diffusion_model.out.weight": torch.zeros(1)}, "It looks like a Stable Diffusion checkpoint"),
        ({"embeddings.word_embeddings.weight": torch.zeros(1)}, "It looks like the text model alone"),
        ({"visual.proj": torch.zeros(1)}, "It looks like a CLIP model"),
        ({"visual_proj.bias": torch.zeros(1024)}, "It looks like the file of visualized-bge-m3"),
        ({"anything": torch.zeros(1)}, "Is it the file of another model"),
        ({"visual_proj.bias": torch.tensor(1.0)}, "Is it the file of another model"),
        ({"state_dict": {"a": torch.zeros(1)}}, "it holds a dict of other things than named tensors"),
        ({0: torch.zeros(1)}, "it holds a dict of other things than named tensors"),
    ],
)
def test_the_file_of_another_model_is_named(small, tensors, sentence):
    path = small()
    torch.save(tensors, path)
    with pytest.raises(RagError, match=sentence):
        load(path)


def test_a_checkpoint_that_may_not_be_read_is_named(small):
    path = small()
    if os.geteuid():
        path.chmod(0)
    else:  # root may read everything but what no process has at address 0
        path.unlink()
        path.symlink_to("/proc/self/mem")
    with pytest.raises(RagError, match=r"The checkpoint Visualized_base_en_v1.5.pth cannot be read \(.+\): see to its"):
        load(path)


def test_a_tokenizer_that_lacks_its_settings_is_refused(small):
    path = small()
    (path.parent / "tokenizer_config.json").unlink()
    rules = json.loads((path.parent / "tokenizer.json").read_text())
    (path.parent / "tokenizer.json").write_text(json.dumps(rules | {"padding": None}))
    with pytest.raises(RagError, match="names no cls, sep, pad token: one of its files is missing.*tokenizer_config"):
        load(path)


def test_the_tokenizer_of_a_larger_model_is_refused(small):
    path = small()
    rules = json.loads((path.parent / "tokenizer.json").read_text())
    rules["model"]["vocab"] |= {f"word{n}": n for n in range(len(rules["model"]["vocab"]), 1201)}
    (path.parent / "tokenizer.json").write_text(json.dumps(rules))
    with pytest.raises(RagError, match="has 1,201 entries, the model 1,200: it is another model's.*bge-base-en-v1.5"):
        load(path)


def test_the_fingerprint_follows_the_tokenizer(small):
    path = small()
    first, _ = load(path)
    file = path.parent / "tokenizer.json"
    rules = json.loads(file.read_text())
    vocabulary = rules["model"]["vocab"]
    vocabulary["case"], vocabulary["phone"] = vocabulary["phone"], vocabulary["case"]
    file.write_text(json.dumps(rules))
    assert load(path)[0] != first


def test_the_pockets_fingerprint_follows_its_tokenizer(pocket):
    folder = pocket
    (folder / SUMS).unlink()
    assert load_encoder("pocket", weights=folder).fingerprint == load_encoder("pocket").fingerprint
    rules = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(
        rules.replace('"lowercase":true', '"lowercase":false').replace('"lowercase": true', '"lowercase": false')
    )
    assert (folder / "tokenizer.json").read_text() != rules
    assert load_encoder("pocket", weights=folder).fingerprint != load_encoder("pocket").fingerprint


@pytest.mark.parametrize(
    ("name", "value"), [("padding_side", "left"), ("truncation_side", "left"), ("pad_token_id", 7)], ids=str
)
def test_the_fingerprint_follows_how_words_are_padded_and_cut(name, value):
    encoder = load_encoder("pocket", device="cpu", dtype="float32")
    setattr(encoder.tokenizer, name, value)
    assert fingerprint_of(SHIPPED[:12], encoder.tokenizer, encoder.dtype) != encoder.fingerprint


def test_the_fingerprint_follows_the_preprocessing_of_pictures(monkeypatch):
    before = load_encoder("pocket", device="cpu", dtype="float32").fingerprint
    monkeypatch.setattr(loading, "PREPROCESS_VERSION", loading.PREPROCESS_VERSION + 1)
    assert load_encoder("pocket", device="cpu", dtype="float32").fingerprint != before


def test_encoding_leaves_the_fingerprint_as_it_was():
    encoder = load_encoder("pocket")
    encoder.encode_queries([None, None], ["a phone case", "a phone case " * 400])  # sets padding and truncation
    digest = json.loads((POCKET_FOLDER / "config.json").read_text())["sha256"]
    assert fingerprint_of(digest, encoder.tokenizer, encoder.dtype) == encoder.fingerprint


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", ""),
        ("config.json", '{"model": {'),
        ("config.json", "[1]"),
        ("config.json", "{}"),
        ("config.json", '{"sha256": 3}'),
        ("tokenizer.json", '{"version": "1.0", "truncation"'),
        ("words.json", '{"names": {}, "sentences": []}'),
        ("words.json", "[1]"),
    ],
)
def test_a_damaged_pocket_folder_without_checksums_is_named(pocket, file, content):
    (pocket / SUMS).unlink()
    (pocket / file).write_text(content)
    with pytest.raises(RagError, match="pocket.* is damaged.*Restore it"):
        load_encoder("pocket", weights=pocket)


def test_a_damaged_tokenizer_is_named(small):
    path = small()
    (path.parent / "tokenizer.json").write_text("{")
    with pytest.raises(RagError, match="The tokenizer beside the checkpoint cannot be read.*bge-base-en-v1.5"):
        load(path)


def test_loading_leaves_the_random_numbers_as_they_were(small):
    path = small()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load(path)
    assert torch.rand(1) == expected

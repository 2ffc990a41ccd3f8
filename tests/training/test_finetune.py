"""Fine-tuning for real, small: new words are learned, a stopped run goes on, what is saved is what is loaded."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from rag_lib.drawn.drawing import draw_product
from rag_lib.encoders import load_encoder
from rag_lib.encoders.pocket.loading import POCKET_FOLDER
from rag_lib.encoders.visualized_bge.model import BASE, CONFIGS, VisualizedBGE
from rag_lib.errors import RagError
from rag_lib.training import finetune as module
from rag_lib.training import loop
from rag_lib.training.embedder import Embedder
from rag_lib.training.finetune import Example, finetune, loss_of, measure_recall
from rag_lib.training.trainable import load_trainable

OFFICIAL = "visualized-bge-base-en-v1.5"
NEW_WORDS = {"glorp": "toaster", "blick": "kettle", "wug": "lamp"}
COLORS = ("red", "blue")


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Six products, and triplets that call them by words that the pocket does not know."""
    folder, rng, lines = tmp_path_factory.mktemp("shop"), np.random.default_rng(0), []
    for category in NEW_WORDS.values():
        for color in COLORS:
            pixels = draw_product(rng, category, "plain", color, size=128)
            Image.fromarray(pixels).save(folder / f"{color}-{category}.png")
    for word, category in NEW_WORDS.items():
        for color in COLORS:
            other = f"{color}-{'kettle' if category == 'lamp' else 'lamp'}.png"
            wanted = {"positive_value": f"{color}-{category}.png"}
            lines.append({"q_text": f"a {color} {word}", **wanted})
            lines.append({"q_img": other, "q_text": f"make it a {word}", "hn_image": [other], **wanted})
    return write(folder / "triplets.jsonl", lines)


def found(encoder, shop):
    """The share of new words that find their product in both colors."""
    names = [f"{color}-{category}" for category in NEW_WORDS.values() for color in COLORS]
    gallery = encoder.encode_images([shop.parent / f"{name}.png" for name in names], progress=False).vectors
    asked = [f"a {color} {word}" for word in NEW_WORDS for color in COLORS]
    best = (encoder.encode_queries([None] * len(asked), asked) @ gallery.T).argmax(axis=1)
    return np.mean(best == np.arange(len(names)))


def test_it_learns_words_that_the_pocket_did_not_know(shop, tmp_path):
    before = found(load_encoder("pocket"), shop)
    outcome = finetune(shop, tmp_path / "out", steps=16, batch=12, learning_rate=3e-4)
    after = found(load_encoder("pocket", weights=outcome.weights), shop)
    assert load_encoder(outcome.weights).fingerprint == load_encoder("pocket", weights=outcome.weights).fingerprint
    assert before < 0.6 and after > 0.8  # one of the six is held out
    assert outcome.log[0]["loss"] > 2 * outcome.log[-1]["loss"] and outcome.log[-1]["hit"] > 0.9
    start, tuned = (load_file(folder / "model.safetensors") for folder in (POCKET_FOLDER, outcome.weights))
    changed = {name for name in start if not torch.equal(start[name], tuned[name])}
    assert start.keys() == tuned.keys() and all(
        name.startswith(("model.text_model", "model.visual")) for name in changed
    )
    assert json.loads((outcome.weights / "config.json").read_text())["fine_tuned"]["steps"] == 16


def test_a_stopped_run_goes_on_to_the_same_weights(shop, tmp_path, monkeypatch):
    options = dict(steps=3, batch=4)
    whole = finetune(shop, tmp_path / "whole", **options)
    calls = iter(range(2))

    def stop_at_the_third(*arguments):
        next(calls)  # StopIteration stands for a kill
        return loss_of(*arguments)

    monkeypatch.setattr(loop, "SAVE_EVERY", 1)
    monkeypatch.setattr(module, "loss_of", stop_at_the_third)
    with pytest.raises(StopIteration):
        finetune(shop, tmp_path / "stopped", **options)
    monkeypatch.setattr(module, "loss_of", loss_of)
    resumed = finetune(shop, tmp_path / "stopped", **options)
    assert len(resumed.log) == 3 and resumed.log == whole.log
    first, second = (load_file(outcome.weights / "model.safetensors") for outcome in (whole, resumed))
    assert all(torch.allclose(first[name], second[name], atol=1e-3) for name in first)
    with pytest.raises(RagError, match="stopped holds the checkpoint of another fine-tuning"):
        finetune(shop, tmp_path / "stopped", steps=3, batch=5)


def test_what_is_held_out_depends_on_the_query_alone():
    def example(text):
        return Example(f"|{text}", -1, text, 0, ())

    share = np.mean([example(f"lamp {number}").held_out for number in range(2000)])
    assert 0.08 < share < 0.12
    assert dataclasses.replace(example("lamp 7"), wanted=3, wrong=(1,)).held_out == example("lamp 7").held_out


class Given:
    """In the embedder's place: vectors that are given. Rows of `pictures`; a text is the row of its own number."""

    def __init__(self, pictures, texts):
        self.pictures, self.texts, self.model = torch.tensor(pictures), torch.tensor(texts), torch.nn.Identity()

    def composed(self, rows, texts):
        return self.pictures[list(rows)]

    def queries(self, rows, texts):
        asked = zip(rows, texts, strict=True)
        return torch.stack([self.texts[int(text)] if text else self.pictures[row] for row, text in asked])


def test_the_loss_by_hand():
    embedder = Given([[1.0, 0.0], [0.98, 0.2], [0.96, 0.28], [0.0, 1.0]], [[1.0, 0.0]])
    query = Example("0|0", source=0, text="0", wanted=1, wrong=(3,))
    also = Example("0|0", source=0, text="0", wanted=2, wrong=())
    rng = np.random.default_rng(0)
    loss, hit = loss_of(embedder, [query], {"0|0": {1}}, rng)
    scores = np.array([1.0, 0.98, 0.0]) / 0.02  # its own picture, the wanted one, the wrong one
    assert loss.item() == pytest.approx(np.log(np.exp(scores).sum()) - scores[1], abs=1e-4) and hit == 0
    loss, hit = loss_of(embedder, [query, also], {"0|0": {1, 2}}, rng)  # each other's answers are no negatives
    both = [np.log(np.exp([50, s, 0]).sum()) - s for s in (0.98 * 50, 0.96 * 50)]
    assert loss.item() == pytest.approx(np.mean(both), abs=1e-4)
    alone = Example("0|", source=0, text="", wanted=1, wrong=(3,))
    loss, hit = loss_of(embedder, [alone], {"0|": {1}}, rng)  # its own picture would always be nearest
    assert loss.item() == pytest.approx(0, abs=1e-4) and hit == 1


def test_recall_leaves_the_querys_own_picture_out_and_takes_any_right_answer():
    embedder = Given([[1.0, 0.0], [0.98, 0.2], [0.96, 0.28], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    first = Example("0|0", source=0, text="0", wanted=2, wrong=())
    second = Example("|1", source=-1, text="1", wanted=0, wrong=())
    answers = {"0|0": {1, 2}, "|1": {0}, "|other": {3}}
    assert measure_recall(embedder, [first, first], answers) == {"Recall@1": 1.0, "Recall@5": 1.0}
    for portion in (1, 3, 32):
        found = measure_recall(embedder, [first, second], answers, portion)
        assert found == {"Recall@1": 0.5, "Recall@5": 1.0}
    assert measure_recall(embedder, [], answers) == {}


@pytest.fixture
def official(tmp_path, monkeypatch):
    """A small model of the official kind, as a folder with upstream's names."""
    sizes = dict(vocab_size=1200, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    config = dataclasses.replace(BASE, tower="eva02_tiny_patch14_224", text_args=sizes)
    monkeypatch.setitem(CONFIGS, OFFICIAL, config)
    torch.manual_seed(0)
    model, folder = VisualizedBGE(config), tmp_path / "official"
    folder.mkdir()
    upstream = {".mlp.fc1_g.": ".mlp.w1.", ".mlp.fc2.": ".mlp.w3.", "q_proj.bias": "q_bias", "text_model.": "bge_"}
    tensors = {}
    for name, value in model.state_dict().items():
        for ours, theirs in upstream.items():
            name = name.replace(ours, theirs)
        tensors[name.replace("tower.", "model_visual.visual.")] = value.half().contiguous()
    unused = {"model_visual.logit_scale": torch.tensor(2.0), "bge_embeddings.position_ids": torch.arange(512)[None]}
    save_file(tensors | unused, folder / "Visualized_base_en_v1.5.safetensors")
    load_encoder("pocket").tokenizer.save_pretrained(folder)
    return folder


def test_an_official_model_comes_back_under_upstreams_names(official, shop, tmp_path):
    start = load_trainable(OFFICIAL, official)
    with torch.no_grad():
        for parameter in start.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    start.save(tmp_path / "saved", {})
    picture = shop.parent / "red-lamp.png"
    encoder = load_encoder(OFFICIAL, weights=tmp_path / "saved", dtype="float32")
    embedder = Embedder(start, np.stack([encoder.prepare(picture)]), device="cpu", freeze_tower=False)
    embedder.dtype = torch.float32
    with torch.no_grad():
        expected = embedder.queries([0, -1], ["in blue", "a lamp"]).numpy()
    assert encoder.encode_query(picture, "in blue") @ expected[0] > 0.9999
    assert encoder.encode_query(text="a lamp") @ expected[1] > 0.9999
    files = [next(folder.glob("*.safetensors")) for folder in (official, tmp_path / "saved")]
    assert load_file(files[0]).keys() == load_file(files[1]).keys()


@pytest.mark.parametrize("freeze", [True, False])
def test_the_tower_is_trained_only_when_asked_for(official, shop, tmp_path, freeze):
    outcome = finetune(
        shop, tmp_path / "out", encoder=OFFICIAL, weights=official, steps=1, batch=2, freeze_tower=freeze
    )
    before, after = (load_file(next(folder.glob("*.safetensors"))) for folder in (official, outcome.weights))
    moved = {
        name.split(".")[0] for name, value in before.items() if not torch.equal(value.float(), after[name].float())
    }
    assert ("model_visual" in moved) is not freeze and {"bge_encoder", "bge_embeddings", "visual_proj"} <= moved
    assert load_encoder(OFFICIAL, weights=outcome.weights).dim == 64
    assert load_encoder(outcome.weights).name == OFFICIAL  # the folder is name enough


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(encoder="poket"), "'poket' cannot be trained here; pocket, .*Did you mean 'pocket'"),
        (dict(weights="no/such/folder"), "lacks config.json"),
        (dict(steps=0), "steps is too small"),
        (dict(batch=1), "batch is too small: give at least 2"),
        (dict(device="tpu"), "Device 'tpu' cannot be used here"),
    ],
)
def test_a_wrong_argument_is_named(shop, tmp_path, options, sentence):
    with pytest.raises(RagError, match=sentence):
        finetune(shop, tmp_path, **options)


def test_one_triplet_is_not_enough(shop, tmp_path):
    few = write(shop.parent / "few.jsonl", [{"q_text": "a lamp", "positive_value": "red-lamp.png"}])
    with pytest.raises(RagError, match="Of 1 triplets . can be trained on, expected at least 2"):
        finetune(few, tmp_path)


def test_the_command_says_what_came_of_it(shop, tmp_path, capsys):
    module.main(["--triplets", str(shop), "--out", str(tmp_path / "mine"), "--steps", "1", "--batch", "2"])
    said = capsys.readouterr().out
    assert "triplets trained on" in said and "load_encoder('pocket', weights=" in said
    assert {"weights", "log.json", "triplets.pt"} <= {path.name for path in (tmp_path / "mine").iterdir()}

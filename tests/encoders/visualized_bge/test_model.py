"""The model's wiring, against a spelled-out computation, and the strict loading of official checkpoints."""

import dataclasses
import pickle

import pytest
import torch
from torch.nn import functional as F

from rag_lib.encoders.visualized_bge.checkpoint import load_checkpoint, read_tensors
from rag_lib.encoders.visualized_bge.model import BASE, M3, POCKET, VisualizedBGE
from rag_lib.errors import RagError

SMALL_TEXT = dict(hidden_size=768, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, vocab_size=50)
# The official shapes, with a shallow text model so that the test is quick; the image tower is whole.
SMALL_BASE = dataclasses.replace(BASE, text_args=SMALL_TEXT)
SMALL_M3_TEXT = dataclasses.replace(
    M3, tower="conv-stem", image_size=32, tower_args=POCKET.tower_args, text_args={**M3.text_args, **SMALL_TEXT}
)


def build(config, seed=0):
    torch.manual_seed(seed)
    model = VisualizedBGE(config).eval()
    for parameter in model.parameters():  # norms and biases start as ones and zeros, which would hide mistakes
        parameter.data += 0.02 * torch.randn_like(parameter)
    return model


def words(n, length, vocab=50):
    ids = torch.randint(5, vocab, (n, length), generator=torch.Generator().manual_seed(1))
    return ids, torch.ones_like(ids)


def spelled_out(model, ids, tokens):
    """The composed embedding step by step, as upstream's `encode_mm` describes it (VISTA, section 3.1)."""
    embeddings, patches = model.text_model.embeddings, tokens.shape[1]
    patch_positions = torch.arange(1, 1 + patches)
    word_positions = torch.cat([torch.tensor([0]), torch.arange(1 + patches, patches + ids.shape[1])])
    picture = embeddings.LayerNorm(model.visual_proj(tokens) + embeddings.position_embeddings(patch_positions))
    text = embeddings.LayerNorm(
        embeddings.word_embeddings(ids)
        + embeddings.token_type_embeddings(torch.zeros_like(ids))
        + embeddings.position_embeddings(word_positions)
    )
    sequence = torch.cat([text[:, :1], picture, text[:, 1:]], dim=1)
    return F.normalize(model.text_model.encoder(sequence)[0][:, 0], dim=-1)


@pytest.mark.parametrize("config", [POCKET, SMALL_M3_TEXT], ids=["bert", "xlm-roberta"])
@torch.inference_mode()
def test_composing_is_what_the_paper_says(config):
    model = build(config)
    ids, mask = words(2, 7)
    tokens = model.image_tokens(torch.randn(2, 3, config.image_size, config.image_size))
    assert tokens.shape == (2, model.n_patches, model.tower.embed_dim)
    assert torch.allclose(model(ids, mask, tokens), spelled_out(model, ids, tokens), atol=1e-5)


@torch.inference_mode()
def test_a_text_alone_is_the_text_models_own_embedding():
    model = build(POCKET)
    ids, mask = words(3, 6)
    expected = model.text_model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
    assert torch.allclose(model(ids, mask), F.normalize(expected, dim=-1), atol=1e-6)


@torch.inference_mode()
def test_padding_changes_nothing():
    model = build(POCKET)
    tokens = model.image_tokens(torch.randn(2, 3, 128, 128))
    ids, mask = words(2, 9)
    mask[0, 4:] = 0
    ids[0, 4:] = 0
    assert torch.allclose(model(ids, mask, tokens)[0], model(ids[:1, :4], mask[:1, :4], tokens[:1])[0], atol=1e-5)
    assert torch.allclose(model(ids, mask)[0], model(ids[:1, :4], mask[:1, :4])[0], atol=1e-5)


@pytest.fixture(scope="module")
def official():
    return build(SMALL_BASE)


@torch.inference_mode()
def test_an_official_checkpoint_gives_the_same_vectors_again(official, tmp_path, upstream_checkpoint):
    path = tmp_path / "Visualized_base_en_v1.5.pth"
    torch.save(upstream_checkpoint(official), path)
    model = VisualizedBGE(SMALL_BASE).eval()
    load_checkpoint(model, read_tensors(path))
    ids, mask = words(1, 5)
    pixels = torch.randn(1, 3, 224, 224)
    same = official(ids, mask, official.image_tokens(pixels))
    assert torch.allclose(model(ids, mask, model.image_tokens(pixels)), same, atol=1e-6)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda t: t.pop("visual_proj.bias"), "missing bias"),
        (lambda t: t.pop("model_visual.visual.blocks.7.attn.q_proj.weight"), "missing blocks.7.attn.q_proj.weight"),
        (lambda t: t.update({"extra.weight": torch.zeros(2)}), "unknown extra.weight"),
        (lambda t: t.update({"visual_proj.bias": torch.zeros(7)}), r"shape \(7,\), expected \(768,\)"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(official, damage, sentence, upstream_checkpoint):
    tensors = upstream_checkpoint(official)
    damage(tensors)
    with pytest.raises(RagError, match=sentence):
        load_checkpoint(VisualizedBGE(SMALL_BASE), tensors)


class Malice:
    def __reduce__(self):
        return (print, ("code from a checkpoint was run",))


@pytest.mark.parametrize("content", [pickle.dumps(Malice()), b"<html>404</html>", b""], ids=["code", "page", "empty"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_that_is_no_checkpoint_is_refused_and_never_run(tmp_path, capsys, content, suffix):
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(content)
    with pytest.raises(RagError, match=f"weights.{suffix} is not a checkpoint"):
        read_tensors(path)
    assert "was run" not in capsys.readouterr().out


def test_the_official_shapes_are_the_official_shapes():
    with torch.device("meta"):  # shapes without the gigabytes
        base, m3 = VisualizedBGE(BASE), VisualizedBGE(M3)
    assert (base.dim, base.n_patches, base.max_text_tokens(composed=True)) == (768, 196, 316)
    assert (m3.dim, m3.n_patches, m3.max_text_tokens(composed=False)) == (1024, 256, 8192)
    assert sum(p.numel() for p in base.parameters()) == pytest.approx(195e6, rel=0.01)
    assert sum(p.numel() for p in m3.parameters()) == pytest.approx(872e6, rel=0.01)

"""The model for inference computes the function of the model that is trained, for every edition of it."""

import dataclasses
import os
import subprocess
import sys

import pytest
import torch

from rag_lib.encoders.visualized_bge import inference, layers
from rag_lib.encoders.visualized_bge.inference import InferenceModel
from rag_lib.encoders.visualized_bge.model import BASE, M3, POCKET, VisualizedBGE

SHALLOW = dict(num_hidden_layers=2, vocab_size=60)
EDITIONS = {
    "base": dataclasses.replace(BASE, tower_args=dict(depth=2), text_args=SHALLOW),
    "m3": dataclasses.replace(M3, tower_args=dict(depth=2), text_args=M3.text_args | SHALLOW),
    "pocket": POCKET,
}


@pytest.fixture(autouse=True)
def small_portions(monkeypatch):
    monkeypatch.setattr(inference, "MICRO_BATCH", 2)


@pytest.fixture(scope="module", params=EDITIONS)
def model(request):
    torch.manual_seed(1)
    model = VisualizedBGE(EDITIONS[request.param]).eval()
    for parameter in model.parameters():  # norms and biases start as ones and zeros, which would hide mistakes
        parameter.data += 0.02 * torch.randn_like(parameter)
    return model


def questions(model, n=3):
    """Pixels and padded words for one picture more than a portion."""
    generator = torch.Generator().manual_seed(2)
    pixels = torch.randn(n, 3, model.config.image_size, model.config.image_size, generator=generator)
    ids = torch.randint(5, 60, (n, 9), generator=generator)
    mask = torch.ones_like(ids)
    padding = model.text_model.config.pad_token_id
    for row, length in enumerate((3, 9, 6)):
        ids[row, length:], mask[row, length:] = padding, 0
    return pixels, ids, mask


@pytest.fixture(scope="module")
def expected(model):
    pixels, ids, mask = questions(model)
    with torch.inference_mode():
        tokens = model.image_tokens(pixels)
        return dict(tokens=tokens, composed=model(ids, mask, tokens), text=model(ids, mask))


def results(model, dtype):
    fast, (pixels, ids, mask) = InferenceModel(model, device="cpu", dtype=dtype), questions(model)
    tokens = fast.image_tokens(pixels)
    return dict(tokens=tokens, composed=fast(ids, mask, tokens), text=fast(ids, mask))


def test_float32_gives_the_same_numbers(model, expected):
    found = results(model, torch.float32)
    scale = expected["tokens"].abs().max()
    assert torch.allclose(found["tokens"], expected["tokens"], atol=1e-5 * scale.item())
    for way in ("composed", "text"):
        assert found[way].dtype == torch.float32
        assert torch.allclose(found[way], expected[way], atol=2e-6), way


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_keeps_the_direction(model, expected, dtype):
    found = results(model, dtype)
    for way in ("composed", "text"):
        assert (found[way] * expected[way]).sum(1).min() > 0.999, way


def test_without_the_packed_layout_the_numbers_are_the_same(model, expected, monkeypatch):
    """As on a GPU, or on a processor for which torch was built without oneDNN."""
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    found = results(model, torch.float32)
    for way in ("composed", "text"):
        assert torch.allclose(found[way], expected[way], atol=2e-6), way


def test_a_processor_without_bfloat16_computes_it_all_the_same():
    """oneDNN packs bfloat16 from AVX512 on; here it is told to see an older processor."""
    code = (
        "import torch; from torch import nn; from rag_lib.encoders.visualized_bge.layers import Linear\n"
        "x, layer = torch.randn(3, 64), nn.Linear(64, 32)\n"
        "y = Linear(layer, dtype=torch.bfloat16)(x.bfloat16(), 'gelu')\n"
        "print(torch.allclose(y.float(), nn.functional.gelu(layer(x)), atol=0.05))"
    )
    older = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    result = subprocess.run([sys.executable, "-c", code], env=older, capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "True", result.stderr


def test_the_trained_model_is_left_as_it_was(model, expected):
    results(model, torch.bfloat16)
    pixels, ids, mask = questions(model)
    with torch.inference_mode():
        assert torch.equal(model(ids, mask, model.image_tokens(pixels)), expected["composed"])


@pytest.mark.parametrize("most", [0, 7], ids=["fused", "plain"])
def test_attention_is_torchs_own(most, monkeypatch):
    monkeypatch.setattr(layers, "MAX_PLAIN", most)
    q, k, v = torch.randn(3, 2, 4, 7, 8, generator=torch.Generator().manual_seed(0))
    bias = torch.zeros(2, 1, 1, 7)
    bias[1, ..., 4:] = torch.finfo(bias.dtype).min
    wanted = torch.nn.functional.scaled_dot_product_attention(q[:, :, :1], k, v, attn_mask=bias, scale=1.0)
    assert torch.allclose(
        layers.attention(q[:, :, :1], k, v, bias), wanted.transpose(1, 2).reshape(2, 1, 32), atol=1e-6
    )

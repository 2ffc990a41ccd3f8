"""Which precision "auto" means: fast for the large models where the machine can, the same everywhere for the small."""

import pytest
import torch

from rag_lib.encoders.device import choose_dtype, has_bfloat16


@pytest.fixture(params=[True, False], ids=["bf16 unit", "no bf16 unit"])
def has_unit(request, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: request.param, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    return request.param


def test_a_large_model_takes_bfloat16_where_the_processor_has_it(has_unit):
    assert choose_dtype("auto", "cpu", large=True) == (torch.bfloat16 if has_unit else torch.float32)


def test_a_small_model_gives_the_same_vectors_on_every_processor(has_unit):
    assert choose_dtype("auto", "cpu", large=False) == torch.float32


def test_what_is_asked_for_is_taken(has_unit):
    assert choose_dtype("float32", "cpu", large=True) == torch.float32
    assert choose_dtype("bfloat16", "cpu", large=False) == torch.bfloat16


def test_a_torch_that_cannot_tell_has_none(monkeypatch):
    for unit in ("avx512_bf16", "amx_tile"):
        monkeypatch.delattr(torch.cpu, f"_is_{unit}_supported", raising=False)
    assert has_bfloat16("cpu") is False

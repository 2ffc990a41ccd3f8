"""Checkpoints as upstream writes them: from models of ours, and from the golden test's recipe."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from rag_lib.encoders.visualized_bge.model import BASE


def _upstream_checkpoint(model):
    """The state of `model` under the names of an official file, with the buffers that old files carry."""
    tensors = {f"visual_proj.{k}": v for k, v in model.visual_proj.state_dict().items()}
    tensors |= {f"bge_{k}": v for k, v in model.text_model.state_dict().items()}
    renamed = {
        "attn.q_proj.bias": "attn.q_bias", "attn.v_proj.bias": "attn.v_bias", "attn.norm": "attn.inner_attn_ln",
        "mlp.fc1_g": "mlp.w1", "mlp.fc1_x": "mlp.w2", "mlp.norm": "mlp.ffn_ln", "mlp.fc2": "mlp.w3",
    }  # fmt: skip
    for key, tensor in model.tower.state_dict().items():
        for ours, theirs in renamed.items():
            key = key.replace(ours, theirs)
        tensors[f"model_visual.visual.{key}"] = tensor
    width = model.tower.embed_dim
    return tensors | {
        "bge_embeddings.position_ids": torch.arange(512)[None],
        "bge_pooler.dense.weight": torch.zeros(model.dim, model.dim),
        "model_visual.logit_scale": torch.tensor(2.0),
        "model_visual.visual.norm.weight": torch.ones(width),
        "model_visual.visual.head.weight": torch.zeros(512, width),
        "model_visual.visual.rope.freqs_cos": torch.zeros(196, 64),
        "model_visual.visual.blocks.0.attn.rope.freqs_cos": torch.zeros(196, 64),
    }


@pytest.fixture(scope="session")
def upstream_checkpoint():
    return _upstream_checkpoint


@pytest.fixture(scope="session")
def recipe():
    """The module golden/recipe.py, which golden/make.py imports too: it is no test, so pytest does not find it."""
    spec = importlib.util.spec_from_file_location(
        "golden_recipe", Path(__file__).parent / "visualized_bge" / "golden" / "recipe.py"
    )
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small_config():
    """A model of the base edition's kind at 6 million parameters, with the vocabulary of the pocket's tokenizer."""
    sizes = dict(vocab_size=1200, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    return dataclasses.replace(BASE, tower="eva02_tiny_patch14_224", text_args=sizes)

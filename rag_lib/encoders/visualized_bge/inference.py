"""The Visualized BGE model for inference: the function of `VisualizedBGE` from fewer and larger steps.

In: a `VisualizedBGE` with its weights; out: an object with the same `image_tokens` and call. What makes it fast, none
of which changes the function: weights in the wanted precision once, and on CPUs in the layout of the matrix unit;
queries, keys and values from one product; activations, gates and residuals inside the products that make them; rotary
positions by halves; the last text layer for the CLS row alone, which is all that is read.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from rag_lib.encoders.visualized_bge.layers import Linear, Norm, TextLayer, TowerBlock, carried
from rag_lib.encoders.visualized_bge.model import VisualizedBGE

MICRO_BATCH = 16  # pictures at a time on a CPU: the activations of more leave its cache


class InferenceModel:
    """See the module's docstring; every method is what `VisualizedBGE` says of the one of that name."""

    def __init__(self, model: VisualizedBGE, *, device: str, dtype: torch.dtype):
        model = model.eval().to(device)
        tower, text = model.tower, model.text_model
        self.config, self.dim, self.n_patches = model.config, model.dim, model.n_patches
        self._positions = {composed: model.max_text_tokens(composed=composed) for composed in (False, True)}
        weights, dtype = dtype, carried(dtype)
        self.device, self.dtype = device, dtype
        patch_embed = copy.deepcopy(tower.patch_embed).requires_grad_(False)
        self.patch_embed = patch_embed.to(dtype, memory_format=torch.channels_last)  # as `normalize` leaves the pixels
        self.cls_token, self.pos_embed = tower.cls_token.detach().to(dtype), tower.pos_embed.detach().to(dtype)
        self.blocks = [TowerBlock(block, weights) for block in tower.blocks]
        self.tower_norm = Norm(tower.norm, dtype)
        self.rope = _rotations(tower, device, dtype)
        self.visual_proj = Linear(model.visual_proj, dtype=weights)
        embeddings = text.embeddings
        self.words = embeddings.word_embeddings.weight.detach().to(dtype)
        self.kinds = embeddings.token_type_embeddings.weight.detach().to(dtype)[0]
        self.positions = embeddings.position_embeddings.weight.detach().to(dtype)
        self.embeddings_norm = Norm(embeddings.LayerNorm, dtype)
        self.layers = [TextLayer(layer, weights) for layer in text.encoder.layer]
        # XLM-RoBERTa counts the positions of a text alone from its padding id + 1.
        self.first_position = text.config.pad_token_id + 1 if model.config.text == "xlm-roberta" else 0

    def compile(self) -> None:
        """Join the small steps of each layer by torch.compile. It takes a while once; worth it for long GPU jobs."""
        self.blocks = [torch.compile(block) for block in self.blocks]
        self.layers = [torch.compile(layer) for layer in self.layers]

    def max_text_tokens(self, *, composed: bool) -> int:
        return self._positions[composed]

    @torch.inference_mode()
    def image_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.to(self.device, self.dtype)
        return torch.cat([self._image_tokens(some) for some in self._portions(pixels)])

    @torch.inference_mode()
    def __call__(self, input_ids, attention_mask, image_tokens=None) -> torch.Tensor:
        padded = not attention_mask.all()  # asked before they are sent: a GPU's answer would have to be waited for
        inputs = [words.to(self.device, non_blocking=True) for words in (input_ids, attention_mask)]
        inputs += [] if image_tokens is None else [image_tokens]
        return torch.cat([self._embed(padded, *some) for some in zip(*map(self._portions, inputs), strict=True)])

    def _portions(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return rows.split(MICRO_BATCH) if self.device == "cpu" else (rows,)

    def _image_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(pixels)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x, self.rope)
        return self.tower_norm(x)[:, 1:]

    def _embed(self, padded: bool, input_ids, attention_mask, image_tokens=None) -> torch.Tensor:
        words = F.embedding(input_ids, self.words) + self.kinds
        positions = torch.arange(input_ids.shape[1], device=input_ids.device) + self.first_position
        if image_tokens is not None:
            n, patches = image_tokens.shape[:2]
            patch_rows = self.visual_proj(image_tokens.to(self.dtype))
            words = torch.cat([words[:, :1], patch_rows, words[:, 1:]], dim=1)
            seen = attention_mask.new_ones(n, patches)
            attention_mask = torch.cat([attention_mask[:, :1], seen, attention_mask[:, 1:]], dim=1)
            positions = torch.arange(words.shape[1], device=words.device)
        x = self.embeddings_norm(words + self.positions[positions])
        bias = None
        if padded:
            hidden = attention_mask[:, None, None] == 0
            bias = torch.zeros_like(hidden, dtype=self.dtype).masked_fill(hidden, torch.finfo(self.dtype).min)
        for layer in self.layers[:-1]:
            x = layer(x, bias)
        return F.normalize(self.layers[-1](x, bias, rows=1)[:, 0].float(), dim=-1)


def _rotations(tower: nn.Module, device: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor] | None:
    """(1 + N, d / 2) cosines and sines of the rotary positions, if any; the tower's CLS token is not turned."""
    if tower.rope is None:
        return None
    sin, cos = tower.rope.get_embed().float().chunk(2, dim=-1)
    sin, cos = sin[:, ::2].to(device), cos[:, ::2].to(device)
    return torch.cat([torch.ones_like(cos[:1]), cos]).to(dtype), torch.cat([torch.zeros_like(sin[:1]), sin]).to(dtype)

"""Layers for inference, made from those of timm and transformers: the same functions in fewer steps."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

# Up to this many keys plain products are faster than the CPU's fused kernel; beyond, their scores fill the memory.
MAX_PLAIN = 1024
ACTIVATIONS = {"none": lambda y: y, "gelu": F.gelu, "swish": F.silu}  # oneDNN's names
# Steps of int8 up to the largest number. Two products of them fit into the 16 bits in which processors without VNNI add
# them up, and so every processor gives the same.
WEIGHT_STEPS, ROW_STEPS = 63, 127


def carried(dtype: torch.dtype) -> torch.dtype:
    """What is computed in between the products: int8 is the precision of these alone."""
    return torch.float32 if dtype == torch.int8 else dtype


class Linear:
    """y = act(x W^T + b), then times or plus another tensor.

    `parts`: layers of one input, whose outputs are stacked; `scales`: a factor for each.
    """

    def __init__(self, *parts: nn.Linear, dtype: torch.dtype, scales: Sequence[float] = ()):
        scales = scales or [1.0] * len(parts)
        biases = [p.weight.new_zeros(len(p.weight)) if p.bias is None else p.bias for p in parts]
        weight = torch.cat([part.weight * scale for part, scale in zip(parts, scales, strict=True)])
        bias = torch.cat([bias * scale for bias, scale in zip(biases, scales, strict=True)])
        self.bias, self.quantized = bias.detach().to(carried(dtype)), dtype == torch.int8
        self.weight = Int8Weight(weight.detach()) if self.quantized else weight.detach().to(dtype)
        self.packed = weight.device.type == "cpu" and _can_pack(dtype)
        if self.packed:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(self.weight)

    def __call__(self, x: torch.Tensor, activation: str = "none", *, times=None, plus=None) -> torch.Tensor:
        other, step = (plus, "add") if times is None else (times, "mul")
        if self.packed:
            linear = torch.ops.mkldnn._linear_pointwise
            if other is None:
                return linear(x, self.weight, self.bias, activation, [], "none")
            return linear.binary(x, other, self.weight, self.bias, step)
        y = self.weight.linear(x, self.bias) if self.quantized else F.linear(x, self.weight, self.bias)
        y = ACTIVATIONS[activation](y)
        return y if other is None else y + other if step == "add" else y * other


def _can_pack(dtype: torch.dtype) -> bool:
    """Whether this CPU takes weights in oneDNN's layout, which torch's compiler uses too: faster than F.linear, and the
    next step is fused in.
    """
    if not torch.backends.mkldnn.is_available() or dtype not in (torch.float32, torch.bfloat16):
        return False
    return dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()


class Int8Weight:
    """(out, in) -> int8 with a scale for each output, in oneDNN's layout.

    Each row of `x` has its own scale too: one for all, as torch's dynamic quantization takes, would make a picture's
    vector depend on the others of its batch. The operation is the one that torch's compiler uses; `torch._int_mm`, the
    other, took twenty times as long without VNNI, and tensors of torch's quantized types are to be removed.
    """

    def __init__(self, weight: torch.Tensor):
        self.scales = weight.float().abs().amax(1).clamp(min=1e-12) / WEIGHT_STEPS
        self.zeros = torch.zeros(len(weight), dtype=torch.int32)
        steps = (weight / self.scales[:, None]).round().to(torch.int8)
        self.steps = torch.ops.onednn.qlinear_prepack(steps, None)

    def linear(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        largest = x.abs().amax(-1, keepdim=True).clamp(min=1e-12)
        steps = (x * (ROW_STEPS / largest)).round_().to(torch.int8)
        weight, plain = (self.steps, self.scales, self.zeros, None), (1.0, 0, torch.float32, "none", [], "")
        y = torch.ops.onednn.qlinear_pointwise(steps, 1 / ROW_STEPS, 0, *weight, *plain)
        return torch.addcmul(bias, y, largest)


class Norm:
    """LayerNorm, or nothing."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype):
        self.arguments = None
        if not isinstance(layer, nn.Identity):
            weight, bias = (part.detach().to(carried(dtype)) for part in (layer.weight, layer.bias))
            self.arguments = layer.normalized_shape, weight, bias, layer.eps

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, *self.arguments) if self.arguments else x


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """softmax(q k^T + bias) v, with q scaled already. Each (n, heads, length, d) -> (n, length of q, heads * d)."""
    n, heads, length, d = q.shape
    if q.device.type == "cpu" and k.shape[2] <= MAX_PLAIN:
        q, k, v = (x.reshape(n * heads, -1, d) for x in (q, k, v))
        scores = torch.bmm(q, k.transpose(1, 2))
        if bias is not None:
            scores = (scores.view(n, heads, length, -1) + bias).flatten(0, 1)
        mixed = torch.bmm(scores.softmax(-1), v).view(n, heads, length, d)
    else:
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)
    return mixed.transpose(1, 2).reshape(n, length, heads * d)


class TowerBlock:
    """A pre-norm EVA block (timm's `EvaBlock`): rotary attention and SwiGLU."""

    def __init__(self, block: nn.Module, dtype: torch.dtype):
        attn, mlp = block.attn, block.mlp
        self.heads = attn.num_heads
        q, k, v = (attn.q_proj, attn.k_proj, attn.v_proj) if attn.qkv is None else _split_qkv(attn)
        self.qkv = Linear(_halves(q, self.heads), _halves(k, self.heads), v, dtype=dtype, scales=(attn.scale, 1, 1))
        gate, value = (mlp.fc1_g, mlp.fc1_x) if hasattr(mlp, "fc1_g") else _split(mlp.fc1.weight, mlp.fc1.bias, 2)
        self.proj, self.gate, self.value, self.fc2 = (
            Linear(layer, dtype=dtype) for layer in (attn.proj, gate, value, mlp.fc2)
        )
        self.norm1, self.norm2 = Norm(block.norm1, dtype), Norm(block.norm2, dtype)
        self.attn_norm, self.mlp_norm = Norm(attn.norm, dtype), Norm(mlp.norm, dtype)

    def __call__(self, x: torch.Tensor, rotations: tuple[torch.Tensor, torch.Tensor] | None) -> torch.Tensor:
        """`x` (n, length, width); `rotations`: cosines and sines, each (length, d / 2)."""
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if rotations:
            q, k = _turn(q, *rotations), _turn(k, *rotations)
        x = self.proj(self.attn_norm(attention(q, k, v)), plus=x)
        y = self.norm2(x)
        return self.fc2(self.mlp_norm(self.value(y, times=self.gate(y, "swish"))), plus=x)


class TextLayer:
    """A post-norm layer of BERT or XLM-RoBERTa."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype):
        own, output = layer.attention.self, layer.attention.output
        self.heads = own.num_attention_heads
        scale = own.attention_head_size**-0.5
        self.q, self.kv = Linear(own.query, dtype=dtype, scales=(scale,)), Linear(own.key, own.value, dtype=dtype)
        self.proj, self.fc1, self.fc2 = (
            Linear(part, dtype=dtype) for part in (output.dense, layer.intermediate.dense, layer.output.dense)
        )
        self.norm1, self.norm2 = Norm(output.LayerNorm, dtype), Norm(layer.output.LayerNorm, dtype)

    def __call__(self, x: torch.Tensor, bias: torch.Tensor | None = None, *, rows: int | None = None) -> torch.Tensor:
        """(n, length, width) -> the same, or its first `rows` rows; `bias` (n, 1, 1, length) is added to the scores."""
        n, length, _ = x.shape
        k, v = self.kv(x).view(n, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        x = x[:, :rows].contiguous()
        q = self.q(x).view(n, x.shape[1], self.heads, -1).transpose(1, 2)
        x = self.norm1(self.proj(attention(q, k, v, bias), plus=x))
        return self.norm2(self.fc2(self.fc1(x, "gelu"), plus=x))


def _turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions (Su et al. 2021, arXiv 2104.09864, section 3.4.2) on rows that `_halves` has reordered."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def _layer(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(*reversed(weight.shape), device="meta")
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return layer


def _split(weight: torch.Tensor, bias: torch.Tensor, n: int) -> list[nn.Linear]:
    return [_layer(*pair) for pair in zip(weight.chunk(n), bias.chunk(n), strict=True)]


def _split_qkv(attn: nn.Module) -> list[nn.Linear]:
    return _split(attn.qkv.weight, torch.cat([attn.q_bias, attn.k_bias, attn.v_bias]), 3)


def _halves(layer: nn.Linear, heads: int) -> nn.Linear:
    """The same layer with the pairs that a rotary position turns, (0, 1), (2, 3), ..., moved into two halves a head.

    Queries and keys are moved alike, so their products stay what they are.
    """
    bias = torch.zeros_like(layer.weight[:, 0]) if layer.bias is None else layer.bias
    order = torch.arange(len(bias), device=bias.device).view(heads, -1, 2).transpose(1, 2).flatten()
    return _layer(layer.weight[order], bias[order])

"""The network that has seen photographs: EfficientNet-Lite0, trained by its authors on the 1,000 classes of ImageNet.

In: squares of pixels; out: what it reads of them, and how their surfaces are made. Tan and Le 2019 (arXiv 1905.11946);
"Lite" leaves out squeeze-and-excitation and swish. Nothing here is trained further.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn

from rag_lib.images import open_image

SIZE = 224  # pixels
MARGIN = 0.1  # of the longer edge, added in white: cut-outs, as shops show things, are seen as a whole
CLASSES = 1000
SURFACE_STAGES = (2, 4)  # whose channels say how a surface is made: 40 and 112 of them
SURFACES = 2 * (40 + 112)  # the mean and the deviation of every channel


class Seen(NamedTuple):
    """`logits`: (n, 1000), the classes of ImageNet. `surfaces`: (n, 304), channels of two early stages, pooled."""

    logits: torch.Tensor
    surfaces: torch.Tensor


class Tower(nn.Module):
    """(n, 3, S, S) float32 pixels between -1 and 1 -> `Seen`."""

    def __init__(self):
        super().__init__()
        import timm

        self.net = timm.create_model("tf_efficientnet_lite0", pretrained=False)

    def forward(self, pixels: torch.Tensor) -> Seen:
        net, pooled = self.net, []
        x = net.bn1(net.conv_stem(pixels))
        for number, stage in enumerate(net.blocks):
            x = stage(x)
            if number in SURFACE_STAGES:
                pooled += [x.mean((2, 3)), x.std((2, 3))]
        x = net.bn2(net.conv_head(x)).mean((2, 3))
        return Seen(net.classifier(x), torch.cat(pooled, dim=1))


def load_tower(tensors: Mapping[str, torch.Tensor], device: str, dtype: torch.dtype) -> Tower:
    """`tensors`: the network's own, under timm's names, in any float type."""
    tower = Tower()
    tower.net.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=False)
    return tower.eval().requires_grad_(False).to(device, dtype, memory_format=torch.channels_last)


def read_whole(source) -> np.ndarray:
    """A path or PIL image -> (S, S, 3) uint8 RGB: the whole picture, on a white square with a margin.

    Raises ImageError as `open_image` does.
    """
    picture = open_image(source, short_edge=SIZE)
    scale = SIZE / (1 + MARGIN) / max(picture.size)
    size = tuple(max(1, round(edge * scale)) for edge in picture.size)
    square = Image.new("RGB", (SIZE, SIZE), "white")
    square.paste(picture.resize(size, Image.Resampling.BICUBIC), tuple((SIZE - edge) // 2 for edge in size))
    return np.array(square)


def to_pixels(squares: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(n, S, S, 3) uint8 RGB -> (n, 3, S, S) between -1 and 1, as the network was trained."""
    pixels = squares.permute(0, 3, 1, 2).to(dtype) / 127.5 - 1
    return pixels.contiguous(memory_format=torch.channels_last)

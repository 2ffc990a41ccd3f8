"""Pictures to tensors, as CLIP prepares them: short edge resized (bicubic, antialiased), center crop, normalized.

The same steps as torchvision's Resize, CenterCrop, ToTensor, Normalize, which upstream uses, on PIL alone.
"""

import numpy as np
import torch
from PIL import Image

from rag_lib.images import open_image

PREPROCESS_VERSION = 2  # part of an encoder's fingerprint: raise it when the pixels that a model sees change
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def crop_square(image: Image.Image, size: int) -> Image.Image:
    """The center square of an RGB picture, `size` pixels on edge, after its short edge was resized to `size`."""
    width, height = image.size
    if width <= height:
        width, height = size, int(size * height / width)
    else:
        width, height = int(size * width / height), size
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.crop((left, top, left + size, top + size))


def normalize(squares: torch.Tensor) -> torch.Tensor:
    """(n, S, S, 3) uint8 RGB -> (n, 3, S, S) float32 with CLIP's mean and deviation, on the device of `squares`."""
    mean, std = (torch.tensor(rows, device=squares.device).view(3, 1, 1) for rows in (CLIP_MEAN, CLIP_STD))
    return (squares.permute(0, 3, 1, 2).float() / 255 - mean) / std


def read_square(source, size: int) -> np.ndarray:
    """A path or PIL image -> (size, size, 3) uint8 RGB. Raises ImageError as `open_image` does."""
    return np.array(crop_square(open_image(source, short_edge=size), size))

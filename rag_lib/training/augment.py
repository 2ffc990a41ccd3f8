"""What users do to pictures, done to the pictures of a batch.

In: (n, S, S, 3) uint8 RGB and a random generator; out: (n, 3, S, S) float32, normalized as the encoder does it.
"""

import cv2
import numpy as np
import torch

from rag_lib.encoders.preprocess import normalize

ZOOM = (0.8, 1.35)  # from a border around the whole picture to a crop of its middle
SHARE = 0.12  # of the pictures are blurred, as many are grainy, as many coarse


def augment(images: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Mirrored, zoomed, shifted, relit; some blurred, grainy or coarsely compressed."""
    zooms = np.exp(rng.uniform(*np.log(ZOOM), len(images)))
    out = np.stack([_spoil(_move(image, zoom, rng), rng) for image, zoom in zip(images, zooms, strict=True)])
    gain = torch.from_numpy(rng.uniform(0.9, 1.1, (len(images), 1, 1, 1)).astype(np.float32))
    return normalize(torch.from_numpy(out)) * gain


def mirror(images: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Half of them mirrored, nothing else."""
    turned = rng.random(len(images)) < 0.5
    return normalize(torch.from_numpy(np.where(turned[:, None, None, None], images[:, :, ::-1], images)))


def _move(image: np.ndarray, zoom: float, rng: np.random.Generator) -> np.ndarray:
    """Zoomed about the middle, shifted, perhaps mirrored; the border is the edge's colors or a grey."""
    size = len(image)
    room = abs(size * zoom - size) / 2 + 4
    left, top = rng.uniform(-room, room, 2) + size * (1 - zoom) / 2
    sign = -1 if rng.random() < 0.5 else 1
    matrix = np.array([[sign * zoom, 0, left if sign > 0 else size - 1 - left], [0, zoom, top]], np.float32)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.7 else cv2.BORDER_CONSTANT
    grey = [int(rng.integers(256))] * 3
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=grey)


def _spoil(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    dice = rng.random()
    if dice < SHARE:
        return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.3))
    if dice < 2 * SHARE:
        grain = rng.normal(0, rng.uniform(4, 20), picture.shape)
        return np.clip(picture + grain, 0, 255).astype(np.uint8)
    if dice < 3 * SHARE:
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(10, 60))])[1]
        return cv2.imdecode(coded, cv2.IMREAD_COLOR)  # in both directions red and blue are exchanged
    return picture

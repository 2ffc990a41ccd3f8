"""Whole pictures of products: silhouette and motif, posed, lit, and set before a background.

In: a category, a look (theme, color) and a random generator. Out: (size, size, 3) uint8 RGB.
"""

import cv2
import numpy as np

from rag_lib.drawn.drawing import appliances, desk, gadgets, kitchen
from rag_lib.drawn.drawing.backgrounds import lay_down, room
from rag_lib.drawn.drawing.canvas import Canvas
from rag_lib.drawn.drawing.palette import CATEGORIES, check_name
from rag_lib.drawn.drawing.textures import texture

_LARGEST = 448  # working resolution, pixels: twice the size, but not more than this

# how a category is drawn; whether it stands on a table or lies seen from above; period of the motif
_PRODUCTS = {
    "phone case": (gadgets.phone_case, False, 0.15),
    "power bank": (gadgets.power_bank, False, 0.17),
    "earbuds": (gadgets.earbuds, False, 0.15),
    "smartwatch": (gadgets.smartwatch, False, 0.118),
    "headphones": (gadgets.headphones, True, 0.115),
    "laptop": (desk.laptop, True, 0.155),
    "tablet": (gadgets.tablet, False, 0.122),
    "camera": (gadgets.camera, True, 0.155),
    "speaker": (gadgets.speaker, True, 0.15),
    "television": (desk.television, True, 0.125),
    "keyboard": (desk.keyboard, False, 0.16),
    "mouse": (desk.mouse, False, 0.17),
    "game controller": (desk.game_controller, False, 0.14),
    "refrigerator": (kitchen.refrigerator, True, 0.17),
    "washing machine": (appliances.washing_machine, True, 0.16),
    "microwave": (kitchen.microwave, True, 0.15),
    "toaster": (kitchen.toaster, True, 0.17),
    "kettle": (kitchen.kettle, True, 0.17),
    "blender": (kitchen.blender, True, 0.132),
    "vacuum cleaner": (appliances.vacuum_cleaner, True, 0.15),
    "fan": (appliances.fan, True, 0.122),
    "lamp": (appliances.lamp, True, 0.16),
    "iron": (appliances.iron, True, 0.16),
    "hair dryer": (appliances.hair_dryer, False, 0.15),
}
assert tuple(_PRODUCTS) == CATEGORIES  # a name that is missing here would be found only when it is drawn


def working_side(size: int) -> int:
    """The resolution at which a picture of `size` pixels is drawn before it is reduced."""
    return min(2 * size, max(_LARGEST, size))


def draw_product(rng: np.random.Generator, category: str, theme: str, color: str, size: int = 320) -> np.ndarray:
    """Draw one product picture, (size, size, 3) uint8 RGB; the product is never cropped by the frame.

    Raises RagError for a category, theme or color that is not in `palette`.
    """
    check_name("category", category, CATEGORIES)
    silhouette, stands, period = _PRODUCTS[category]
    side = working_side(size)
    pixels, base = texture(rng, theme, color, side, period=period)
    canvas = Canvas(pixels, base)
    silhouette(canvas, rng)
    product = pose(rng, canvas, size, tilt=4.0 if stands else 11.0, reach=(0.76, 0.9), stands=stands)
    back = room(rng, size, base, table=stands and rng.random() < 0.75)
    return lay_down(rng, product, back, stands=stands)


def pose(
    rng: np.random.Generator,
    canvas: Canvas,
    size: int,
    *,
    tilt: float,
    reach: tuple[float, float],
    stands: bool,
    bust: bool = False,
) -> np.ndarray:
    """Turn, mirror and skew a drawing a little and fit it into the frame: (size, size, 4) uint8, premultiplied.

    `tilt`: deviation of the rotation, degrees. `reach`: what part of the frame the longer side takes.
    `stands`: on the ground, in the lower half of the frame; else anywhere.
    `bust`: the lower edge of the frame cuts it, as in a portrait.
    """
    layer = cv2.merge([canvas.rgb, canvas.alpha])
    x, y, width, height = cv2.boundingRect(canvas.alpha)
    corners = np.float32([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    mirror, angle = rng.random() < 0.35, np.radians(np.clip(rng.normal(0, tilt), -2 * tilt, 2 * tilt))
    skew = rng.normal(0, 0.022, (4, 2)).clip(-0.05, 0.05) * max(width, height)
    place = rng.uniform(-0.7, 0.7, 2)
    if stands:
        place[1] = rng.uniform(0.5, 0.95)
    target = (corners - corners.mean(0)) * np.float32([-1 if mirror else 1, 1]) + skew
    cos, sin = np.cos(angle), np.sin(angle)
    target = target @ np.array([[cos, sin], [-sin, cos]])
    low, high = target.min(0), target.max(0)
    target = (target - (low + high) / 2) * (rng.uniform(*reach) * canvas.side / (high - low).max())
    free = canvas.side * 0.96 - (target.max(0) - target.min(0))
    target += canvas.side / 2 + place * np.maximum(free, 0) / 2
    if bust:
        target[:, 1] += canvas.side * 1.04 - target[2:, 1].min()
    warp = cv2.getPerspectiveTransform(corners, target.astype(np.float32))
    layer = cv2.warpPerspective(layer, warp, (canvas.side, canvas.side), flags=cv2.INTER_LINEAR)
    return cv2.resize(layer, (size, size), interpolation=cv2.INTER_AREA)

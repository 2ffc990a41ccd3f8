"""A square to draw on in unit coordinates: filled and shaded outlines, strokes, and the theme as one of the colors.

In: outlines of `shapes` (0..1, y down). Out: a picture with transparency (premultiplied RGB and alpha, uint8),
anti-aliased, at whatever working resolution: lengths are parts of the side, so a drawing keeps its proportions.
"""

from functools import lru_cache

import cv2
import numpy as np

SUBPIXEL = 4  # fractional bits of the coordinates that OpenCV gets: edges at a sixteenth of a pixel
DARK = (44, 46, 52)
METAL = ((206, 210, 216), (136, 141, 150))
LIGHT = ((246, 246, 246), (208, 211, 215))
SCREEN = ((74, 98, 140), (24, 30, 52))
GLASS = ((222, 234, 242), (168, 190, 206))


def to_pixels(shape: np.ndarray, side: int, x0: int = 0, y0: int = 0) -> np.ndarray:
    """Unit coordinates to OpenCV's fixed-point pixels, seen from the corner (x0, y0)."""
    scaled = (shape * side - np.float32([x0, y0])) * (1 << SUBPIXEL)
    return np.rint(scaled).astype(np.int32)


@lru_cache(maxsize=64)
def _shade(kind: str, height: int, width: int) -> np.ndarray:
    """The light on a part as a factor, (height, width, 1) float32 between about 0.75 and 1.12."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    flat = np.zeros((height, width), np.float32)
    light = {
        "none": flat + 1,
        "flat": 1.04 - 0.07 * y - 0.04 * x,
        "round": 1.08 - 0.20 * (x + 0.3) ** 2 - 0.02 * y,
        "tube": 1.09 - 0.20 * (y + 0.35) ** 2 - 0.02 * x,
        "ball": 1.12 - 0.16 * ((x + 0.35) ** 2 + (y + 0.4) ** 2),
        "under": flat + 0.72,
    }[kind]
    return np.broadcast_to(light, (height, width))[..., None].astype(np.float32)


class Canvas:
    """`texture`: (side, side, 3) float32, what `fill=None` paints. `base`: its dominant RGB, for outlines."""

    def __init__(self, texture: np.ndarray, base: np.ndarray):
        self.side = texture.shape[0]
        self.texture = texture
        self.base = np.asarray(base, np.float32)
        self.edge = tuple(float(v) for v in self.base * 0.42 + 4)
        self.rgb = np.zeros((self.side, self.side, 3), np.uint8)
        self.alpha = np.zeros((self.side, self.side), np.uint8)

    def fill(self, shape, color=None, shade: str = "none", opacity: float = 1.0, edge: float = 0.0) -> None:
        """Paint the inside of `shape` (an outline, or several whose overlaps are holes).

        `color`: None for the theme, an RGB, or a pair of RGB for a gradient from top to bottom.
        `edge`: width of a darker contour.
        """
        parts = shape if isinstance(shape, list) else [shape]
        low = np.min([part.min(0) for part in parts], 0)
        high = np.max([part.max(0) for part in parts], 0)
        x0, y0 = (max(0, int(v * self.side) - 2) for v in low)
        x1, y1 = (min(self.side, int(v * self.side) + 3) for v in high)
        if x1 <= x0 or y1 <= y0:
            return
        height, width = y1 - y0, x1 - x0
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [to_pixels(part, self.side, x0, y0) for part in parts], 255, cv2.LINE_AA, SUBPIXEL)
        if color is None:
            paint = self.texture[y0:y1, x0:x1]
        elif np.ndim(color) == 2:
            down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
            top, bottom = np.float32(color)
            paint = top * (1 - down) + bottom * down
        else:
            paint = np.float32(color)[None, None]
        if shade != "none":
            paint = np.minimum(paint * _shade(shade, height, width), 255)
        cover = mask.astype(np.float32) * np.float32(opacity / 255)
        under = self.rgb[y0:y1, x0:x1].astype(np.float32)
        under += (paint - under) * cover[..., None]
        self.rgb[y0:y1, x0:x1] = np.rint(under).astype(np.uint8)
        if opacity >= 1:
            seen = self.alpha[y0:y1, x0:x1]
            np.maximum(seen, mask, out=seen)
        else:  # glass: what lies behind shows through
            seen = self.alpha[y0:y1, x0:x1].astype(np.float32)
            self.alpha[y0:y1, x0:x1] = np.rint(seen + (255 - seen) * cover).astype(np.uint8)
        if edge:
            contour = self.edge if color is None else tuple(float(v) for v in np.mean(np.atleast_2d(color), 0) * 0.5)
            for part in parts:
                self.stroke(part, contour, edge, closed=True)

    def surface(self, shape, shade: str = "flat", edge: float = 0.009) -> None:
        """Paint a part of the product that carries the theme, with a dark contour."""
        self.fill(shape, None, shade, edge=edge)

    def stroke(self, line: np.ndarray, color, width: float, closed: bool = False) -> None:
        """Draw along a line; `width` as a part of the side."""
        thick = max(1, round(width * self.side))
        at = [to_pixels(line, self.side)]
        color = tuple(float(v) for v in color)
        cv2.polylines(self.rgb, at, closed, color, thick, cv2.LINE_AA, SUBPIXEL)
        cv2.polylines(self.alpha, at, closed, 255, thick, cv2.LINE_AA, SUBPIXEL)

    def tube(self, line: np.ndarray, color, width: float) -> None:
        """A round bar or cable: dark contour, body, highlight along the upper left side."""
        color = np.asarray(color, np.float32)
        self.stroke(line, color * 0.5, width + 0.014)
        self.stroke(line, color, width)
        if width > 0.018:
            shine = np.minimum(color * 1.15 + 28, 255)
            self.stroke(line - np.float32([width * 0.18, width * 0.18]), shine, width * 0.22)

    def band(self, line: np.ndarray, width: float, shade: str = "flat") -> None:
        """A broad open line painted with the theme, round at its ends."""
        thick = max(1, round(width * self.side))
        mask = np.zeros((self.side, self.side), np.uint8)
        cv2.polylines(mask, [to_pixels(line, self.side)], False, 255, thick, cv2.LINE_AA, SUBPIXEL)
        self.stroke(line, self.edge, width + 0.018)
        x, y, width_, height = cv2.boundingRect(mask)
        part = np.s_[y : y + height, x : x + width_]
        cover = mask[part].astype(np.float32)[..., None] / 255
        under = self.rgb[part].astype(np.float32)
        paint = np.minimum(self.texture[part] * _shade(shade, height, width_), 255)
        self.rgb[part] = np.rint(under + (paint - under) * cover).astype(np.uint8)

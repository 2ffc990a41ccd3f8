"""Views that fill the whole frame: savanna, meadow, night sky, sea, walls, floors, cloth and close-ups.

Every function takes (rng, theme, color, side) and returns (side, side, 3) uint8 RGB.
"""

import cv2
import numpy as np

from rag_lib.drawn.drawing.canvas import to_pixels
from rag_lib.drawn.drawing.fields import grid, noise, place, print_shapes, turned_grid
from rag_lib.drawn.drawing.palette import COLORS, ink_for, vary
from rag_lib.drawn.drawing.shapes import DISC, FLOWER, oval, points, smooth
from rag_lib.drawn.drawing.textures import texture


def _uint8(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def sky(side: int, top, bottom, horizon: float = 0.65) -> np.ndarray:
    """A gradient from the upper edge to the horizon, (side, side, 3) uint8."""
    down = np.clip(np.linspace(0, 1 / horizon, side, dtype=np.float32), 0, 1)[:, None, None]
    image = np.float32(top) * (1 - down) + np.float32(bottom) * down
    return _uint8(np.broadcast_to(image, (side, side, 3)))


def ridge(rng: np.random.Generator, height: float, roughness: float) -> np.ndarray:
    """The outline of hills that reach from edge to edge, filled down to the lower edge."""
    tops = [(x, height + rng.normal(0, roughness)) for x in np.linspace(-0.1, 1.1, 7)]
    return np.concatenate([smooth(*tops, closed=False), points((1.1, 1.1), (-0.1, 1.1))])


def clouds(rng: np.random.Generator, image: np.ndarray, count: int) -> None:
    """Small white clouds, drawn into `image`."""
    for _ in range(count):
        x, y, s = rng.uniform(0.1, 0.9), rng.uniform(0.06, 0.26), rng.uniform(0.03, 0.05)
        for dx, dy, r in ((-1.1, 0.2, 0.7), (0, 0, 1), (1.1, 0.2, 0.75)):
            print_shapes(image, [oval(x + dx * s, y + dy * s, r * s * 1.3, r * s * 0.8)], (250, 250, 252))


def savanna(rng, side: int) -> np.ndarray:
    """Dry grass under a wide sky, with a sun and an acacia."""
    skies = (((120, 186, 232), (228, 240, 240)), ((246, 170, 104), (255, 232, 178)), ((150, 200, 226), (252, 236, 202)))
    image = sky(side, *skies[rng.integers(3)])
    print_shapes(image, [oval(rng.uniform(0.12, 0.88), rng.uniform(0.1, 0.28), 0.075)], (255, 244, 196))
    print_shapes(image, [ridge(rng, 0.55, 0.02)], vary(rng, (150, 168, 132), 8))
    x, y = rng.uniform(0.08, 0.3) if rng.random() < 0.5 else rng.uniform(0.7, 0.92), 0.6
    trunk = points((x - 0.012, y), (x - 0.02, y - 0.18), (x + 0.02, y - 0.18), (x + 0.014, y))
    print_shapes(image, [trunk], (92, 66, 46))
    for dx, dy, rx in ((0, -0.2, 0.15), (-0.06, -0.235, 0.09), (0.07, -0.24, 0.08)):
        print_shapes(image, [oval(x + dx, y + dy, rx, 0.032)], vary(rng, (92, 122, 66), 8))
    print_shapes(image, [ridge(rng, 0.61, 0.008)], vary(rng, (222, 190, 112), 8))
    _tufts(rng, image, 0.66, 46, (186, 148, 76))
    return image


def _tufts(rng, image: np.ndarray, top: float, count: int, rgb) -> None:
    """Blades of grass, larger towards the viewer."""
    blades = []
    for y in np.sort(rng.uniform(top, 1.0, count)):
        x, height = rng.uniform(0, 1), (0.015 + 0.07 * (y - top) / (1 - top)) * rng.uniform(0.7, 1.2)
        for lean in (-0.5, 0.0, 0.5):
            tip = x + lean * height
            blades.append(points((x - 0.004, y), (tip, y - height), (x + 0.004, y)))
    for part in (0, 1, 2):
        print_shapes(image, blades[part::3], vary(rng, rgb, 12))


def meadow(rng, side: int) -> np.ndarray:
    """A green meadow before hills, under a clear sky."""
    image = sky(side, (134, 194, 238), (236, 244, 246))
    clouds(rng, image, 2)
    print_shapes(image, [ridge(rng, 0.56, 0.03)], vary(rng, (140, 180, 134), 8))
    print_shapes(image, [ridge(rng, 0.64, 0.012)], vary(rng, (112, 164, 86), 8))
    _tufts(rng, image, 0.7, 40, (84, 138, 64))
    return image


def flower_field(rng, theme: str, color: str, side: int) -> np.ndarray:
    """A meadow full of flowers of the color, down to large ones in front."""
    horizon = rng.uniform(0.24, 0.38)
    image = sky(side, (122, 184, 236), (226, 240, 246), horizon)
    clouds(rng, image, 2)
    print_shapes(image, [ridge(rng, horizon, 0.025)], (124, 170, 120))
    print_shapes(image, [ridge(rng, horizon + 0.07, 0.012)], vary(rng, (88, 150, 70), 6))
    _tufts(rng, image, horizon + 0.1, 40, (70, 130, 58))
    petals = vary(rng, COLORS[color], 8)
    heart = (246, 196, 50) if color not in ("yellow", "orange") else (120, 72, 30)
    for y in np.sort(rng.uniform(horizon + 0.05, 1.02, int(rng.integers(64, 90)))):
        near = (y - horizon) / (1 - horizon)
        size, x = (0.012 + 0.075 * near) * rng.uniform(0.85, 1.15), rng.uniform(-0.02, 1.02)
        stem = points(
            (x - 0.06 * size, y),
            (x + 0.06 * size, y),
            (x + 0.1 * size, y + 2.6 * size),
            (x - 0.1 * size, y + 2.6 * size),
        )
        print_shapes(image, [stem], (48, 104, 48))
        flower = place(FLOWER * np.float32([1, 0.86]), np.float32([x, y]), size, rng.uniform(0, 360))
        print_shapes(image, [place(FLOWER * 1.1, np.float32([x, y + 0.06 * size]), size, 20)], petals * 0.62)
        print_shapes(image, [flower], petals * rng.uniform(0.9, 1.06) if color != "white" else petals)
        print_shapes(image, [place(DISC, np.float32([x, y]), 0.3 * size)], heart)
    return image


def night_sky(rng, theme: str, color: str, side: int) -> np.ndarray:
    """The Milky Way over dark hills with firs, and a moon."""
    image = _uint8(texture(rng, "galaxy", color, side, period=rng.uniform(0.14, 0.2))[0])
    if rng.random() < 0.6:
        x, y, r = rng.uniform(0.15, 0.85), rng.uniform(0.12, 0.3), rng.uniform(0.05, 0.085)
        print_shapes(image, [oval(x, y, r)], (250, 244, 220))
        print_shapes(image, [oval(x - 0.3 * r, y + 0.2 * r, 0.2 * r)], (226, 216, 190))
        print_shapes(image, [oval(x + 0.35 * r, y - 0.25 * r, 0.14 * r)], (226, 216, 190))
    print_shapes(image, [ridge(rng, 0.76, 0.05)], (38, 32, 66))
    hills = ridge(rng, 0.87, 0.025)
    print_shapes(image, [hills], (16, 16, 30))
    for x in rng.uniform(0, 1, 7):
        y, h = float(np.interp(x, hills[:-2, 0], hills[:-2, 1])) + 0.02, rng.uniform(0.06, 0.13)
        for k in range(3):
            top = y - h + k * h * 0.25
            print_shapes(
                image, [points((x, top), (x + h * 0.2, top + h * 0.42), (x - h * 0.2, top + h * 0.42))], (12, 12, 24)
            )
    return image


def starry_sky(rng, theme: str, color: str, side: int) -> np.ndarray:
    """Large paper stars before a sky of the color, over hills."""
    image = _uint8(texture(rng, "stars", color, side, period=rng.uniform(0.18, 0.26))[0])
    base = np.float32(COLORS[color])
    print_shapes(image, [ridge(rng, 0.84, 0.03)], base * 0.6 + 6)
    print_shapes(image, [ridge(rng, 0.92, 0.02)], base * 0.4 + 6)
    return image


def sea(rng, theme: str, color: str, side: int) -> np.ndarray:
    """Rows of rolling waves with foam on their crests, before a pale sky."""
    image = sky(side, (206, 228, 242), (250, 244, 232), 0.4)
    print_shapes(image, [oval(rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.2), 0.08)], (255, 240, 190))
    base, foam = vary(rng, COLORS[color]), ink_for(rng, color)
    rows, top = int(rng.integers(5, 7)), rng.uniform(0.22, 0.34)
    x = np.linspace(-0.02, 1.02, 120)
    for row in range(rows):
        y = top + (1 - top) * row / rows
        long, high = rng.uniform(0.24, 0.32), rng.uniform(0.026, 0.036)
        crest = y + high * np.sin(2 * np.pi * (x / long + rng.uniform(0, 1)))
        for lift, rgb in ((0.0, foam), (0.034, base * (0.86 if row % 2 else 1.0))):
            line = np.stack([x, crest + lift], 1)
            print_shapes(
                image, [np.concatenate([line, [[1.02, 1.1], [-0.02, 1.1]]]).astype(np.float32)], np.clip(rgb, 0, 255)
            )
    return image


def closeup(rng, theme: str, color: str, side: int) -> np.ndarray:
    """Nothing but the surface, at another scale, often seen aslant."""
    image, _ = texture(rng, theme, color, side, period=rng.uniform(0.15, 0.27))
    if rng.random() < 0.5:
        corners = np.float32([[0, 0], [1, 0], [1, 1], [0, 1]]) * side
        out = (
            rng.uniform(0.02, 0.3, (4, 2)).astype(np.float32) * np.float32([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * side
        )
        image = cv2.warpPerspective(
            image, cv2.getPerspectiveTransform(corners, corners + out), (side, side), borderMode=cv2.BORDER_REFLECT
        )
    along, _ = turned_grid(side, rng.uniform(0, 360))
    middle = along[side // 2, side // 2]
    return _uint8(image * (1 + np.float32(rng.uniform(0, 0.3)) * (along - middle))[..., None])


def fabric(rng, theme: str, color: str, side: int) -> np.ndarray:
    """Cloth in soft folds."""
    image, _ = texture(rng, theme, color, side, period=rng.uniform(0.15, 0.22))
    along, across = turned_grid(side, rng.uniform(15, 75) * rng.choice([-1, 1]))
    phase = along * np.float32(rng.uniform(2.2, 3.6)) + np.float32(0.28) * noise(rng, side, 0.6, 1)
    fold = np.sin(phase * np.float32(2 * np.pi))
    x, y = grid(side)
    bend = np.float32(0.003 * side) * np.cos(phase * np.float32(2 * np.pi))
    image = cv2.remap(image, x * side + bend, y * side + bend, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return _uint8(image * (0.94 + 0.14 * fold)[..., None])


def wall(rng, theme: str, color: str, side: int) -> np.ndarray:
    """A wall of the material behind a pavement or a meadow."""
    image = _uint8(texture(rng, theme, color, side, period=rng.uniform(0.15, 0.22))[0])
    foot = rng.uniform(0.78, 0.88)
    if rng.random() < 0.5:
        print_shapes(image, [points((-0.1, foot), (1.1, foot), (1.1, 1.1), (-0.1, 1.1))], vary(rng, (178, 176, 172), 8))
        print_shapes(
            image, [points((-0.1, foot), (1.1, foot), (1.1, foot + 0.02), (-0.1, foot + 0.02))], (126, 124, 122)
        )
    else:
        print_shapes(image, [ridge(rng, foot, 0.01)], vary(rng, (104, 152, 78), 8))
        _tufts(rng, image, foot + 0.02, 60, (70, 124, 56))
    return image


def floor(rng, theme: str, color: str, side: int) -> np.ndarray:
    """A floor of the material that runs away from us to a pale wall."""
    image, _ = texture(rng, theme, color, side, period=rng.uniform(0.15, 0.2))
    horizon = rng.uniform(0.2, 0.34)
    source = np.float32([[0, 0], [1, 0], [1, 1], [0, 1]]) * side
    target = np.float32([[0.02, horizon], [0.98, horizon], [1.45, 1.02], [-0.45, 1.02]]) * side
    warp = cv2.getPerspectiveTransform(source, target)
    image = cv2.warpPerspective(image, warp, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    image = _uint8(image)
    tone = vary(rng, (226, 222, 214), 10)
    print_shapes(image, [points((-0.1, -0.1), (1.1, -0.1), (1.1, horizon), (-0.1, horizon))], tone)
    print_shapes(
        image, [points((-0.1, horizon - 0.035), (1.1, horizon - 0.035), (1.1, horizon), (-0.1, horizon))], tone * 0.86
    )
    return image


def pennants(rng, theme: str, color: str, side: int) -> np.ndarray:
    """Two strings of pennants before a summer sky."""
    image = sky(side, (150, 204, 240), (238, 244, 246), 1.0)
    clouds(rng, image, 2)
    pattern, base = texture(rng, theme, color, side, period=0.13)
    for top in (rng.uniform(0.08, 0.16), rng.uniform(0.5, 0.56)):
        cord = smooth(
            (-0.05, top), (0.25, top + 0.06), (0.5, top + 0.08), (0.75, top + 0.06), (1.05, top), closed=False
        )
        mask = np.zeros((side, side), np.uint8)
        for k in range(4):
            x0, x1 = 0.03 + 0.24 * k, 0.03 + 0.24 * k + 0.22
            y0, y1 = (float(np.interp(x, cord[:, 0], cord[:, 1])) for x in (x0, x1))
            cloth = points((x0, y0), (x1, y1), ((x0 + x1) / 2, max(y0, y1) + 0.3))
            print_shapes(mask, [cloth], (255,))
            cv2.polylines(
                image, [to_pixels(cloth, side)], True, tuple(float(v) for v in base * 0.4), side // 50, cv2.LINE_AA, 4
            )
        cover = mask.astype(np.float32)[..., None] / 255
        image = _uint8(image * (1 - cover) + pattern * cover)
        cv2.polylines(image, [to_pixels(cord, side)], False, (96, 90, 88), max(1, side // 70), cv2.LINE_AA, 4)
    return image

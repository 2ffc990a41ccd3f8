"""Outlines on the unit square (x to the right, y down): every function returns an (n, 2) float32 array of points."""

import numpy as np


def points(*xy: tuple[float, float]) -> np.ndarray:
    """A polygon or a line from its corners."""
    return np.array(xy, np.float32)


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.03) -> np.ndarray:
    """A rectangle with round corners."""
    radius = max(1e-4, min(radius, (x1 - x0) / 2, (y1 - y0) / 2))
    turn = np.linspace(0, np.pi / 2, 7)
    dx, dy = np.cos(turn) * radius, np.sin(turn) * radius
    corners = (
        (x1 - radius + dx, y1 - radius + dy),
        (x0 + radius - dy, y1 - radius + dx),
        (x0 + radius - dx, y0 + radius - dy),
        (x1 - radius + dy, y0 + radius - dx),
    )
    return np.concatenate([np.stack(corner, 1) for corner in corners]).astype(np.float32)


def oval(x: float, y: float, rx: float, ry: float | None = None, tilt: float = 0.0, n: int = 40) -> np.ndarray:
    """An ellipse around (x, y); `tilt` in degrees, clockwise."""
    return arc(x, y, rx, ry, 0, 360 - 360 / n, tilt, n)


def arc(
    x: float,
    y: float,
    rx: float,
    ry: float | None = None,
    start: float = 0.0,
    end: float = 180.0,
    tilt: float = 0.0,
    n: int = 32,
) -> np.ndarray:
    """Part of an ellipse, an open line; angles in degrees, clockwise from the right."""
    ry = rx if ry is None else ry
    turn = np.radians(np.linspace(start, end, n))
    across, down = rx * np.cos(turn), ry * np.sin(turn)
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    return np.stack([x + across * cos - down * sin, y + across * sin + down * cos], 1).astype(np.float32)


def smooth(*xy: tuple[float, float], closed: bool = True, steps: int = 8) -> np.ndarray:
    """A soft curve through the given points (Catmull-Rom)."""
    p = np.array(xy, np.float64)
    if closed:
        before, after, after2 = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    else:
        padded = np.concatenate([p[:1], p, p[-1:]])
        before, p, after, after2 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (q[:, None, :] for q in (before, p, after, after2))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    curve = curve.reshape(-1, 2)
    if not closed:
        curve = np.concatenate([curve, after[-1:]])
    return curve.astype(np.float32)


def turned(shape: np.ndarray, degrees: float, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """`shape` turned clockwise around (x, y)."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    at = shape - np.float32([x, y])
    return (at @ np.float32([[cos, sin], [-sin, cos]]) + np.float32([x, y])).astype(np.float32)


def mirrored(shape: np.ndarray, x: float = 0.5) -> np.ndarray:
    """`shape` seen in a mirror that stands at x."""
    return np.float32([2 * x, 0]) + shape * np.float32([-1, 1])


_turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
_spoke = np.arange(10) * np.pi / 5
_HEART = np.stack(
    [
        16 * np.sin(_turn) ** 3,
        -(13 * np.cos(_turn) - 5 * np.cos(2 * _turn) - 2 * np.cos(3 * _turn) - np.cos(4 * _turn)) - 2,
    ],
    1,
)
HEART = (_HEART / 16).astype(np.float32)  # unit shapes around the origin, to be scaled and moved
STAR = (np.where(np.arange(10) % 2, 0.44, 1.1)[:, None] * np.stack([np.sin(_spoke), -np.cos(_spoke)], 1)).astype(
    np.float32
)
DISC = np.stack([np.cos(_turn), np.sin(_turn)], 1).astype(np.float32)
FLOWER = (DISC * (0.52 + 0.5 * np.abs(np.cos(2.5 * _turn)) ** 0.75)[:, None]).astype(np.float32)

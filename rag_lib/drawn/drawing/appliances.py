"""Silhouettes of household machines: functions that draw one product on a Canvas, upright, theme parts kept large."""

import numpy as np

from rag_lib.drawn.drawing.canvas import DARK, LIGHT, METAL, Canvas
from rag_lib.drawn.drawing.gadgets import WHITE, gloss
from rag_lib.drawn.drawing.shapes import arc, box, oval, points, smooth, turned

SOOT = ((84, 87, 94), (42, 44, 50))


def feet(c: Canvas, xs: tuple[float, ...], y: float) -> None:
    for x in xs:
        c.fill(box(x - 0.045, y, x + 0.045, y + 0.05, 0.012), SOOT)


def knob(c: Canvas, rng, x: float, y: float, r: float) -> None:
    """A dial with a pointer."""
    c.fill(oval(x, y, r), LIGHT, edge=0.008)
    turn = rng.uniform(0, 2 * np.pi)
    c.stroke(np.float32([[x, y], [x + r * 0.75 * np.cos(turn), y + r * 0.75 * np.sin(turn)]]), DARK, 0.012)


def bar(c: Canvas, x0: float, y0: float, x1: float, y1: float) -> None:
    """A metal handle."""
    c.fill(box(x0, y0, x1, y1, 0.02), METAL, edge=0.007)


def washing_machine(c: Canvas, rng) -> None:
    feet(c, (0.2, 0.8), 0.94)
    c.surface(box(0.1, 0.03, 0.9, 0.96, 0.045), "flat", 0.013)
    c.fill(box(0.1, 0.03, 0.9, 0.175, 0.045), LIGHT, edge=0.009)
    c.fill(box(0.15, 0.065, 0.36, 0.14, 0.015), (214, 218, 224), edge=0.006)
    c.fill(box(0.42, 0.07, 0.58, 0.135, 0.012), ((40, 52, 66), (20, 26, 36)))
    c.stroke(points((0.445, 0.103), (0.5, 0.103)), (130, 240, 180), 0.014)
    knob(c, rng, 0.69, 0.102, 0.046)
    for k in range(2):
        c.fill(oval(0.79 + 0.05 * k, 0.102, 0.014), (150, 156, 166))
    x, y = 0.5, 0.57
    c.fill(oval(x, y, 0.265), METAL, edge=0.011)
    c.fill(oval(x, y, 0.205), ((66, 72, 84), (26, 30, 38)))
    water = y + rng.uniform(0.0, 0.06)
    c.fill(
        np.concatenate(
            [
                smooth(
                    (x - 0.19, water),
                    (x - 0.06, water - 0.02),
                    (x + 0.06, water + 0.02),
                    (x + 0.19, water),
                    closed=False,
                ),
                arc(x, y, 0.195, 0.195, 10, 170),
            ]
        ),
        ((170, 208, 228), (104, 150, 184)),
        opacity=0.85,
    )
    for _ in range(4):
        c.fill(oval(x + rng.uniform(-0.1, 0.1), water + rng.uniform(0.03, 0.1), 0.016), WHITE, opacity=0.55)
    gloss(c, smooth((0.36, 0.5), (0.42, 0.42), (0.53, 0.395), (0.44, 0.45), (0.39, 0.53)), 0.45)
    bar(c, 0.745, 0.53, 0.785, 0.62)


def vacuum_cleaner(c: Canvas, rng) -> None:
    hose = smooth((0.62, 0.5), (0.6, 0.3), (0.5, 0.12), (0.36, 0.06), (0.26, 0.12), closed=False)
    c.tube(hose, (92, 95, 102), 0.042)
    c.tube(points((0.27, 0.09), (0.1, 0.86)), (186, 190, 198), 0.034)
    c.tube(points((0.275, 0.07), (0.245, 0.21)), (70, 72, 78), 0.05)
    c.surface(smooth((0.0, 0.93), (0.03, 0.84), (0.13, 0.81), (0.24, 0.84), (0.27, 0.93), (0.13, 0.95)))
    c.tube(smooth((0.5, 0.5), (0.58, 0.36), (0.76, 0.36), (0.84, 0.5), closed=False), (64, 66, 72), 0.05)
    body = smooth(
        (0.3, 0.72), (0.36, 0.55), (0.52, 0.455), (0.72, 0.44), (0.9, 0.53), (0.985, 0.7), (0.95, 0.86), (0.8, 0.9),
        (0.45, 0.9), (0.32, 0.85),
    )  # fmt: skip
    c.surface(body, "ball", 0.014)
    for x, r in ((0.45, 0.085), (0.83, 0.115)):
        c.fill(oval(x, 0.98 - r, r), SOOT, edge=0.008)
        c.fill(oval(x, 0.98 - r, r * 0.45), METAL, edge=0.006)
    gloss(c, smooth((0.4, 0.6), (0.52, 0.51), (0.66, 0.48), (0.54, 0.55), (0.44, 0.66)), 0.35)


def fan(c: Canvas, rng) -> None:
    c.surface(points((0.455, 0.66), (0.545, 0.66), (0.565, 0.9), (0.435, 0.9)), "round", 0.011)
    c.surface(smooth((0.2, 0.95), (0.26, 0.88), (0.5, 0.86), (0.74, 0.88), (0.8, 0.95), (0.5, 0.98)), "flat", 0.012)
    x, y, r = 0.5, 0.37, 0.355
    c.fill(oval(x, y, r), (236, 240, 244), opacity=0.35)
    blades, start = int(rng.integers(3, 5)), rng.uniform(0, 120)
    wide = 1.25 if blades == 3 else 1.0
    for k in range(blades):
        blade = smooth((0.03, 0.02), (0.12, -0.12 * wide), (0.25, -0.16 * wide), (0.325, -0.05), (0.305, 0.1 * wide),
                       (0.16, 0.09 * wide))  # fmt: skip
        c.surface(turned(blade, start + 360 * k / blades) + np.float32([x, y]), "flat", 0.01)
    for ring, width in ((r, 0.026), (r * 0.66, 0.009)):
        c.stroke(oval(x, y, ring), (150, 154, 162), width, True)
    for k in range(12):
        turn = np.pi * k / 6
        ray = np.float32([[np.cos(turn), np.sin(turn)]]) * np.float32([[0.07], [r]]) + np.float32([x, y])
        c.stroke(ray, (164, 168, 176), 0.007)
    c.fill(oval(x, y, 0.075), METAL, edge=0.008)
    c.fill(oval(x - 0.02, y - 0.025, 0.02), WHITE, opacity=0.8)
    c.fill(oval(0.5, 0.925, 0.02), LIGHT, edge=0.006)


def lamp(c: Canvas, rng) -> None:
    narrow = rng.uniform(0.19, 0.27)
    c.fill(smooth((0.455, 0.55), (0.545, 0.55), (0.535, 0.66), (0.6, 0.76), (0.56, 0.87), (0.44, 0.87), (0.4, 0.76),
                  (0.465, 0.66)), METAL, "round", edge=0.009)  # fmt: skip
    c.fill(
        smooth((0.28, 0.955), (0.34, 0.89), (0.5, 0.87), (0.66, 0.89), (0.72, 0.955), (0.5, 0.975)), METAL, edge=0.009
    )
    c.tube(points((0.67, 0.55), (0.67, 0.68)), (196, 176, 120), 0.01)
    c.fill(oval(0.67, 0.695, 0.018), (214, 186, 110), edge=0.006)
    c.fill(oval(0.5, 0.575, 0.31, 0.04), (255, 238, 186), edge=0.008)
    shade = points((0.5 - narrow, 0.04), (0.5 + narrow, 0.04), (0.9, 0.57), (0.1, 0.57))
    c.surface(shade, "round", 0.014)
    for y, half in ((0.052, narrow), (0.556, 0.39)):
        c.stroke(points((0.5 - half, y), (0.5 + half, y)), np.minimum(c.base * 0.7, 255), 0.016)


def iron(c: Canvas, rng) -> None:
    c.tube(smooth((0.88, 0.36), (0.97, 0.3), (0.95, 0.16), (1.0, 0.08), closed=False), (66, 68, 74), 0.026)
    c.fill(smooth((0.0, 0.84), (0.06, 0.79), (0.5, 0.785), (0.96, 0.79), (0.985, 0.84), (0.97, 0.87), (0.5, 0.875),
                  (0.03, 0.87)), METAL, edge=0.009)  # fmt: skip
    c.tube(smooth((0.36, 0.5), (0.33, 0.34), (0.42, 0.24), (0.66, 0.2), (0.86, 0.22), (0.9, 0.34), (0.88, 0.5),
                  closed=False), (62, 64, 70), 0.085)  # fmt: skip
    body = smooth(
        (0.015, 0.8), (0.06, 0.71), (0.2, 0.56), (0.4, 0.455), (0.68, 0.425), (0.9, 0.43), (0.955, 0.56),
        (0.975, 0.795), (0.5, 0.805),
    )  # fmt: skip
    c.surface(body, "flat", 0.014)
    knob(c, rng, 0.56, 0.475, 0.05)
    c.fill(oval(0.27, 0.55, 0.03, 0.022, -30), (140, 200, 240), edge=0.006)
    gloss(c, smooth((0.12, 0.7), (0.24, 0.59), (0.36, 0.53), (0.27, 0.62), (0.17, 0.73)), 0.35)


def hair_dryer(c: Canvas, rng) -> None:
    c.tube(smooth((0.63, 0.9), (0.64, 0.98), (0.78, 0.985), (0.92, 0.95), closed=False), (66, 68, 74), 0.03)
    handle = smooth((0.49, 0.46), (0.74, 0.44), (0.735, 0.66), (0.705, 0.92), (0.62, 0.95), (0.55, 0.92), (0.53, 0.7))
    c.surface(handle, "round", 0.013)
    c.fill(box(0.575, 0.6, 0.645, 0.74, 0.025), SOOT, edge=0.006)
    c.fill(
        box(0.59, 0.615 + 0.05 * int(rng.integers(2)), 0.63, 0.67 + 0.05 * int(rng.integers(2)), 0.012), (236, 96, 84)
    )
    c.fill(smooth((0.0, 0.2), (0.04, 0.17), (0.12, 0.19), (0.12, 0.47), (0.04, 0.49), (0.0, 0.46)), SOOT, edge=0.008)
    barrel = smooth(
        (0.09, 0.19), (0.3, 0.15), (0.52, 0.07), (0.76, 0.06), (0.93, 0.16), (0.985, 0.325), (0.93, 0.49), (0.76, 0.59),
        (0.52, 0.58), (0.3, 0.51), (0.09, 0.47),
    )  # fmt: skip
    c.surface(barrel, "tube", 0.014)
    c.fill(oval(0.8, 0.325, 0.1, 0.15), METAL, edge=0.008)
    for k in range(4):
        c.stroke(points((0.745 + 0.037 * k, 0.235), (0.745 + 0.037 * k, 0.415)), (60, 62, 68), 0.012)
    gloss(c, smooth((0.2, 0.23), (0.4, 0.17), (0.58, 0.12), (0.44, 0.19), (0.26, 0.255)), 0.35)

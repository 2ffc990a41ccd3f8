"""Silhouettes of what stands around a desk or a sofa: laptop, television, keyboard, mouse, game controller."""

import numpy as np

from rag_lib.drawn.drawing.canvas import DARK, LIGHT, METAL, SCREEN, Canvas
from rag_lib.drawn.drawing.gadgets import WHITE, gloss
from rag_lib.drawn.drawing.shapes import arc, box, mirrored, oval, points, smooth


def laptop(c: Canvas, rng) -> None:
    """The lid seen from behind, or open towards us with the theme around the screen and on the deck."""
    if rng.random() < 0.6:
        c.fill(points((0.08, 0.71), (0.92, 0.71), (1.0, 0.86), (0.0, 0.86)), METAL, edge=0.008)
        c.fill(box(0.0, 0.86, 1.0, 0.895, 0.015), (118, 122, 130))
        c.surface(points((0.12, 0.1), (0.88, 0.1), (0.93, 0.72), (0.07, 0.72)), "flat", 0.013)
        c.fill(oval(0.5, 0.4, 0.055), LIGHT, edge=0.007)
        c.fill(oval(0.5, 0.4, 0.026), (168, 172, 180))
        gloss(c, points((0.62, 0.11), (0.72, 0.11), (0.5, 0.71), (0.38, 0.71)), 0.1)
        return
    c.surface(box(0.1, 0.06, 0.9, 0.57, 0.035), "flat", 0.012)
    c.fill(box(0.215, 0.15, 0.785, 0.49, 0.015), SCREEN, edge=0.012)
    for k in range(5):
        c.fill(
            box(0.25, 0.2 + 0.05 * k, 0.25 + (0.3, 0.2, 0.36, 0.26, 0.15)[k], 0.22 + 0.05 * k, 0.01), (206, 214, 228)
        )
    gloss(c, points((0.215, 0.15), (0.42, 0.15), (0.3, 0.49), (0.215, 0.49)), 0.1)
    c.surface(points((0.1, 0.57), (0.9, 0.57), (1.0, 0.93), (0.0, 0.93)), "flat", 0.012)
    c.fill(points((0.2, 0.605), (0.8, 0.605), (0.845, 0.74), (0.155, 0.74)), (50, 52, 60))
    for row in range(3):
        y, wide = 0.62 + 0.04 * row, 0.295 + 0.015 * row
        for k in range(10):
            x = 0.5 - wide + 2 * wide * k / 10
            c.fill(box(x + 0.006, y, x + wide / 5 - 0.006, y + 0.028, 0.006), (92, 96, 106))
    c.fill(points((0.41, 0.785), (0.59, 0.785), (0.605, 0.89), (0.395, 0.89)), METAL, edge=0.006)


def television(c: Canvas, rng) -> None:
    """A retro set: antennas, legs, a bright tube, and a broad case that carries the theme."""
    for side in (0, 1):
        rod, knob = points((0.5, 0.2), (0.28, 0.025)), oval(0.28, 0.025, 0.02)
        leg = points((0.16, 0.8), (0.25, 0.8), (0.18, 0.98), (0.13, 0.98))
        rod, knob, leg = (mirrored(part) if side else part for part in (rod, knob, leg))
        c.tube(rod, (150, 154, 162), 0.014)
        c.fill(knob, METAL, edge=0.006)
        c.fill(leg, ((150, 104, 62), (104, 68, 40)), edge=0.007)
    c.fill(arc(0.5, 0.2, 0.08, 0.05, 180, 360), DARK)
    c.surface(box(0.03, 0.19, 0.97, 0.85, 0.07), "flat", 0.013)
    tube = smooth(
        (0.17, 0.33), (0.5, 0.3), (0.83, 0.33), (0.855, 0.5), (0.83, 0.665), (0.5, 0.69), (0.17, 0.665), (0.145, 0.5)
    )
    c.fill((tube - 0.5) * np.float32([1.07, 1.1]) + 0.5, ((66, 68, 76), (30, 32, 38)))
    c.fill(tube, ((172, 206, 226), (70, 104, 146)))
    hills = smooth((0.16, 0.62), (0.32, 0.5), (0.5, 0.6), (0.68, 0.47), (0.84, 0.6), (0.82, 0.66), (0.5, 0.685),
                   (0.18, 0.66))  # fmt: skip
    c.fill(hills, (52, 76, 108), opacity=0.75)
    c.fill(oval(0.7, 0.4, 0.04), (255, 250, 224), opacity=0.9)
    gloss(c, smooth((0.19, 0.36), (0.34, 0.335), (0.46, 0.335), (0.34, 0.37), (0.23, 0.45), (0.19, 0.5)), 0.4)
    for k in range(2):
        c.fill(oval(0.74 + 0.1 * k, 0.77, 0.036), LIGHT, edge=0.008)
        c.stroke(points((0.74 + 0.1 * k, 0.77), (0.755 + 0.1 * k, 0.75)), DARK, 0.01)
    for k in range(4):
        c.stroke(points((0.14 + 0.045 * k, 0.75), (0.14 + 0.045 * k, 0.79)), DARK, 0.012)


def keyboard(c: Canvas, rng) -> None:
    """The motif runs over all keycaps; dark gaps part them."""
    top, bottom = 0.24, 0.78
    if rng.random() < 0.5:
        c.tube(smooth((0.5, 0.27), (0.5, 0.16), (0.58, 0.1), (0.72, 0.12), closed=False), (60, 62, 68), 0.022)
    c.fill(box(0.0, top + 0.03, 1.0, bottom + 0.03, 0.05), c.base * 0.35)
    c.surface(box(0.0, top, 1.0, bottom, 0.05), "under", 0.012)
    rows = (1,) * 10, (1.5, *(1,) * 8, 0.5), (1,) * 10, (1.3, 1.2, 5, 1.2, 1.3)
    for row, widths in enumerate(rows):
        x, y = 0.04, top + 0.035 + row * 0.12
        for width in widths:
            x1 = x + 0.092 * width
            key = box(x + 0.003, y, x1 - 0.003, y + 0.112, 0.018)
            c.fill(key, None, edge=0.004)
            c.stroke(points((x + 0.02, y + 0.013), (x1 - 0.02, y + 0.013)), np.minimum(c.base * 1.08 + 30, 255), 0.004)
            x = x1
    c.fill(oval(0.955, top + 0.018, 0.009), (130, 240, 150))


def mouse(c: Canvas, rng) -> None:
    if rng.random() < 0.55:
        tail = smooth((0.5, 0.16), (0.49, 0.07), (0.56, 0.02), (0.72, 0.04), closed=False)
        c.tube(tail, (70, 72, 78), 0.026)
    body = smooth(
        (0.5, 0.1), (0.68, 0.15), (0.77, 0.34), (0.79, 0.6), (0.72, 0.85), (0.5, 0.96), (0.28, 0.85), (0.21, 0.6),
        (0.23, 0.34), (0.32, 0.15),
    )  # fmt: skip
    c.surface(body, "ball", 0.014)
    c.stroke(points((0.5, 0.11), (0.5, 0.44)), c.base * 0.35, 0.011)
    c.stroke(
        smooth((0.22, 0.42), (0.36, 0.46), (0.5, 0.445), (0.64, 0.46), (0.78, 0.42), closed=False), c.base * 0.35, 0.011
    )
    c.fill(box(0.455, 0.19, 0.545, 0.37, 0.045), ((84, 87, 94), (34, 36, 42)), edge=0.007)
    for y in (0.24, 0.28, 0.32):
        c.stroke(points((0.47, y), (0.53, y)), (150, 153, 160), 0.009)
    gloss(c, smooth((0.28, 0.3), (0.33, 0.2), (0.4, 0.17), (0.36, 0.25), (0.31, 0.38)), 0.3)


def game_controller(c: Canvas, rng) -> None:
    for side in (0, 1):
        shoulder = box(0.16, 0.2, 0.38, 0.32, 0.05)
        c.fill(mirrored(shoulder) if side else shoulder, ((92, 95, 102), (50, 52, 58)), edge=0.008)
    body = smooth(
        (0.5, 0.25), (0.72, 0.235), (0.86, 0.31), (0.95, 0.55), (0.985, 0.8), (0.9, 0.87), (0.78, 0.77), (0.67, 0.66),
        (0.5, 0.645), (0.33, 0.66), (0.22, 0.77), (0.1, 0.87), (0.015, 0.8), (0.05, 0.55), (0.14, 0.31), (0.28, 0.235),
    )  # fmt: skip
    c.surface(body, "flat", 0.014)
    cross = points((0.19, 0.37), (0.24, 0.37), (0.24, 0.42), (0.29, 0.42), (0.29, 0.47), (0.24, 0.47), (0.24, 0.52),
                   (0.19, 0.52), (0.19, 0.47), (0.14, 0.47), (0.14, 0.42), (0.19, 0.42))  # fmt: skip
    c.fill(cross, ((80, 83, 90), (42, 44, 50)), edge=0.007)
    buttons = ((0.785, 0.365), (0.785, 0.525), (0.71, 0.445), (0.86, 0.445))
    tints = ((126, 206, 150), (120, 160, 236), (236, 130, 160), (240, 190, 110))
    for (x, y), tint in zip(buttons, tints, strict=True):
        c.fill(oval(x, y, 0.036), DARK)
        c.fill(oval(x, y, 0.025), tint)
    for x in (0.37, 0.63):
        c.fill(oval(x, 0.565, 0.072), ((40, 42, 48), (90, 93, 100)), edge=0.007)
        c.fill(oval(x, 0.557, 0.05), ((96, 99, 106), (46, 48, 54)))
    c.fill(oval(0.5, 0.38, 0.036), WHITE, edge=0.007)
    for x in (0.41, 0.56):
        c.fill(box(x, 0.36, x + 0.03, 0.385, 0.01), DARK)
    gloss(c, smooth((0.2, 0.285), (0.34, 0.262), (0.66, 0.262), (0.78, 0.28), (0.5, 0.285)), 0.3)

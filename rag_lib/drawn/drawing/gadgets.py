"""Silhouettes of things for the hand, the ear and the desk: functions that draw one product on a Canvas.

Every function draws the product upright, about as large as the canvas; pose, light and background come later. The
parts that carry the theme (`Canvas.surface`) are kept large, so that the motif can be read.
"""

import numpy as np

from rag_lib.drawn.drawing.canvas import DARK, GLASS, LIGHT, METAL, SCREEN, Canvas
from rag_lib.drawn.drawing.shapes import arc, box, mirrored, oval, points, smooth, turned

WHITE = (250, 250, 250)


def lens(c: Canvas, x: float, y: float, r: float) -> None:
    """A small camera lens."""
    c.fill(oval(x, y, r), ((24, 26, 32), (58, 62, 74)))
    c.fill(oval(x, y, r * 0.68), ((56, 74, 120), (18, 22, 40)))
    c.fill(oval(x - r * 0.24, y - r * 0.26, r * 0.2), WHITE, opacity=0.9)


def gloss(c: Canvas, shape: np.ndarray, strength: float = 0.2) -> None:
    """A reflection of a window on a smooth part."""
    c.fill(shape, WHITE, opacity=strength)


def phone_case(c: Canvas, rng) -> None:
    half = rng.uniform(0.235, 0.265)
    left, right = 0.5 - half, 0.5 + half
    for y0, y1 in ((0.24, 0.31), (0.34, 0.45)):
        c.fill(box(right - 0.01, y0, right + 0.016, y1, 0.01), c.base * 0.55)
    c.surface(box(left, 0.04, right, 0.96, 0.085), edge=0.012)
    c.stroke(box(left + 0.014, 0.054, right - 0.014, 0.946, 0.075), np.minimum(c.base * 1.15 + 35, 255), 0.005, True)
    kind = rng.integers(3)
    if kind == 0:
        c.fill(box(left + 0.035, 0.075, left + 0.235, 0.275, 0.055), ((70, 73, 80), (36, 38, 44)))
        for x, y in ((0.085, 0.13), (0.085, 0.222), (0.175, 0.176)):
            lens(c, left + x, y, 0.038)
        c.fill(oval(left + 0.19, 0.108, 0.014), (255, 246, 214))
    elif kind == 1:
        c.fill(box(left + 0.035, 0.075, left + 0.135, 0.325, 0.05), ((70, 73, 80), (36, 38, 44)))
        for y in (0.128, 0.2, 0.272):
            lens(c, left + 0.085, y, 0.034)
    else:
        c.fill(box(0.5 - 0.14, 0.08, 0.5 + 0.14, 0.19, 0.055), ((70, 73, 80), (36, 38, 44)))
        for x in (0.42, 0.51):
            lens(c, x, 0.135, 0.037)
        c.fill(oval(0.59, 0.135, 0.016), (255, 246, 214))
    gloss(c, points((right - 0.14, 0.05), (right - 0.07, 0.05), (left + 0.14, 0.95), (left + 0.05, 0.95)), 0.09)


def power_bank(c: Canvas, rng) -> None:
    half = rng.uniform(0.25, 0.29)
    top, bottom = 0.5 - half, 0.5 + half
    if rng.random() < 0.6:
        loop = smooth((0.93, 0.44), (1.0, 0.46), (0.99, 0.86), (0.8, 0.93), (0.6, 0.9), closed=False)
        c.tube(loop, (235, 236, 238) if rng.random() < 0.5 else (70, 72, 78), 0.022)
        c.fill(box(0.5, 0.87, 0.62, 0.93, 0.012), METAL)
    c.fill(box(0.06, top, 0.955, bottom, 0.07), ((84, 87, 94), (48, 50, 56)))
    c.surface(box(0.04, top, 0.9, bottom, 0.07), edge=0.012)
    c.fill(box(0.915, 0.38, 0.945, 0.47, 0.006), (16, 16, 20))
    c.fill(box(0.915, 0.53, 0.945, 0.62, 0.006), (16, 16, 20))
    panel = box(0.09, bottom - 0.115, 0.37, bottom - 0.04, 0.035)
    c.fill(panel, ((60, 62, 68), (38, 40, 46)))
    charge = rng.integers(2, 5)
    for k in range(4):
        c.fill(oval(0.13 + 0.048 * k, bottom - 0.078, 0.014), (130, 235, 150) if k < charge else (96, 98, 104))
    bolt = points((0.33, 0.0), (0.305, 0.04), (0.325, 0.04), (0.312, 0.07), (0.345, 0.025), (0.325, 0.025))
    c.fill(bolt + np.float32([0.008, bottom - 0.113]), WHITE)
    gloss(c, box(0.09, top + 0.025, 0.85, top + 0.055, 0.02), 0.28)


def earbuds(c: Canvas, rng) -> None:
    lift = rng.uniform(-0.015, 0.02)
    for side in (0, 1):
        bud = smooth((0.22, 0.12), (0.34, 0.03), (0.45, 0.1), (0.45, 0.24), (0.42, 0.43), (0.335, 0.43), (0.3, 0.27))
        tip = oval(0.215, 0.185, 0.045, 0.07, 20)
        bud, tip = turned(bud, 7, 0.35, 0.3) + np.float32([-0.02, lift]), tip + np.float32([0, lift])
        grille = oval(0.375, 0.15, 0.03, 0.045, 15) + np.float32([0, lift])
        bud, tip, grille = (mirrored(part) if side else part for part in (bud, tip, grille))
        c.fill(tip, ((120, 122, 128), (62, 64, 70)))
        c.surface(bud, "round")
        c.fill(grille, DARK)
    c.surface(box(0.12, 0.47, 0.88, 0.97, 0.19), "flat", 0.012)
    c.stroke(smooth((0.125, 0.63), (0.5, 0.645), (0.875, 0.63), closed=False), c.base * 0.4, 0.012)
    gloss(c, smooth((0.18, 0.56), (0.3, 0.5), (0.7, 0.5), (0.8, 0.54), (0.6, 0.535), (0.3, 0.54)), 0.35)
    c.fill(oval(0.5, 0.71, 0.018), (150, 240, 160), edge=0.006)


def smartwatch(c: Canvas, rng) -> None:
    for flip in (0, 1):
        strap = points((0.31, 0.0), (0.69, 0.0), (0.735, 0.34), (0.265, 0.34))
        if flip:
            strap = np.float32([0, 1]) + strap * np.float32([1, -1])
        c.surface(strap, "round", 0.011)
    for k in range(3):
        c.fill(oval(0.5, 0.86 + 0.045 * k, 0.012), c.base * 0.3)
    c.fill(box(0.75, 0.44, 0.8, 0.54, 0.015), METAL, edge=0.006)
    round_case = rng.random() < 0.5
    case = oval(0.5, 0.5, 0.255) if round_case else box(0.245, 0.27, 0.755, 0.73, 0.11)
    face = oval(0.5, 0.5, 0.21) if round_case else box(0.285, 0.31, 0.715, 0.69, 0.085)
    c.fill(case, METAL, edge=0.008)
    c.fill(face, ((42, 48, 66), (14, 16, 24)))
    if rng.random() < 0.6:
        for k in range(12):
            turn = np.pi * k / 6
            at = np.float32([np.sin(turn), -np.cos(turn)])
            c.stroke(np.stack([at * 0.16, at * 0.185]) + 0.5, (210, 214, 220), 0.009)
        minute, hour = rng.uniform(0, 6.28, 2)
        for turn, length, width in ((minute, 0.145, 0.014), (hour, 0.095, 0.02)):
            hand = np.float32([[0, 0], [np.sin(turn) * length, -np.cos(turn) * length]]) + 0.5
            c.stroke(hand, WHITE, width)
        c.fill(oval(0.5, 0.5, 0.02), (236, 96, 84))
    else:
        for r, rgb in ((0.15, (240, 96, 110)), (0.11, (150, 230, 110)), (0.07, (110, 200, 240))):
            c.stroke(arc(0.5, 0.5, r, r, -90, -90 + rng.uniform(150, 340)), rgb, 0.026)
    gloss(c, points((0.33, 0.36), (0.46, 0.33), (0.4, 0.5), (0.32, 0.52)), 0.14)


def headphones(c: Canvas, rng) -> None:
    c.tube(arc(0.5, 0.5, 0.33, 0.38, 180, 360), DARK, 0.05)
    c.band(arc(0.5, 0.47, 0.36, 0.385, 184, 356), 0.115)
    for side in (0, 1):
        pad, cup = oval(0.27, 0.7, 0.105, 0.215), oval(0.165, 0.7, 0.155, 0.235)
        disc, logo = oval(0.155, 0.7, 0.105, 0.175), oval(0.155, 0.7, 0.035, 0.055)
        pad, cup, disc, logo = (mirrored(part) if side else part for part in (pad, cup, disc, logo))
        c.fill(pad, ((84, 86, 92), (40, 42, 48)), edge=0.008)
        c.surface(cup, "ball", 0.011)
        c.stroke(disc, c.base * 0.5, 0.007, True)
        c.fill(logo, METAL)
    gloss(c, smooth((0.08, 0.56), (0.14, 0.5), (0.2, 0.5), (0.13, 0.56), (0.08, 0.66)), 0.3)


def camera(c: Canvas, rng) -> None:
    c.fill(box(0.12, 0.185, 0.25, 0.26, 0.02), METAL, edge=0.007)
    c.fill(box(0.74, 0.2, 0.84, 0.26, 0.015), ((90, 92, 98), (50, 52, 58)), edge=0.006)
    c.surface(points((0.34, 0.3), (0.4, 0.12), (0.62, 0.12), (0.68, 0.3)), "flat", 0.011)
    c.surface(box(0.03, 0.24, 0.97, 0.86, 0.07), "flat", 0.012)
    c.fill(box(0.44, 0.145, 0.58, 0.2, 0.012), ((255, 252, 236), (214, 216, 222)), edge=0.006)
    x, y = 0.51, 0.55
    c.fill(oval(x, y, 0.225), METAL, edge=0.009)
    c.fill(oval(x, y, 0.195), ((64, 66, 74), (28, 30, 36)))
    c.fill(oval(x, y, 0.14), ((20, 22, 30), (70, 76, 96)))
    c.fill(oval(x, y, 0.1), ((70, 100, 170), (24, 26, 60)))
    c.fill(oval(x, y, 0.05), (12, 12, 22))
    c.fill(oval(x - 0.055, y - 0.06, 0.032, 0.024, -40), WHITE, opacity=0.9)
    c.fill(oval(x + 0.05, y + 0.055, 0.014), WHITE, opacity=0.6)
    c.fill(oval(0.85, 0.34, 0.026), (232, 70, 60), edge=0.005)


def speaker(c: Canvas, rng) -> None:
    half = rng.uniform(0.29, 0.33)
    for x in (0.5 - half + 0.07, 0.5 + half - 0.07):
        c.fill(box(x - 0.045, 0.93, x + 0.045, 0.985, 0.01), DARK)
    c.surface(box(0.5 - half, 0.03, 0.5 + half, 0.95, 0.05), "round", 0.012)
    for y, r in ((0.645, 0.205), (0.245, 0.115)):
        c.fill(oval(0.5, y, r), METAL, edge=0.008)
        c.fill(oval(0.5, y, r * 0.86), ((32, 34, 40), (76, 79, 88)))
        c.fill(oval(0.5, y, r * 0.62), ((80, 83, 92), (38, 40, 46)))
        c.fill(oval(0.5, y, r * 0.28), ((150, 153, 160), (58, 60, 68)))
        c.fill(oval(0.5 - r * 0.1, y - r * 0.12, r * 0.07), WHITE, opacity=0.8)
    c.fill(oval(0.5 + half - 0.06, 0.09, 0.014), (120, 230, 150))


def tablet(c: Canvas, rng) -> None:
    """In a sleeve of the theme: a broad frame with the screen, or the back with its camera."""
    half = rng.uniform(0.34, 0.37)
    left, right = 0.5 - half, 0.5 + half
    c.surface(box(left, 0.03, right, 0.97, 0.055), "flat", 0.012)
    if rng.random() < 0.72:
        inner = box(left + 0.135, 0.15, right - 0.135, 0.83, 0.02)
        c.fill(box(left + 0.118, 0.133, right - 0.118, 0.847, 0.03), (22, 23, 28))
        c.fill(inner, SCREEN)
        if rng.random() < 0.6:
            for k in range(9):
                x, y = 0.5 + (k % 3 - 1) * 0.135, 0.27 + (k // 3) * 0.135
                tint = ((240, 240, 244), (160, 170, 190), (206, 212, 224))[(k * 2 + k // 3) % 3]
                c.fill(box(x - 0.043, y - 0.043, x + 0.043, y + 0.043, 0.018), tint)
            c.fill(box(left + 0.18, 0.72, right - 0.18, 0.79, 0.02), WHITE, opacity=0.35)
        else:
            c.fill(points((left + 0.14, 0.62), (0.44, 0.46), (0.56, 0.58), (right - 0.14, 0.5), (right - 0.14, 0.83),
                          (left + 0.14, 0.83)), (120, 140, 178), opacity=0.6)  # fmt: skip
            c.fill(oval(right - 0.24, 0.27, 0.05), (252, 244, 220), opacity=0.9)
        gloss(c, points((left + 0.14, 0.15), (0.52, 0.15), (left + 0.2, 0.83), (left + 0.14, 0.83)), 0.1)
        c.fill(oval(0.5, 0.91, 0.026), LIGHT, edge=0.006)
        c.fill(oval(0.5, 0.085, 0.012), (24, 26, 34))
    else:
        c.fill(box(left + 0.05, 0.075, left + 0.15, 0.175, 0.035), ((70, 73, 80), (36, 38, 44)))
        lens(c, left + 0.1, 0.125, 0.035)
        c.stroke(points((0.5, 0.05), (0.5, 0.95)), c.base * 0.55, 0.008)
        c.fill(box(right - 0.06, 0.12, right - 0.035, 0.6, 0.012), GLASS, edge=0.006)

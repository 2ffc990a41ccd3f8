"""Things that carry a theme and are no products of the catalog: umbrella, vase, shirt, flag, ball, kite, pillow, …"""

import numpy as np

from rag_lib.drawn.drawing.canvas import METAL, Canvas
from rag_lib.drawn.drawing.gadgets import WHITE, gloss
from rag_lib.drawn.drawing.shapes import HEART, arc, box, mirrored, oval, points, smooth

WOOD = ((176, 124, 74), (126, 82, 46))


def umbrella(c: Canvas, rng) -> None:
    c.tube(points((0.5, 0.06), (0.5, 0.86)), (120, 86, 58), 0.022)
    c.tube(arc(0.56, 0.86, 0.06, 0.08, 180, 20), (120, 86, 58), 0.034)
    dome = arc(0.5, 0.52, 0.47, 0.44, 180, 360, n=40)
    scallops = [arc(0.5 + 0.188 * k, 0.52, 0.094, 0.055, 360, 180, n=12) for k in (2, 1, 0, -1, -2)]
    c.surface(np.concatenate([dome, *scallops]), "ball", 0.014)
    for x in (0.312, 0.5, 0.688):
        rib = smooth((0.5, 0.085), (0.5 + (x - 0.5) * 0.75, 0.25), (x - (0.5 - x) * 0.02, 0.5), closed=False)
        c.stroke(rib, c.base * 0.5, 0.007)


def vase(c: Canvas, rng) -> None:
    for x, y, bend in ((0.4, 0.06, -0.05), (0.52, 0.02, 0.0), (0.63, 0.08, 0.05)):
        c.stroke(smooth((0.5, 0.3), (0.5 + bend, 0.2), (x, y + 0.04), closed=False), (84, 138, 76), 0.016)
        c.fill(oval(x + 0.03, y + 0.06, 0.05, 0.02, 50), (98, 156, 88), edge=0.006)
        c.fill(oval(x, y + 0.02, 0.032, 0.042), (250, 246, 236), edge=0.007)
    body = smooth((0.38, 0.28), (0.62, 0.28), (0.59, 0.4), (0.72, 0.54), (0.76, 0.7), (0.66, 0.9), (0.6, 0.965),
                  (0.4, 0.965), (0.34, 0.9), (0.24, 0.7), (0.28, 0.54), (0.41, 0.4))  # fmt: skip
    c.surface(body, "round", 0.014)
    c.fill(oval(0.5, 0.282, 0.125, 0.026), c.base * 0.45)
    gloss(c, smooth((0.31, 0.6), (0.36, 0.54), (0.37, 0.62), (0.33, 0.76), (0.3, 0.72)), 0.35)


def t_shirt(c: Canvas, rng) -> None:
    outline = smooth(
        (0.34, 0.08), (0.42, 0.14), (0.5, 0.155), (0.58, 0.14), (0.66, 0.08), (0.82, 0.14), (0.98, 0.38), (0.83, 0.48),
        (0.765, 0.4), (0.77, 0.7), (0.775, 0.93), (0.5, 0.95), (0.225, 0.93), (0.23, 0.7), (0.235, 0.4), (0.17, 0.48),
        (0.02, 0.38), (0.18, 0.14), steps=4,
    )  # fmt: skip
    c.surface(outline, "round", 0.014)
    c.stroke(
        smooth((0.35, 0.09), (0.42, 0.165), (0.5, 0.185), (0.58, 0.165), (0.65, 0.09), closed=False),
        c.base * 0.5,
        0.016,
    )
    for flip in (False, True):
        fold = smooth((0.24, 0.4), (0.27, 0.34), (0.26, 0.26), closed=False)
        c.stroke(mirrored(fold) if flip else fold, c.base * 0.5, 0.009)


def flag(c: Canvas, rng) -> None:
    c.tube(points((0.08, 0.04), (0.08, 1.0)), (150, 110, 72), 0.03)
    c.fill(oval(0.08, 0.03, 0.03), (236, 196, 90), edge=0.008)
    lift = rng.uniform(0.03, 0.06)
    top = smooth((0.09, 0.08), (0.3, 0.08 - lift), (0.55, 0.1 + lift), (0.78, 0.1), (0.97, 0.07), closed=False)
    cloth = np.concatenate([top, (top + np.float32([0, 0.53]))[::-1]])
    c.surface(cloth, "flat", 0.013)
    for x, strength in ((0.3, 0.16), (0.72, 0.12)):
        fold = points((x, 0.07), (x + 0.09, 0.1), (x + 0.1, 0.62), (x + 0.01, 0.6))
        c.fill(fold, (20, 20, 30), opacity=strength)


def ball(c: Canvas, rng) -> None:
    c.surface(oval(0.5, 0.5, 0.45, n=60), "ball", 0.014)
    gloss(c, oval(0.33, 0.27, 0.1, 0.06, -40), 0.45)


def kite(c: Canvas, rng) -> None:
    tail = smooth((0.5, 0.72), (0.42, 0.8), (0.52, 0.88), (0.44, 0.95), (0.5, 1.0), closed=False)
    c.stroke(tail, (120, 110, 110), 0.012)
    c.surface(points((0.5, 0.02), (0.86, 0.32), (0.5, 0.74), (0.14, 0.32)), "flat", 0.014)
    c.stroke(points((0.5, 0.02), (0.5, 0.74)), c.base * 0.45, 0.009)
    c.stroke(points((0.14, 0.32), (0.86, 0.32)), c.base * 0.45, 0.009)
    for x, y in ((0.45, 0.82), (0.49, 0.9)):
        c.surface(points((x, y), (x - 0.06, y - 0.03), (x - 0.06, y + 0.03)), "none", 0.006)
        c.surface(points((x, y), (x + 0.06, y - 0.03), (x + 0.06, y + 0.03)), "none", 0.006)


def pillow(c: Canvas, rng) -> None:
    outline = smooth(
        (0.04, 0.08), (0.3, 0.11), (0.7, 0.11), (0.96, 0.08), (0.9, 0.35), (0.9, 0.65), (0.96, 0.92), (0.7, 0.89),
        (0.3, 0.89), (0.04, 0.92), (0.1, 0.65), (0.1, 0.35), steps=6,
    )  # fmt: skip
    c.surface(outline, "ball", 0.014)
    c.stroke((outline - 0.5) * np.float32(0.93) + 0.5, c.base * 0.55, 0.007, True)


def balloon(c: Canvas, rng) -> None:
    c.stroke(smooth((0.5, 0.74), (0.46, 0.82), (0.54, 0.9), (0.5, 1.0), closed=False), (110, 110, 116), 0.01)
    body = smooth(
        (0.5, 0.02), (0.76, 0.1), (0.86, 0.34), (0.74, 0.58), (0.5, 0.73), (0.26, 0.58), (0.14, 0.34), (0.24, 0.1)
    )
    c.surface(body, "ball", 0.014)
    c.surface(points((0.5, 0.715), (0.545, 0.77), (0.455, 0.77)), "none", 0.008)
    gloss(c, oval(0.33, 0.22, 0.05, 0.1, 28), 0.5)


def mug(c: Canvas, rng) -> None:
    c.tube(
        smooth((0.74, 0.33), (0.93, 0.32), (0.95, 0.56), (0.86, 0.7), (0.72, 0.72), closed=False), c.base * 0.85, 0.06
    )
    body = np.concatenate([arc(0.44, 0.2, 0.36, 0.07, 0, 180), arc(0.44, 0.86, 0.33, 0.08, 180, 0)])
    c.surface(body, "round", 0.014)
    c.fill(oval(0.44, 0.2, 0.36, 0.075), LIGHT_RIM, edge=0.012)
    c.fill(oval(0.44, 0.21, 0.315, 0.055), ((96, 62, 42), (126, 84, 58)))


LIGHT_RIM = ((250, 250, 250), (226, 228, 232))


def gift(c: Canvas, rng) -> None:
    c.surface(box(0.1, 0.42, 0.9, 0.97, 0.02), "flat", 0.014)
    c.surface(box(0.05, 0.28, 0.95, 0.44, 0.02), "flat", 0.014)
    ribbon = ((252, 250, 244), (226, 222, 212))
    c.fill(box(0.44, 0.28, 0.56, 0.97, 0.004), ribbon, edge=0.007)
    for flip in (False, True):
        loop = smooth((0.5, 0.27), (0.4, 0.1), (0.25, 0.06), (0.2, 0.17), (0.32, 0.26))
        c.fill(mirrored(loop) if flip else loop, ribbon, edge=0.009)
    c.fill(oval(0.5, 0.255, 0.05), ribbon, edge=0.008)


def heart_pillow(c: Canvas, rng) -> None:
    c.surface(HEART * np.float32([0.47, 0.47]) + np.float32([0.5, 0.5]), "ball", 0.014)
    gloss(c, oval(0.27, 0.27, 0.04, 0.08, 35), 0.4)


def tent(c: Canvas, rng) -> None:
    c.surface(points((0.36, 0.16), (0.68, 0.16), (0.98, 0.88), (0.62, 0.94)), "under", 0.013)
    c.surface(points((0.36, 0.16), (0.66, 0.94), (0.03, 0.94)), "flat", 0.013)
    c.fill(
        smooth((0.36, 0.42), (0.42, 0.7), (0.48, 0.94), (0.24, 0.94), (0.3, 0.7), steps=3), ((70, 64, 48), (34, 32, 26))
    )
    for end in ((0.03, 0.94), (0.98, 0.88)):
        c.stroke(np.float32([end, [end[0], end[1] + 0.05]]), (120, 96, 66), 0.014)


def cap(c: Canvas, rng) -> None:
    crown = smooth(
        (0.14, 0.66), (0.16, 0.42), (0.32, 0.2), (0.52, 0.16), (0.7, 0.27), (0.8, 0.48), (0.8, 0.66), (0.48, 0.72)
    )
    c.surface(crown, "ball", 0.014)
    c.surface(
        smooth((0.42, 0.7), (0.7, 0.6), (0.92, 0.66), (1.0, 0.78), (0.84, 0.82), (0.6, 0.78), (0.44, 0.78)),
        "flat",
        0.013,
    )
    c.fill(oval(0.5, 0.165, 0.035, 0.025), c.base * 0.7, edge=0.008)


def log(c: Canvas, rng) -> None:
    """A felled trunk with rings on its cut face."""
    bark = np.concatenate([points((0.78, 0.3), (0.2, 0.3)), points((0.2, 0.76), (0.78, 0.76))])
    c.surface(np.concatenate([bark[:2], arc(0.2, 0.53, 0.1, 0.23, 270, 90), bark[2:]]), "tube", 0.014)
    c.fill(oval(0.79, 0.53, 0.16, 0.235), ((232, 190, 134), (204, 156, 100)), edge=0.016)
    for k in range(1, 5):
        c.stroke(oval(0.79 + rng.uniform(-0.006, 0.006), 0.53, 0.032 * k, 0.047 * k), (156, 104, 60), 0.008, True)
    c.fill(smooth((0.36, 0.3), (0.34, 0.16), (0.42, 0.15), (0.46, 0.3)), WOOD, edge=0.01)
    c.fill(oval(0.42, 0.11, 0.06, 0.03, -30), (108, 160, 84), edge=0.007)


def column(c: Canvas, rng) -> None:
    for y0, y1, half in ((0.02, 0.09, 0.27), (0.09, 0.14, 0.22), (0.87, 0.92, 0.22), (0.92, 0.99, 0.27)):
        c.surface(box(0.5 - half, y0, 0.5 + half, y1, 0.012), "flat", 0.011)
    c.surface(points((0.33, 0.14), (0.67, 0.14), (0.69, 0.87), (0.31, 0.87)), "round", 0.013)
    for k in range(4):
        c.stroke(points((0.395 + 0.07 * k, 0.16), (0.39 + 0.073 * k, 0.85)), (176, 176, 180), 0.009)


def house(c: Canvas, rng) -> None:
    c.fill(points((0.68, 0.08), (0.8, 0.08), (0.8, 0.36), (0.68, 0.36)), None, edge=0.011)
    c.surface(points((0.1, 0.42), (0.5, 0.12), (0.9, 0.42), (0.9, 0.97), (0.1, 0.97)), "flat", 0.013)
    roof = points((0.02, 0.45), (0.5, 0.06), (0.98, 0.45))
    c.stroke(roof, (58, 60, 68), 0.075)
    c.fill(box(0.42, 0.66, 0.58, 0.97, 0.02), WOOD, edge=0.01)
    c.fill(oval(0.55, 0.82, 0.012), (240, 200, 100))
    for x in (0.18, 0.66):
        c.fill(box(x, 0.56, x + 0.16, 0.76, 0.01), ((190, 220, 236), (130, 170, 200)), edge=0.01)
        c.stroke(points((x + 0.08, 0.56), (x + 0.08, 0.76)), WHITE, 0.012)
        c.stroke(points((x, 0.66), (x + 0.16, 0.66)), WHITE, 0.012)
    c.fill(oval(0.5, 0.36, 0.06), METAL, edge=0.009)

"""The four animals, whole and as portraits: functions that draw on a Canvas whose theme is their coat."""

import numpy as np

from rag_lib.drawn.drawing.canvas import Canvas
from rag_lib.drawn.drawing.gadgets import WHITE
from rag_lib.drawn.drawing.shapes import mirrored, oval, points, smooth

BLACK = (34, 28, 26)
CREAM = (252, 238, 212)
PINK = (226, 138, 132)


def _eye(c: Canvas, x: float, y: float, r: float, iris) -> None:
    c.fill(oval(x, y, r * 1.12, r), BLACK)
    c.fill(oval(x, y, r * 0.92, r * 0.82), iris)
    c.fill(oval(x, y, r * 0.46, r * 0.62), (16, 14, 16))
    c.fill(oval(x - r * 0.28, y - r * 0.32, r * 0.24), WHITE)


def _cat_head(c: Canvas, x: float, y: float, r: float) -> None:
    """A big cat looking at us; `r`: half the width of the head."""

    def at(shape: np.ndarray) -> np.ndarray:
        return shape * np.float32(r) + np.float32([x, y])

    for flip in (False, True):
        ear = smooth((0.42, -0.72), (0.56, -1.06), (0.86, -1.12), (1.0, -0.84), (0.92, -0.42))
        inner = oval(0.77, -0.8, 0.15, 0.19, 30)
        c.surface(at(mirrored(ear, 0) if flip else ear), "under", r * 0.055)
        c.fill(at(mirrored(inner, 0) if flip else inner), PINK)
    head = smooth((0, -0.9), (0.55, -0.8), (0.93, -0.35), (0.99, 0.15), (0.8, 0.58), (0.42, 0.86), (0, 0.95),
                  (-0.42, 0.86), (-0.8, 0.58), (-0.99, 0.15), (-0.93, -0.35), (-0.55, -0.8))  # fmt: skip
    c.surface(at(head), "ball", r * 0.06)
    for flip in (-1, 1):
        c.fill(at(oval(0.4 * flip, -0.3, 0.2, 0.13, -16 * flip)), CREAM, opacity=0.85)
        c.fill(at(oval(0.25 * flip, 0.48, 0.34, 0.29)), CREAM)
        _eye(c, x + 0.41 * flip * r, y - 0.1 * r, 0.21 * r, (238, 190, 62))
    c.fill(at(oval(0, 0.74, 0.26, 0.2)), CREAM)
    c.fill(at(smooth((-0.2, 0.16), (0, 0.12), (0.2, 0.16), (0.1, 0.32), (0, 0.37), (-0.1, 0.32))), PINK, edge=r * 0.035)
    width = r * 0.05
    c.stroke(at(points((0, 0.36), (0, 0.52))), BLACK, width)
    c.stroke(
        at(smooth((-0.32, 0.56), (-0.16, 0.64), (0, 0.52), (0.16, 0.64), (0.32, 0.56), closed=False)), BLACK, width
    )
    for flip in (-1, 1):
        for k in range(3):
            c.fill(at(oval(flip * (0.26 + 0.1 * k), 0.42 + 0.07 * (k % 2), 0.027)), BLACK)
        for k in range(2):
            line = points((0.5 * flip, 0.42 + 0.12 * k), (1.22 * flip, 0.3 + 0.26 * k))
            c.stroke(at(line), (250, 250, 248), r * 0.03)


def big_cat(c: Canvas, rng) -> None:
    """A leopard or a tiger that strolls and looks at us, the tail up."""
    sway = rng.uniform(-0.04, 0.04)
    tail = smooth((0.2, 0.5), (0.09, 0.46), (0.05, 0.32), (0.1, 0.2), (0.05 + sway, 0.1), closed=False)
    c.band(tail, 0.058)
    c.stroke(tail[-7:], BLACK, 0.05)
    step = rng.uniform(-0.03, 0.03)
    for x in (0.27 + step, 0.6 - step):  # the far legs, in shadow
        leg = smooth(
            (x, 0.58), (x + 0.1, 0.58), (x + 0.085, 0.8), (x + 0.11, 0.91), (x - 0.01, 0.915), (x + 0.005, 0.76)
        )
        c.surface(leg, "under")
    body = smooth(
        (0.15, 0.5), (0.21, 0.4), (0.38, 0.385), (0.55, 0.4), (0.7, 0.35), (0.82, 0.42), (0.82, 0.6), (0.72, 0.69),
        (0.5, 0.665), (0.34, 0.68), (0.2, 0.68), (0.145, 0.6),
    )  # fmt: skip
    c.surface(body, "tube", 0.011)
    hind = smooth((0.15, 0.52), (0.3, 0.5), (0.33, 0.64), (0.265, 0.76), (0.265, 0.88), (0.32, 0.945), (0.17, 0.955),
                  (0.17, 0.8), (0.13, 0.66))  # fmt: skip
    front = smooth((0.67, 0.52), (0.8, 0.52), (0.8, 0.72), (0.775, 0.88), (0.83, 0.945), (0.69, 0.955), (0.69, 0.76))
    for leg, (x, y) in ((hind, (0.29, 0.935)), (front, (0.8, 0.935))):
        c.surface(leg, "flat", 0.01)
        for k in range(2):
            c.stroke(points((x - 0.035 * k, y - 0.015), (x - 0.035 * k, y + 0.012)), BLACK, 0.008)
    _cat_head(c, 0.79, 0.31, 0.175)


def cat_portrait(c: Canvas, rng) -> None:
    c.surface(smooth((0.22, 0.7), (0.5, 0.62), (0.78, 0.7), (0.92, 1.0), (0.5, 1.05), (0.08, 1.0)), "under", 0.014)
    _cat_head(c, 0.5, 0.5, 0.395)


def _hoofed_legs(c: Canvas, xs: tuple[float, ...], top: float, width: float, shade: str) -> None:
    for x in xs:
        leg = points((x, top), (x + width * 1.5, top), (x + width * 1.1, 0.9), (x + width * 0.2, 0.9))
        c.surface(leg, shade)
        c.fill(points((x + width * 0.1, 0.9), (x + width * 1.2, 0.9), (x + width * 1.3, 0.955), (x, 0.955)), BLACK)


def zebra(c: Canvas, rng) -> None:
    nod = rng.uniform(-0.015, 0.02)
    tail = smooth((0.13, 0.46), (0.06, 0.53), (0.06, 0.66), closed=False)
    c.band(tail, 0.03)
    c.fill(smooth((0.06, 0.63), (0.085, 0.72), (0.055, 0.8), (0.03, 0.72)), BLACK)
    _hoofed_legs(c, (0.25, 0.57), 0.6, 0.05, "under")
    body = smooth((0.12, 0.48), (0.2, 0.4), (0.4, 0.425), (0.58, 0.4), (0.7, 0.42), (0.73, 0.56), (0.62, 0.665),
                  (0.4, 0.69), (0.2, 0.66), (0.12, 0.58))  # fmt: skip
    mane = smooth((0.56, 0.42), (0.62, 0.24), (0.7, 0.1), (0.77, 0.08), (0.76, 0.16), (0.68, 0.3), (0.64, 0.44))
    c.fill(mane, BLACK)
    c.surface(body, "tube", 0.011)
    c.surface(smooth((0.58, 0.44), (0.66, 0.28), (0.72, 0.15), (0.82, 0.16), (0.82, 0.28), (0.75, 0.44), (0.72, 0.56)))
    _hoofed_legs(c, (0.15, 0.63), 0.58, 0.055, "flat")
    shift = np.float32([0, nod])
    for x in (0.74, 0.8):
        c.surface(
            smooth((x - 0.025, 0.14), (x - 0.02, 0.05), (x + 0.015, 0.015), (x + 0.035, 0.06), (x + 0.03, 0.14)) + shift
        )
    c.surface(smooth((0.7, 0.16), (0.78, 0.105), (0.87, 0.14), (0.97, 0.27), (0.985, 0.36), (0.91, 0.39), (0.8, 0.32),
                     (0.71, 0.26)) + shift, "flat", 0.011)  # fmt: skip
    c.fill(
        smooth((0.9, 0.25), (0.98, 0.27), (0.995, 0.36), (0.92, 0.395), (0.87, 0.34)) + shift, (62, 56, 56), edge=0.008
    )
    c.fill(oval(0.955, 0.31 + nod, 0.012), BLACK)
    _eye(c, 0.82, 0.2 + nod, 0.024, (92, 60, 36))


def giraffe(c: Canvas, rng) -> None:
    nod = np.float32([0, rng.uniform(-0.01, 0.015)])
    tail = smooth((0.2, 0.55), (0.13, 0.6), (0.13, 0.7), closed=False)
    c.stroke(tail, (150, 96, 50), 0.02)
    c.fill(smooth((0.13, 0.68), (0.155, 0.75), (0.13, 0.8), (0.105, 0.75)), BLACK)
    _hoofed_legs(c, (0.29, 0.52), 0.62, 0.04, "under")
    mane = smooth((0.5, 0.5), (0.56, 0.3), (0.66, 0.08), (0.7, 0.08), (0.62, 0.32), (0.58, 0.5), closed=True)
    c.fill(mane, (122, 66, 34))
    c.surface(smooth((0.5, 0.56), (0.58, 0.32), (0.67, 0.07), (0.77, 0.09), (0.73, 0.32), (0.67, 0.58)), "round", 0.011)
    body = smooth((0.18, 0.58), (0.27, 0.5), (0.45, 0.485), (0.6, 0.46), (0.68, 0.54), (0.66, 0.64), (0.52, 0.7),
                  (0.32, 0.7), (0.2, 0.67))  # fmt: skip
    c.surface(body, "tube", 0.011)
    _hoofed_legs(c, (0.2, 0.59), 0.6, 0.045, "flat")
    for x in (0.7, 0.745):
        c.stroke(points((x, 0.1), (x - 0.01, 0.03)) + nod, (170, 106, 54), 0.022)
        c.fill(oval(x - 0.01, 0.025, 0.019) + nod, BLACK)
    c.surface(smooth((0.66, 0.08), (0.6, 0.06), (0.57, 0.09), (0.62, 0.125), (0.68, 0.12)) + nod)
    head = smooth(
        (0.66, 0.09), (0.73, 0.06), (0.81, 0.1), (0.92, 0.17), (0.935, 0.23), (0.86, 0.245), (0.76, 0.2), (0.68, 0.17)
    )
    c.surface(head + nod, "flat", 0.01)
    c.fill(smooth((0.86, 0.145), (0.93, 0.17), (0.945, 0.23), (0.87, 0.25), (0.83, 0.2)) + nod, CREAM, edge=0.008)
    c.fill(oval(0.915, 0.185, 0.009) + nod, BLACK)
    c.stroke(points((0.87, 0.225), (0.935, 0.222)) + nod, BLACK, 0.007)
    _eye(c, 0.765, 0.115 + float(nod[1]), 0.022, (92, 60, 36))


def hoofed_portrait(c: Canvas, rng) -> None:
    """The long face of a zebra or a giraffe from the front; a giraffe is known by its little horns."""
    horns = c.base[2] < 120
    c.surface(points((0.34, 0.5), (0.66, 0.5), (0.78, 1.0), (0.22, 1.0)), "under", 0.013)
    if not horns:
        c.fill(smooth((0.42, 0.16), (0.44, 0.02), (0.5, 0.0), (0.56, 0.02), (0.58, 0.16)), BLACK)
    for flip in (False, True):
        ear = smooth((0.33, 0.25), (0.2, 0.2), (0.07, 0.24), (0.14, 0.32), (0.3, 0.34))
        if not horns:
            ear = smooth((0.32, 0.24), (0.2, 0.12), (0.2, 0.0), (0.34, 0.08), (0.4, 0.2))
        horn = points((0.42, 0.2), (0.39, 0.06))
        ear, horn = (mirrored(part) if flip else part for part in (ear, horn))
        c.surface(ear, "under", 0.012)
        c.fill((ear - ear.mean(0)) * np.float32(0.5) + ear.mean(0), PINK, opacity=0.8)
        if horns:
            c.tube(horn, (176, 110, 56), 0.05)
            c.fill(oval(*horn[1], 0.042), BLACK)
    head = smooth((0.5, 0.12), (0.63, 0.15), (0.72, 0.3), (0.68, 0.5), (0.63, 0.7), (0.62, 0.86), (0.5, 0.93),
                  (0.38, 0.86), (0.37, 0.7), (0.32, 0.5), (0.28, 0.3), (0.37, 0.15))  # fmt: skip
    c.surface(head, "round", 0.014)
    muzzle = smooth(
        (0.5, 0.69), (0.61, 0.7), (0.65, 0.82), (0.58, 0.93), (0.5, 0.95), (0.42, 0.93), (0.35, 0.82), (0.39, 0.7)
    )
    c.fill(muzzle, CREAM if horns else (74, 66, 66), "ball", edge=0.012)
    for flip in (-1, 1):
        c.fill(oval(0.5 + 0.055 * flip, 0.78, 0.02, 0.028, 20 * flip), BLACK)
        _eye(c, 0.5 + 0.155 * flip, 0.39, 0.052, (96, 62, 36))
    c.stroke(smooth((0.42, 0.865), (0.5, 0.89), (0.58, 0.865), closed=False), BLACK, 0.012)

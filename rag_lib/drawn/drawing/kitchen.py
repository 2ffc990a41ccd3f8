"""Silhouettes of kitchen machines: functions that draw one product on a Canvas, upright, theme parts kept large."""

from rag_lib.drawn.drawing.appliances import SOOT, bar, feet, knob
from rag_lib.drawn.drawing.canvas import GLASS, LIGHT, METAL, Canvas
from rag_lib.drawn.drawing.gadgets import gloss
from rag_lib.drawn.drawing.shapes import box, oval, points, smooth


def refrigerator(c: Canvas, rng) -> None:
    half = rng.uniform(0.27, 0.31)
    left, right = 0.5 - half, 0.5 + half
    feet(c, (left + 0.09, right - 0.09), 0.94)
    c.surface(box(left, 0.02, right, 0.96, 0.04), "flat", 0.013)
    gap = c.base * 0.3
    if rng.random() < 0.5:
        c.stroke(points((left, 0.35), (right, 0.35)), gap, 0.016)
        bar(c, left + 0.045, 0.17, left + 0.08, 0.31)
        bar(c, left + 0.045, 0.4, left + 0.08, 0.62)
    else:
        c.stroke(points((0.5, 0.02), (0.5, 0.67)), gap, 0.014)
        c.stroke(points((left, 0.67), (right, 0.67)), gap, 0.014)
        bar(c, 0.44, 0.25, 0.47, 0.52)
        bar(c, 0.53, 0.25, 0.56, 0.52)
        bar(c, 0.4, 0.72, 0.6, 0.75)
        c.fill(box(left + 0.06, 0.27, left + 0.16, 0.43, 0.02), SOOT, edge=0.006)
        c.fill(box(left + 0.075, 0.35, left + 0.145, 0.42, 0.01), GLASS)
    gloss(c, points((right - 0.1, 0.03), (right - 0.05, 0.03), (right - 0.05, 0.94), (right - 0.1, 0.94)), 0.12)


def microwave(c: Canvas, rng) -> None:
    feet(c, (0.13, 0.87), 0.8)
    c.surface(box(0.01, 0.17, 0.99, 0.82, 0.045), "flat", 0.013)
    c.fill(box(0.1, 0.285, 0.6, 0.7, 0.03), ((56, 58, 66), (30, 32, 38)), edge=0.009)
    c.fill(box(0.135, 0.325, 0.565, 0.66, 0.02), ((120, 104, 74), (62, 54, 46)))
    c.fill(oval(0.35, 0.6, 0.15, 0.032), (196, 204, 210), opacity=0.7)
    c.fill(smooth((0.27, 0.5), (0.43, 0.5), (0.41, 0.585), (0.35, 0.6), (0.29, 0.585)), LIGHT, edge=0.006)
    gloss(c, points((0.14, 0.33), (0.3, 0.33), (0.19, 0.65), (0.14, 0.65)), 0.14)
    bar(c, 0.645, 0.28, 0.685, 0.71)
    c.fill(box(0.745, 0.25, 0.935, 0.345, 0.015), (22, 30, 34))
    digits = points((0.785, 0.3), (0.82, 0.3)), points((0.86, 0.3), (0.9, 0.3))
    for digit in digits:
        c.stroke(digit, (110, 240, 190), 0.026)
    for k in range(9):
        c.fill(oval(0.785 + 0.057 * (k % 3), 0.42 + 0.072 * (k // 3), 0.02), LIGHT, edge=0.005)
    c.fill(box(0.76, 0.655, 0.92, 0.725, 0.02), LIGHT, edge=0.006)


def toaster(c: Canvas, rng) -> None:
    pop = rng.uniform(0.0, 0.06)
    for x in (0.24, 0.53):
        crust = smooth((x, 0.5), (x, 0.22), (x - 0.015, 0.14), (x + 0.06, 0.085), (x + 0.2, 0.085), (x + 0.255, 0.14),
                       (x + 0.24, 0.22), (x + 0.24, 0.5)) + (0.0, pop)  # fmt: skip
        c.fill(crust, ((206, 146, 78), (172, 112, 56)), edge=0.011)
        c.fill((crust - [x + 0.12, 0.3]) * [0.78, 0.86] + [x + 0.12, 0.3], ((246, 212, 150), (232, 186, 116)))
    c.fill(box(0.91, 0.47, 0.99, 0.54, 0.02), SOOT, edge=0.007)
    feet(c, (0.22, 0.78), 0.9)
    body = smooth(
        (0.2, 0.33), (0.5, 0.31), (0.8, 0.33), (0.905, 0.42), (0.93, 0.64), (0.92, 0.86), (0.8, 0.925), (0.5, 0.93),
        (0.2, 0.925), (0.08, 0.86), (0.07, 0.64), (0.095, 0.42),
    )  # fmt: skip
    c.surface(body, "flat", 0.014)
    c.fill(box(0.2, 0.345, 0.8, 0.39, 0.02), SOOT)
    knob(c, rng, 0.8, 0.79, 0.05)
    gloss(c, smooth((0.13, 0.5), (0.16, 0.44), (0.2, 0.42), (0.17, 0.5), (0.155, 0.66), (0.13, 0.66)), 0.35)


def kettle(c: Canvas, rng) -> None:
    handle = smooth((0.63, 0.26), (0.8, 0.22), (0.93, 0.3), (0.94, 0.48), (0.88, 0.64), (0.77, 0.72), closed=False)
    c.tube(handle, (64, 66, 72), 0.06)
    c.surface(smooth((0.3, 0.36), (0.2, 0.33), (0.09, 0.24), (0.035, 0.255), (0.08, 0.36), (0.19, 0.56), (0.3, 0.62)))
    body = smooth(
        (0.31, 0.2), (0.5, 0.185), (0.66, 0.2), (0.73, 0.36), (0.8, 0.62), (0.825, 0.88), (0.5, 0.91), (0.145, 0.88),
        (0.17, 0.62), (0.25, 0.36),
    )  # fmt: skip
    c.surface(body, "round", 0.014)
    c.fill(smooth((0.29, 0.2), (0.36, 0.12), (0.5, 0.095), (0.61, 0.12), (0.68, 0.2), (0.5, 0.225)), SOOT, edge=0.008)
    c.fill(oval(0.485, 0.075, 0.042, 0.034), METAL, edge=0.008)
    c.fill(box(0.11, 0.885, 0.86, 0.965, 0.03), SOOT, edge=0.008)
    c.fill(oval(0.76, 0.925, 0.014), (250, 170, 90))
    gloss(c, smooth((0.31, 0.3), (0.35, 0.27), (0.33, 0.5), (0.28, 0.78), (0.235, 0.8), (0.27, 0.5)), 0.3)


def blender(c: Canvas, rng) -> None:
    c.tube(
        smooth((0.7, 0.16), (0.85, 0.16), (0.87, 0.3), (0.8, 0.43), (0.67, 0.45), closed=False), (150, 156, 166), 0.045
    )
    jar = points((0.24, 0.1), (0.76, 0.1), (0.67, 0.5), (0.33, 0.5))
    c.fill(jar, GLASS, edge=0.01)
    level = rng.uniform(0.22, 0.32)
    inset = 0.27 + 0.225 * (level - 0.1)
    drink = ((252, 246, 232), (232, 222, 204))
    c.fill(points((inset, level), (1 - inset, level), (0.655, 0.49), (0.345, 0.49)), drink)
    for k in range(4):
        c.stroke(points((0.6, 0.2 + 0.07 * k), (0.65, 0.2 + 0.07 * k)), (130, 146, 160), 0.01)
    gloss(c, points((0.285, 0.12), (0.35, 0.12), (0.4, 0.48), (0.355, 0.48)), 0.5)
    c.surface(box(0.215, 0.035, 0.785, 0.115, 0.03))
    c.fill(box(0.42, 0.0, 0.58, 0.045, 0.015), SOOT)
    c.fill(box(0.31, 0.485, 0.69, 0.54, 0.02), SOOT, edge=0.007)
    body = smooth(
        (0.3, 0.53), (0.5, 0.525), (0.7, 0.53), (0.77, 0.68), (0.83, 0.92), (0.78, 0.955), (0.5, 0.96), (0.22, 0.955),
        (0.17, 0.92), (0.23, 0.68),
    )  # fmt: skip
    c.surface(body, "round", 0.013)
    knob(c, rng, 0.5, 0.86, 0.06)
    feet(c, (0.26, 0.74), 0.95)

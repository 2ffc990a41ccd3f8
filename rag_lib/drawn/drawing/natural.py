"""The motifs of the natural themes: four animal coats, camouflage, wood, brick, marble and galaxy.

Every function takes (rng, side, period, base): the side in pixels, the motif's repeat as a part of the side, and the
dominant RGB. It returns (side, side, 3) RGB.
"""

import cv2
import numpy as np

from rag_lib.drawn.drawing.fields import grid, lattice, mix, noise, place, print_shapes, sheet, step, turned_grid
from rag_lib.drawn.drawing.palette import vary
from rag_lib.drawn.drawing.shapes import DISC

TAU = np.float32(2 * np.pi)

_bulge = np.sin(np.linspace(0, np.pi, 9)) ** 0.6  # a bean along the ring: out and back, thick in its middle
_BEAN_TURN = np.concatenate([np.linspace(0, 1, 9), np.linspace(1, 0, 9)]).astype(np.float32)
_BEAN_RADIUS = np.concatenate([0.86 + 0.27 * _bulge, 0.86 - 0.25 * _bulge]).astype(np.float32)


def _leopard(rng, side, period, base):
    """Rosettes: a darker middle in a broken ring of three or four dark patches, and small spots between them."""
    image = sheet(side, base)
    at = lattice(rng, period * 0.86, 0.09, rng.uniform(0, 60))
    size = 0.34 * period
    dark, middle = vary(rng, (42, 26, 18), 5), np.clip(base * np.float32(0.74), 0, 255)
    middles, patches, spots = [], [], []
    for p in at:
        squash = np.float32([1, rng.uniform(0.74, 0.95)])
        turn = rng.uniform(0, 360)
        middles.append(place(DISC * squash * 0.8, p, size, turn))
        count = int(rng.integers(3, 5))
        for k in range(count):
            start = 360 * k / count + rng.uniform(-8, 8)
            angle = np.radians(start + (360 / count - rng.uniform(20, 44)) * _BEAN_TURN)
            patch = np.stack([np.cos(angle) * _BEAN_RADIUS, np.sin(angle) * _BEAN_RADIUS], 1) * squash
            patches.append(place(patch, p, size, turn))
        spot = p + np.float32([0.43, 0.02]) * period + rng.normal(0, 0.03, 2) * period
        spots.append(place(DISC[::4] * np.float32([1, 0.7]), spot, size * rng.uniform(0.14, 0.24), turn))
    print_shapes(image, middles, middle)
    print_shapes(image, spots, dark)
    print_shapes(image, patches, dark)
    return image


def _zebra(rng, side, period, base):
    """Black bands that bend, swell and fork."""
    along, across = turned_grid(side, rng.choice([0, 90, 60, 120]) + rng.normal(0, 8))
    bend = noise(rng, side, period * 2.4, 1)
    fork = noise(rng, side, period * 1.5, 1)
    wave = np.sin((along / np.float32(period * 0.85) + np.float32(0.3) * bend) * TAU)
    return mix(step(wave + np.float32(0.28) * fork, side, 8.0 / period), base, vary(rng, (26, 24, 26), 4))


def _tiger(rng, side, period, base):
    """Pointed black flames that come in from both sides, on orange that pales in between."""
    x, _ = grid(side)
    pale = np.clip(np.cos((x - 0.5) * 7) - 0.55, 0, 1) * rng.uniform(0.2, 0.8)
    image = np.rint(mix(pale.astype(np.float32), base, (250, 196, 120))).astype(np.uint8)
    dark = vary(rng, (34, 22, 16), 4)
    upright = rng.random() < 0.3
    gap, t = period * 0.52, np.linspace(0, 1, 14)
    for row, y in enumerate(np.arange(-gap, 1 + gap, gap)):
        edge = rng.uniform(-0.18, 0.0)
        while edge < 1.1:
            length = rng.uniform(1.7, 3.1) * period
            flip = (row + int(edge > 0.4)) % 2
            width = gap * rng.uniform(0.27, 0.36) * (np.sin(np.pi * t ** (0.6 if flip else 1.7)) ** 0.8 + 0.02)
            middle = y + 0.2 * gap * np.sin(2.2 * np.pi * t + rng.uniform(0, 6)) + rng.normal(0, 0.05) * gap
            across = edge + length * t
            flame = np.stack(
                [np.concatenate([across, across[::-1]]), np.concatenate([middle - width, (middle + width)[::-1]])], 1
            )
            print_shapes(image, [flame[:, ::-1] if upright else flame], dark)
            edge += length + rng.uniform(0.1, 0.45) * period
    return image


def _giraffe(rng, side, period, base):
    """Brown patches with straight edges, parted by a cream net."""
    at = lattice(rng, period * 1.0, 0.17, rng.uniform(0, 60)).astype(np.float32)
    small = 96
    x, y = grid(small)
    squared = (x[..., None] - at[:, 0]) ** 2 + (y[..., None] - at[:, 1]) ** 2
    near = np.sqrt(np.partition(squared, 1, axis=-1)[..., :2])
    gap = cv2.resize(near[..., 1] - near[..., 0], (side, side), interpolation=cv2.INTER_CUBIC)
    patches = mix(np.clip(gap * (1.6 / np.float32(period)), 0, 1), base * 1.12, base * 0.84)
    inside = step(gap - np.float32(0.2 * period), side, 1.6)
    return patches * inside[..., None] + vary(rng, (244, 224, 178), 5) * (1 - inside[..., None])


def _camouflage(rng, side, period, base):
    """Four greens and browns in round-edged patches."""
    image = np.empty((side, side, 3), np.float32)
    image[:] = base
    for rgb, level in (((70, 86, 46), 0.25), ((104, 80, 52), 0.62), ((38, 44, 32), 0.8)):
        patch = step(noise(rng, side, period * 1.15, 2) - np.float32(level), side, 7.0 / period)
        image += (vary(rng, rgb, 5) - image) * patch[..., None]
    return image


def _wood(rng, side, period, base):
    """Planks with seams; each has its own tone and grain, some a knot."""
    x, y = grid(side)
    if rng.random() < 0.35:
        x, y = y, x
    wide = np.float32(period * 1.25)
    plank = np.floor(y / wide).astype(np.int64)
    tone = rng.uniform(-1, 1, 64).astype(np.float32)[plank % 64]
    shift = rng.uniform(0, 9, 64).astype(np.float32)[plank % 64]
    knots = sum(
        np.exp(-(((x - a) / np.float32(1.1)) ** 2 + (y - b) ** 2) / np.float32(0.12 * period**2))
        for a, b in rng.uniform(0, 1, (4, 2)).astype(np.float32)
    )
    grain = y / np.float32(period * 0.3) + shift + np.float32(1.5) * knots
    grain = grain + np.float32(0.35) * np.sin(x * np.float32(7.0) + shift * 3)
    rings = np.float32(0.5) + np.float32(0.5) * np.sin(grain * TAU)
    image = mix(np.clip(0.5 * rings + 0.25 * tone + 0.9 * np.clip(knots, 0, 0.6), 0, 1), base * 1.1, base * 0.68)
    seam = np.abs(y / wide - plank - np.float32(0.5))
    return image * (1 - np.float32(0.55) * step(seam - np.float32(0.465), side, 1 / wide))[..., None]


def _brick(rng, side, period, base):
    """A wall in running bond with light joints; every brick has its own red."""
    x, y = grid(side)
    course = y / np.float32(period * 0.62)
    row = np.floor(course)
    along = x / np.float32(period * 1.24) + np.float32(0.5) * (row % 2)
    column = np.floor(along)
    tone = rng.uniform(0.8, 1.16, (64, 64)).astype(np.float32)[row.astype(np.int64) % 64, column.astype(np.int64) % 64]
    to_joint = np.minimum(0.5 - np.abs(course - row - np.float32(0.5)), 2 * (0.5 - np.abs(along - column - 0.5)))
    inside = step(to_joint - np.float32(0.085), side, 1.6 / period)[..., None]
    return base * tone[..., None] * inside + vary(rng, (216, 209, 198), 4) * (1 - inside)


def _marble(rng, side, period, base):
    """White stone with long grey veins that run aslant, and a breath of gold."""
    along, _ = turned_grid(side, rng.uniform(25, 65) * rng.choice([-1, 1]))
    warp = noise(rng, side, 0.55, 3)
    image = mix(np.clip(0.25 * warp + 0.1, 0, 0.4), base, (205, 206, 210))
    for scale, width, strength, rgb in (
        (2.6, 0.05, 0.85, (92, 96, 106)),
        (1.7, 0.03, 0.6, (120, 122, 130)),
        (3.4, 0.022, 0.7, (196, 160, 96)),
    ):
        phase = along / np.float32(period * scale) + np.float32(0.3) * warp + np.float32(rng.uniform(0, 1))
        far = np.abs(phase - np.round(phase))
        vein = np.exp(-far / np.float32(width)) * np.float32(strength)
        image += (np.float32(rgb) - image) * np.clip(vein * (0.75 + 0.35 * noise(rng, side, 0.3, 1)), 0, 1)[..., None]
    return image


def _galaxy(rng, side, period, base):
    """Violet and blue clouds in the night, powdered with stars of many sizes, a few of them sparkling."""
    cloud = np.clip(0.42 + 0.4 * noise(rng, side, 0.45, 2), 0, 1)
    image = mix(cloud, base * np.float32(0.45), vary(rng, (112, 48, 156), 10))
    image = mix(np.clip(0.42 * noise(rng, side, 0.4, 2), 0, 0.8), image, vary(rng, (58, 96, 204), 10))
    image = mix(np.clip(0.4 * noise(rng, side, 0.35, 2) - 0.15, 0, 0.7), image, vary(rng, (226, 96, 178), 10))
    image = np.rint(np.clip(image, 0, 255)).astype(np.uint8)
    count = int(min(150, 2.6 / period**2))
    at, sizes = rng.uniform(0, 1, (count, 2)), rng.uniform(0.002, 0.0065, count)
    print_shapes(image, [place(DISC[::4], p, s) for p, s in zip(at, sizes, strict=True)], (250, 250, 255))
    ray = np.float32([[0, -1], [0.12, -0.12], [1, 0], [0.12, 0.12], [0, 1], [-0.12, 0.12], [-1, 0], [-0.12, -0.12]])
    for p in rng.uniform(0, 1, (max(5, count // 10), 2)):
        print_shapes(image, [place(ray, p, rng.uniform(0.016, 0.034), rng.normal(0, 4))], (255, 255, 255))
    return image


NATURAL_MOTIFS = {  # theme -> (motif, its usual base color)
    "leopard": (_leopard, (222, 168, 92)),
    "zebra": (_zebra, (244, 242, 236)),
    "tiger": (_tiger, (236, 134, 34)),
    "giraffe": (_giraffe, (160, 92, 40)),
    "camouflage": (_camouflage, (116, 124, 74)),
    "wood": (_wood, (194, 142, 86)),
    "brick": (_brick, (172, 76, 56)),
    "marble": (_marble, (238, 236, 232)),
    "galaxy": (_galaxy, (46, 28, 92)),
}

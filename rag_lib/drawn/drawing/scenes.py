"""Query pictures: what a user might hold up to say "like this", never a product of the catalog.

In: a look (theme, color), a kind and a random generator. Out: (size, size, 3) uint8 RGB.
"""

import cv2
import numpy as np

from rag_lib.drawn.drawing import animals, landscapes, things
from rag_lib.drawn.drawing.backgrounds import lay_down, room
from rag_lib.drawn.drawing.canvas import Canvas
from rag_lib.drawn.drawing.palette import THEMES, check_look, check_name
from rag_lib.drawn.drawing.products import pose, working_side
from rag_lib.drawn.drawing.textures import texture

# kind -> (how it is drawn, where it is seen, period of the motif)
_THINGS = {
    "umbrella": (things.umbrella, "outdoors", 0.16),
    "vase": (things.vase, "table", 0.15),
    "t-shirt": (things.t_shirt, "wall", 0.16),
    "flag": (things.flag, "sky", 0.17),
    "ball": (things.ball, "outdoors", 0.19),
    "kite": (things.kite, "sky", 0.16),
    "pillow": (things.pillow, "wall", 0.18),
    "balloon": (things.balloon, "sky", 0.17),
    "mug": (things.mug, "table", 0.18),
    "gift": (things.gift, "table", 0.17),
    "heart pillow": (things.heart_pillow, "wall", 0.17),
    "tent": (things.tent, "outdoors", 0.17),
    "cap": (things.cap, "wall", 0.17),
    "log": (things.log, "outdoors", 0.16),
    "column": (things.column, "table", 0.16),
    "house": (things.house, "outdoors", 0.15),
}
_ANIMALS = {
    ("leopard", "animal"): (animals.big_cat, 0.115),
    ("tiger", "animal"): (animals.big_cat, 0.115),
    ("zebra", "animal"): (animals.zebra, 0.085),
    ("giraffe", "animal"): (animals.giraffe, 0.1),
    ("leopard", "portrait"): (animals.cat_portrait, 0.15),
    ("tiger", "portrait"): (animals.cat_portrait, 0.15),
    ("zebra", "portrait"): (animals.hoofed_portrait, 0.12),
    ("giraffe", "portrait"): (animals.hoofed_portrait, 0.13),
}
_VIEWS = {
    "closeup": landscapes.closeup,
    "fabric": landscapes.fabric,
    "flower field": landscapes.flower_field,
    "night sky": landscapes.night_sky,
    "starry sky": landscapes.starry_sky,
    "sea": landscapes.sea,
    "wall": landscapes.wall,
    "floor": landscapes.floor,
    "pennants": landscapes.pennants,
}
_CLOTH = ("umbrella", "t-shirt", "flag", "pillow", "fabric", "closeup")
_COLORED = (*_CLOTH, "vase", "ball", "kite", "balloon", "mug", "gift", "pennants")

QUERY_KINDS = {
    **dict.fromkeys(
        ("leopard", "zebra", "tiger", "giraffe"), ("animal", "portrait", "t-shirt", "pillow", "fabric", "closeup")
    ),
    "camouflage": ("tent", "cap", "t-shirt", "fabric", "closeup"),
    "wood": ("log", "floor", "wall", "closeup"),
    "brick": ("wall", "house", "closeup"),
    "marble": ("column", "floor", "vase", "closeup"),
    "galaxy": ("night sky", "closeup", "umbrella", "fabric", "t-shirt"),
    "plain": tuple(kind for kind in _COLORED if kind != "closeup"),
    "stripes": _COLORED,
    "dots": _COLORED,
    "checks": _COLORED,
    "floral": (*_COLORED, "flower field"),
    "waves": (*_COLORED, "sea"),
    "hearts": (*_COLORED, "heart pillow"),
    "stars": (*_COLORED, "starry sky"),
}
assert tuple(sorted(QUERY_KINDS)) == tuple(sorted(THEMES))
_OFTEN = ("animal", "portrait", "flower field", "night sky", "sea", "wall", "floor", "closeup")
NO_FLOWERS = ("black", "grey", "brown", "green")  # no meadow blooms in these, unless it is asked for


def draw_query_picture(
    rng: np.random.Generator, theme: str, color: str, kind: str | None = None, size: int = 320
) -> np.ndarray:
    """Draw a picture that shows a theme on something that is no product, (size, size, 3) uint8 RGB.

    `kind`: one of `QUERY_KINDS[theme]`; None draws one at random, the most telling ones twice as often.
    Raises RagError for an unknown theme, color or kind.
    """
    check_look(theme, color)
    kinds = QUERY_KINDS[theme]
    if kind is None:
        kinds = [one for one in kinds if not (one == "flower field" and color in NO_FLOWERS)]
        weights = np.array([2.0 if one in _OFTEN else 1.0 for one in kinds])
        kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    check_name(f"kind of picture for the theme {theme!r}", kind, QUERY_KINDS[theme])
    side = working_side(size)
    if kind in _VIEWS:
        view = _VIEWS[kind](rng, theme, color, side)
        return _finish(rng, cv2.resize(view, (size, size), interpolation=cv2.INTER_AREA))
    if (theme, kind) in _ANIMALS:
        outline, period = _ANIMALS[theme, kind]
        place = "savanna" if kind == "animal" or rng.random() < 0.6 else "wall"
    else:
        outline, place, period = _THINGS[kind]
    pixels, base = texture(rng, theme, color, side, period=period)
    canvas = Canvas(pixels, base)
    outline(canvas, rng)
    near = (0.88, 0.97) if kind in ("animal", "portrait") else (0.74, 0.92)
    stands = place in ("savanna", "outdoors", "table")
    tilt = 2.0 if stands else 6.0
    figure = pose(rng, canvas, size, tilt=tilt, reach=near, stands=stands, bust=kind == "portrait")
    return lay_down(rng, figure, _place(rng, place, size, side, base), stands=stands)


def _place(rng: np.random.Generator, place: str, size: int, side: int, base: np.ndarray) -> np.ndarray:
    """The background of a figure, (size, size, 3) float32."""
    if place in ("wall", "table"):
        return room(rng, size, base, table=place == "table")
    if place == "savanna":
        view = landscapes.savanna(rng, side)
    elif place == "sky":
        view = landscapes.sky(side, (128, 190, 238), (236, 244, 248), 1.0)
        landscapes.clouds(rng, view, 3)
    else:
        view = landscapes.meadow(rng, side)
    return cv2.resize(view, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)


def _finish(rng: np.random.Generator, view: np.ndarray) -> np.ndarray:
    """The light of the hour and the grain of the camera."""
    size = len(view)
    light = rng.uniform(0.93, 1.06) * (1 + rng.uniform(-0.025, 0.025, 3))
    grain = rng.uniform(0.2, 2.2)
    picture = view * light.astype(np.float32)
    picture += rng.standard_normal((size, size, 1), dtype=np.float32) * np.float32(grain)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)

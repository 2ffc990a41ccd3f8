"""The numbered grid that a vision-language model sees: the query picture at the left, the candidates at its right.

In: the query picture (or None) and 1 to 25 candidates, as paths or PIL images. Out: one RGB picture. Candidate i of the
list carries the number i + 1, as its rank does, or a label of your own. Aspect ratios are kept; the same input gives
the same pixels.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from rag_lib.errors import RagError
from rag_lib.images import ImageError, thumbnail

MAX_IMAGES = 25
MIN_TILE, MAX_TILE = 32, 1024  # pixels
BLUE = (0, 84, 255)
LINES = (214, 214, 214)  # between the tiles, so that white-ground products stay apart
PAPER = (255, 255, 255)

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


class Layout(NamedTuple):
    """Where everything lies: `query` is None without a query picture; `tiles[i]` is the box of number i + 1."""

    size: tuple[int, int]
    query: Box | None
    tiles: tuple[Box, ...]


def layout(count: int, *, columns: int | None = None, tile: int = 300, query: bool = True) -> Layout:
    """The boxes for `count` candidates in rows of `columns` (None: 3, from ten on 5), each `tile` pixels square.

    The query picture is one tile large beside a single row, one and a half beside more. RagError for values outside
    1..25 candidates, 1..25 columns, 32..1024 pixels.
    """
    _check("candidates", count, 1, MAX_IMAGES)
    if columns is None:
        columns = 3 if count <= 9 else 5
    _check("columns", columns, 1, MAX_IMAGES)
    _check("tile", tile, MIN_TILE, MAX_TILE)
    columns = min(columns, count)
    rows = -(-count // columns)
    gap = _gap(tile)
    edge = (tile if rows == 1 else tile * 3 // 2) if query else 0
    border = 2 * gap
    bar = _font_size(tile) + 3 * gap  # the label's bar on top of the query picture
    left = edge + 2 * border + 2 * gap if query else 0
    query_box = (border, bar, border + edge, bar + edge) if query else None
    tiles = []
    for index in range(count):
        row, column = divmod(index, columns)
        x, y = left + gap + column * (tile + gap), gap + row * (tile + gap)
        tiles.append((x, y, x + tile, y + tile))
    height = max(gap + rows * (tile + gap), bar + edge + border if query else 0)
    return Layout((left + gap + columns * (tile + gap), height), query_box, tuple(tiles))


def panorama(
    query_image: Any,
    images: Sequence[Any],
    columns: int | None = None,
    tile: int = 300,
    *,
    labels: Sequence[object] | None = None,
) -> Image.Image:
    """Draw the grid. `columns`: None for 3, from ten candidates on 5. `tile`: thumbnail edge, pixels.

    `labels`: what the candidates carry in their corners, one each, a few characters long; None for 1, 2, 3, ...
    `query_image`: a path, a PIL image, or None for a query without a picture. An unreadable query raises ImageError;
    an unreadable candidate becomes a grey tile that says so, so that numbers and candidates always agree.
    """
    places = layout(len(images), columns=columns, tile=tile, query=query_image is not None)
    labels = range(1, len(images) + 1) if labels is None else labels
    if len(labels) != len(images):
        raise RagError(f"The panorama was given {len(labels)} labels for {len(images)} candidates; give one each.")
    canvas = Image.new("RGB", places.size, PAPER)
    draw = ImageDraw.Draw(canvas)
    gap = _gap(tile)
    if places.query:
        _draw_query(canvas, draw, places.query, query_image, tile)
    for image, box, label in zip(images, places.tiles, labels, strict=True):
        left, top, right, bottom = box
        draw.rectangle((left - gap, top - gap, right + gap - 1, bottom + gap - 1), LINES)
        draw.rectangle((left, top, right - 1, bottom - 1), PAPER)
        try:
            paste_fitted(canvas, thumbnail(image, tile), box)
        except ImageError:
            draw.rectangle((left, top, right - 1, bottom - 1), (160, 160, 160))
            middle = ((left + right) / 2, (top + bottom) / 2)
            draw.text(middle, "unreadable", (40, 40, 40), ImageFont.load_default(max(8, tile // 10)), anchor="mm")
        _badge(draw, (left, top), str(label), tile)
    return canvas


def paste_fitted(canvas: Image.Image, image: Image.Image, box: Box) -> Box:
    """Paste `image`, as large as `box` allows with its aspect ratio kept, in the middle of it; the box it covers."""
    left, top, right, bottom = box
    scale = min((right - left) / image.width, (bottom - top) / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size != image.size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    x, y = left + (right - left - size[0]) // 2, top + (bottom - top - size[1]) // 2
    canvas.paste(image, (x, y))
    return x, y, x + size[0], y + size[1]


def _draw_query(canvas: Image.Image, draw: ImageDraw.ImageDraw, box: Box, image: Any, tile: int) -> None:
    left, top, right, bottom = box
    border = 2 * _gap(tile)
    draw.rectangle((left - border, 0, right + border - 1, bottom + border - 1), BLUE)
    draw.rectangle((left, top, right - 1, bottom - 1), PAPER)
    paste_fitted(canvas, thumbnail(image, right - left), box)
    font = ImageFont.load_default(_font_size(tile))
    draw.text(((left + right) / 2, top / 2), "query", PAPER, font, anchor="mm")


def _badge(draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, tile: int) -> None:
    """White digits on black with a white rim: readable on dark and on light pictures."""
    size = _font_size(tile)
    font = ImageFont.load_default(size)
    height = round(size * 1.3)
    width = max(height, round(draw.textlength(text, font) + size * 0.6))
    rim = max(1, size // 12)
    inset = rim + _gap(tile) // 2
    x, y = corner[0] + inset, corner[1] + inset
    draw.rounded_rectangle((x - rim, y - rim, x + width + rim, y + height + rim), size // 4 + rim, PAPER)
    draw.rounded_rectangle((x, y, x + width, y + height), size // 4, (0, 0, 0))
    draw.text((x + width / 2, y + height / 2), text, PAPER, font, anchor="mm")


def _gap(tile: int) -> int:
    return max(1, tile // 75)


def _font_size(tile: int) -> int:
    return max(10, round(tile * 0.13))


def _check(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RagError(f"The panorama was asked for {name} = {value!r}; expected a whole number from {low} to {high}.")

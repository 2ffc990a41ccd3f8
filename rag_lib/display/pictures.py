"""Pictures for notebooks: galleries, a query with its results, the winner with its reason.

In: records (Item, Hit, Query, Ranking). Out: a `Picture`, at most 900 pixels wide.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw

from rag_lib.display.picture import Picture
from rag_lib.errors import RagError
from rag_lib.images import ImageError, open_image, thumbnail
from rag_lib.panorama import BLUE, paste_fitted
from rag_lib.records import Evidence, Hit, Item, Query, Ranking
from rag_lib.typeset import font_for, line_height, wrap

WIDTH = 900  # pixels
GAP = 14
LABEL = 150  # pixels: of the labels beside rows
INK, SOFT, LINE, PAPER = (32, 33, 36), (112, 117, 122), (222, 225, 230), (255, 255, 255)
GREEN, AMBER, RED = (22, 148, 72), (178, 110, 0), (200, 40, 40)


class _Cell(NamedTuple):
    image: Any
    head: str = ""  # under the picture at the left, dark
    aside: str = ""  # in the same line at the right
    title: str = ""  # one or two lines below
    frame: tuple[int, int, int] = LINE


def show(image: Any, *, width: int = WIDTH, alt: str = "") -> Picture:
    """One picture (a path or a PIL image, such as a panorama), at most `width` pixels wide; `alt`: what it shows."""
    image = open_image(image)
    if image.width > width:
        image = image.resize((width, max(1, round(image.height * width / image.width))), Image.Resampling.LANCZOS)
    return Picture(image, alt=alt)


def gallery(
    entries: Sequence[Any],
    *,
    columns: int = 6,
    captions: Sequence[str] | None = None,
    highlight: str | Sequence[str] = (),
    width: int = WIDTH,
) -> Picture:
    """Hits (with rank and score), items (with title), paths or PIL images, in rows of `columns`.

    `captions`: one text each, in place of the titles. `highlight`: image ids to frame in green.
    """
    if columns < 1:
        raise RagError(f"The gallery was asked for columns = {columns}; expected at least 1.")
    if captions is not None and len(captions) != len(entries):
        raise RagError(
            f"The gallery was given {len(captions)} captions for {len(entries)} pictures: give one for each."
        )
    green = {highlight} if isinstance(highlight, str) else set(highlight)
    cells = [_cell(entry, captions[index] if captions else None, green) for index, entry in enumerate(entries)]
    return Picture(_grid(cells, columns, width, largest=200), alt=f"Pictures: {_listed(cells)}")


def show_results(
    query: Query, hits: Sequence[Hit], *, columns: int = 5, highlight: str | Sequence[str] = ()
) -> Picture:
    """The query (picture and instruction) at the left, its hits with rank, score and title at the right."""
    green = {highlight} if isinstance(highlight, str) else set(highlight)
    left = _query_panel(query, 190)
    cells = [_cell(hit, None, green) for hit in hits]
    right = _grid(cells, columns, WIDTH - left.width, largest=150)
    return Picture(_beside(left, right), alt=f"{_asked(query)} Hits: {_listed(cells)}")


def show_rows(rows: Mapping[str, Sequence[Hit]], *, columns: int = 6, unwanted: Sequence[str] = ()) -> Picture:
    """Several searches below each other: the label of each at the left, its first `columns` hits at the right.

    `unwanted`: image ids to frame in red.
    """
    red, strips, told = set(unwanted), [], []
    largest = (WIDTH - LABEL - GAP) // columns - GAP
    for label, hits in rows.items():
        frames = [RED if hit.item.image_id in red else LINE for hit in hits[:columns]]
        cells = [_cell(hit, None, set())._replace(frame=frame) for hit, frame in zip(hits, frames, strict=False)]
        grid = _grid(cells, columns, WIDTH - LABEL, largest=largest)
        strips.append(_beside(_text_block([(label, 15, INK)], LABEL), grid))
        told.append(f"{label}: {_listed(cells)}")
    canvas = Image.new("RGB", (max(strip.width for strip in strips), sum(strip.height for strip in strips)), PAPER)
    for number, strip in enumerate(strips):
        canvas.paste(strip, (0, sum(above.height for above in strips[:number])))
    return Picture(canvas, alt="Rows of hits. " + " ".join(told))


def best(ranking: Ranking, query: Query) -> Picture:
    """The explanation card: the query, the winner beside it, and why it won."""
    hit = ranking.best
    cell = _cell(hit, None, {hit.item.image_id})._replace(head="best", aside=f"search rank {hit.rank}")
    left = _beside(_query_panel(query, 210), _grid([cell], 1, 250, largest=250))
    why = _why(ranking.reason, ranking.evidence.get(hit.item.image_id, Evidence()), WIDTH - left.width)
    return Picture(_beside(left, why), alt=f"{_asked(query)} Best: {hit.item.title}. Why: {ranking.reason}")


def _asked(query: Query) -> str:
    """The query in words."""
    text = f'"{query.text}"' if query.text else ""
    return f"Query: {' and '.join(filter(None, ['a picture' if query.image is not None else '', text]))}."


def _listed(cells: Sequence[_Cell], most: int = 12) -> str:
    names = [" ".join(filter(None, [cell.head, cell.title])) or _file_of(cell.image) for cell in cells[:most]]
    more = f", and {len(cells) - most} more" if len(cells) > most else ""
    return f"{', '.join(names) or 'none'}{more}."


def _file_of(image: Any) -> str:
    return Path(image).stem if isinstance(image, str | Path) else "untitled"


def _cell(entry: Any, caption: str | None, green: set[str]) -> _Cell:
    if isinstance(entry, Hit):
        frame = GREEN if entry.item.image_id in green else LINE
        title = entry.item.title if caption is None else caption
        return _Cell(entry.item.path, f"{entry.rank}", f"{entry.score:.2f}", title, frame)
    if isinstance(entry, Item):
        frame = GREEN if entry.image_id in green else LINE
        return _Cell(entry.path, title=entry.title if caption is None else caption, frame=frame)
    return _Cell(entry, title=caption or "")


def _grid(cells: Sequence[_Cell], columns: int, width: int, *, largest: int) -> Image.Image:
    """Cells in rows; tiles as large as `width` allows, up to `largest` pixels."""
    if not cells:
        return _text_block([("no hits", 15, SOFT)], width)
    columns = min(columns, len(cells))
    tile = max(24, min(largest, (width - GAP) // columns - GAP))
    rows = -(-len(cells) // columns)
    heads = any(cell.head or cell.aside for cell in cells)
    fonts = [font_for(cell.title, 12) for cell in cells]
    titles = [wrap(cell.title, font, tile, 2) for cell, font in zip(cells, fonts, strict=True)]
    below = 4 + heads * line_height(14) + max(map(len, titles)) * line_height(12)
    canvas = Image.new("RGB", (columns * (tile + GAP) + GAP, rows * (tile + below + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(canvas)
    for index, (cell, font, lines) in enumerate(zip(cells, fonts, titles, strict=True)):
        row, column = divmod(index, columns)
        x, y = GAP + column * (tile + GAP), GAP + row * (tile + below + GAP)
        paste_tile(canvas, cell.image, (x, y, x + tile, y + tile), cell.frame)
        y += tile + 4
        if heads:
            draw.text((x + 1, y), cell.head, GREEN if cell.frame == GREEN else INK, font_for(cell.head, 14))
            draw.text((x + tile - 1, y), cell.aside, SOFT, font_for(cell.aside, 13), anchor="ra")
            y += line_height(14)
        _lines(draw, x + 1, y, lines, font, SOFT if heads else INK)
    return canvas


def _query_panel(query: Query, tile: int) -> Image.Image:
    font = font_for(query.text or "", 15)
    lines = wrap(query.text or "", font, tile, 8)
    top = GAP + (tile + 8 if query.image is not None else 0)
    canvas = Image.new("RGB", (tile + 2 * GAP, top + line_height(14) + len(lines) * line_height(15) + GAP), PAPER)
    draw = ImageDraw.Draw(canvas)
    if query.image is not None:
        paste_tile(canvas, query.image, (GAP, GAP, GAP + tile, GAP + tile), BLUE)
    draw.text((GAP + 1, top), "query", BLUE, font_for("query", 14))
    _lines(draw, GAP + 1, top + line_height(14), lines, font, INK)
    return canvas


def _why(reason: str, evidence: Evidence, width: int) -> Image.Image:
    parts = [("why", 14, GREEN), (reason or "The reranker gave no reason.", 15, INK)]
    for name, phrases, color in (
        ("keeps", evidence.keeps, GREEN),
        ("changes", evidence.changes, AMBER),
        ("violates", evidence.violates, RED),
    ):
        if phrases:
            parts += [("", 6, INK), (name, 13, color), (", ".join(phrases), 14, INK)]
    return _text_block(parts, width)


def _text_block(parts: Sequence[tuple[str, int, tuple[int, int, int]]], width: int) -> Image.Image:
    """Paragraphs (text, size in pixels, color), wrapped to `width`."""
    fonts = [font_for(text, size) for text, size, _ in parts]
    wrapped = [wrap(part[0], font, width - 2 * GAP, 14) or [""] for part, font in zip(parts, fonts, strict=True)]
    height = sum(len(lines) * line_height(part[1]) for part, lines in zip(parts, wrapped, strict=True))
    canvas = Image.new("RGB", (width, height + 2 * GAP), PAPER)
    y = GAP
    for (_, _, color), font, lines in zip(parts, fonts, wrapped, strict=True):
        y = _lines(ImageDraw.Draw(canvas), GAP, y, lines, font, color)
    return canvas


def _lines(draw: ImageDraw.ImageDraw, x: int, y: int, lines: Sequence[str], font, color) -> int:
    for line in lines:
        draw.text((x, y), line, color, font)
        y += line_height(font.size)
    return y


def paste_tile(canvas: Image.Image, image: Any, box: tuple[int, int, int, int], frame: tuple[int, int, int]) -> None:
    """The picture with round corners and a thin frame, a strong one in any color but grey."""
    edge = box[2] - box[0]
    tile = Image.new("RGB", (edge, edge), PAPER)
    try:
        paste_fitted(tile, thumbnail(image, edge), (0, 0, edge, edge))
    except ImageError:
        ImageDraw.Draw(tile).rectangle((0, 0, edge, edge), (235, 235, 235))
        ImageDraw.Draw(tile).text((edge / 2, edge / 2), "unreadable", SOFT, font_for("", 12), anchor="mm")
    strength = 1 if frame == LINE else 4
    scale = 4  # Pillow draws round corners without antialiasing: draw large, then shrink
    for inset, fill in ((0, Image.new("RGB", tile.size, frame)), (strength, tile)):
        mask = Image.new("L", (edge * scale, edge * scale))
        corner, far = inset * scale, (edge - inset) * scale - 1
        ImageDraw.Draw(mask).rounded_rectangle((corner, corner, far, far), (10 - inset) * scale, 255)
        canvas.paste(fill, box[:2], mask.resize(tile.size, Image.Resampling.BOX))


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), PAPER)
    canvas.paste(left, (0, 0))
    canvas.paste(right, (left.width, 0))
    return canvas

"""Queries of the drawn benchmark beside what answers them, and beside what fools them.

In: a `Benchmark` and its queries, or the `Failure`s of a run; out: a `Picture`.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image, ImageDraw

from rag_lib.display.pictures import AMBER, GAP, GREEN, INK, PAPER, RED, SOFT, WIDTH, paste_tile
from rag_lib.display.pictures import Picture as Shown
from rag_lib.evaluation.drawn.benchmark import Benchmark
from rag_lib.evaluation.drawn.failures import Failure
from rag_lib.evaluation.drawn.plan import DrawnQuery, Picture, answers, hard_negatives
from rag_lib.panorama import BLUE
from rag_lib.typeset import font_for, line_height, wrap

HEAD, TEXT = 13, 12  # pixels
MOST_LINES = 4
SHARES = {
    "picture": "fits the picture only",
    "words": "fits the words only",
    "near": "misses one attribute",
}


class _Tile(NamedTuple):
    image: Any  # None: words alone
    frame: tuple[int, int, int]
    head: str  # in the color of the frame
    lines: tuple[str, ...]


def show_examples(benchmark: Benchmark, queries: Sequence[DrawnQuery], *, gallery: str = "standard") -> Shown:
    """A row a query: picture and words, a right answer (green), a hard negative of each kind (amber)."""
    shelf, rows = benchmark.plan.shelf(gallery), []
    for query in queries:
        row = [_query(benchmark, query)]
        right = min(answers(query, shelf))
        row.append(_tile(benchmark, benchmark.plan.pictures[right], GREEN, "right answer"))
        for kind, some in hard_negatives(query, shelf).items():
            if some:
                row.append(_tile(benchmark, benchmark.plan.pictures[min(some)], AMBER, SHARES[kind]))
        rows.append(row)
    return _sheet(rows, 1, largest=165, empty="no queries")


def show_failures(found: Sequence[Failure], benchmark: Benchmark, *, most: int = 12) -> Shown:
    """The query, its first hit (red) with what is wrong in it, the right answer (green) with its rank.

    Of more than `most` failures, the families take turns.
    """
    rows = []
    for failure in _in_turn(found)[:most]:
        first = _tile(benchmark, failure.first, RED, "first hit")
        wrong = f"wrong: {', '.join(failure.wrong)}" if failure.wrong else "the query's own picture"
        rank = f"right, rank {failure.rank}" if failure.rank else "right, not found"
        rows.append(
            [
                _query(benchmark, failure.query),
                first._replace(lines=(*first.lines, wrong)),
                _tile(benchmark, failure.right, GREEN, rank),
            ]
        )
    return _sheet(rows, 2, largest=130, empty="no failures: every first hit is a right answer")


def describe(picture: Picture) -> str:
    """What a picture shows: "red dots, toaster"; of a query picture its kind: "leopard, animal"."""
    category, theme, color = picture.shown
    look = theme if color == "natural" else f"{color} {theme}"
    return f"{look}, {category or picture.kind}"


def _in_turn(found: Sequence[Failure]) -> list[Failure]:
    families: dict[str, list[Failure]] = {}
    for failure in found:
        families.setdefault(failure.query.family, []).append(failure)
    return [each for turn in itertools.zip_longest(*families.values()) for each in turn if each]


def _query(benchmark: Benchmark, query: DrawnQuery) -> _Tile:
    image = benchmark.path(query.image_id) if query.image_id else None
    return _Tile(image, BLUE, query.family, (f"“{query.text}”",) if query.text else ())


def _tile(benchmark: Benchmark, picture: Picture, frame: tuple[int, int, int], head: str) -> _Tile:
    return _Tile(benchmark.path(picture.image_id), frame, head, (describe(picture),))


def _sheet(rows: Sequence[Sequence[_Tile]], columns: int, *, largest: int, empty: str) -> Shown:
    """Rows of tiles, `columns` rows side by side, all tiles of one size."""
    if not rows:
        canvas = Image.new("RGB", (WIDTH, line_height(15) + 2 * GAP), PAPER)
        ImageDraw.Draw(canvas).text((GAP, GAP), empty, SOFT, font_for(empty, 15))
        return Shown(canvas, alt=empty)
    space = 2 * GAP  # between rows that stand side by side
    across = max(map(len, rows))
    tile = min(largest, ((WIDTH - (columns - 1) * space) // columns - GAP) // across - GAP)
    step = across * (tile + GAP) + GAP
    texts = [[_wrap_text(each, tile) for each in row] for row in rows]
    canvas_height, tops = GAP, []
    for start in range(0, len(rows), columns):
        tops.append(canvas_height)
        lines = max(len(lines) for row in texts[start : start + columns] for lines in row)
        canvas_height += tile + 4 + line_height(HEAD) + lines * line_height(TEXT) + GAP
    columns = min(columns, len(rows))
    canvas = Image.new("RGB", (columns * step + (columns - 1) * space, canvas_height), PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (row, wrapped) in enumerate(zip(rows, texts, strict=True)):
        line, column = divmod(number, columns)
        for place, (each, lines) in enumerate(zip(row, wrapped, strict=True)):
            x, y = GAP + column * (step + space) + place * (tile + GAP), tops[line]
            if each.image is not None:
                paste_tile(canvas, each.image, (x, y, x + tile, y + tile), each.frame)
            y += tile + 4
            draw.text((x, y), each.head, each.frame, font_for(each.head, HEAD))
            y += line_height(HEAD)
            for text, font, color in lines:
                draw.text((x, y), text, color, font)
                y += line_height(TEXT)
    told = ("; ".join(" ".join((each.head, *each.lines)) for each in row) for row in rows)
    return Shown(canvas, alt=f"{len(rows)} queries. {'. '.join(told)}.")


def _wrap_text(tile: _Tile, width: int) -> list[tuple]:
    """(line, font, color): the words of the query and what a picture shows, then softer remarks."""
    lines = []
    for number, text in enumerate(tile.lines):
        font = font_for(text, TEXT)
        lines += [(line, font, SOFT if number else INK) for line in wrap(text, font, width, MOST_LINES)]
    return lines

"""A map of embeddings: pictures that the encoder finds alike lie side by side.

In: items and their vectors, and the queries to mark. Out: a `Picture`. The vectors are laid out in the plane; then each
picture takes the free cell nearest to its place, so that no thumbnail hides another.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm.auto import tqdm

from rag_lib.display.pictures import GAP, LINE, PAPER, SOFT, WIDTH, Picture, paste_tile
from rag_lib.errors import RagError
from rag_lib.panorama import BLUE
from rag_lib.records import Item
from rag_lib.typeset import font_for, line_height, wrap

HEIGHT = 720  # pixels, at most, without the caption
SMALLEST, LARGEST = 34, 140  # edge of a cell, pixels
ROOM = 3  # cells for each picture, while they are not the smallest
REACH = 1.5  # cells that a thumbnail may stand from its place on a crowded map
MOST = 1000  # embeddings that are laid out: t-SNE takes seconds for these, minutes for ten times as many
BESIDE = 3  # pictures that each mark has placed before another one takes room
NEAREST = 25  # pictures around each mark that a sample keeps
FEW = 50  # among so few there are no neighborhoods for t-SNE to find
PERPLEXITY = 30  # neighbors that t-SNE keeps together; the paper: between 5 and 50


def embedding_map(
    items: Sequence[Item], vectors: np.ndarray, *, marks: Mapping[str, np.ndarray] | None = None
) -> Picture:
    """Thumbnails laid out by t-SNE (van der Maaten & Hinton 2008, Visualizing Data using t-SNE) of the cosines.

    `vectors`: (n, dim) unit rows, row i for `items[i]`. `marks`: label -> (dim,) unit vector, such as queries; they
    are laid out together with the pictures and drawn as labels. A picture for which there is no room near its place
    is left out; those nearest to a mark take theirs first. Fewer than 50 embeddings are laid out by their two
    principal components instead, and of more than 1000 pictures a sample is taken. The same input gives the same map.

    What lies close is alike. How far apart groups lie, and how large they are, means little under t-SNE.
    Raises RagError if the counts or dimensions do not agree.
    """
    marks = marks or {}
    if len(items) != len(vectors):
        raise RagError(f"The map was given {len(vectors)} vectors for {len(items)} items: give one for each.")
    if not len(items):
        return Picture(_caption("no pictures"))
    vectors = np.asarray(vectors, np.float32)
    labels = np.asarray(list(marks.values()) or vectors[:0], np.float32)
    if labels.shape[1] != vectors.shape[1]:
        raise RagError(
            f"The marks have {labels.shape[1]} dimensions and the pictures {vectors.shape[1]}: "
            "embed both with the same encoder."
        )
    cosines = vectors @ labels.T
    ranks = np.argsort(np.argsort(-cosines, axis=0, kind="stable"), axis=0, kind="stable")  # from 0, for each mark
    kept = _sample(ranks)
    method, plane = _lay_out(np.concatenate([vectors[kept], labels]))

    board = _Board(len(plane))
    places = board.places(plane)
    corners = {}
    for index in _order(cosines[kept], ranks[kept]):
        if index < len(kept):
            corners[index] = board.take(places[index])
        else:
            board.label(list(marks)[index - len(kept)], places[index])
    shown = {index: corner for index, corner in corners.items() if corner is not None}
    for index, corner in tqdm(shown.items(), desc="map", unit="image", leave=False, delay=2):
        board.thumbnail(items[kept[index]].path, corner)

    counted = f"{len(shown)} of " if len(shown) < len(items) else ""
    told = f"{method} · {counted}{len(items)} picture{'s' * (len(items) != 1)}"
    caption = _caption(told)
    whole = Image.new("RGB", (WIDTH, board.canvas.height + caption.height), PAPER)
    whole.paste(board.canvas, (0, 0))
    whole.paste(caption, (0, board.canvas.height))
    return Picture(whole, alt=f"Map of embeddings, {told}, marked: {', '.join(marks) or 'nothing'}.")


def _sample(ranks: np.ndarray) -> np.ndarray:
    """Positions, in order: all of them, or what is nearest to a mark and every k-th of the rest, MOST in all."""
    if len(ranks) <= MOST:
        return np.arange(len(ranks))
    near = np.flatnonzero((ranks < NEAREST).any(axis=1))[:MOST]
    rest = np.setdiff1d(np.arange(len(ranks)), near)
    return np.sort(np.concatenate([near, rest[np.linspace(0, len(rest) - 1, MOST - len(near)).astype(int)]]))


def _order(cosines: np.ndarray, ranks: np.ndarray) -> list[int]:
    """Who takes room first: each mark, the surest ahead, followed by what is nearest to it; then all the rest.

    `cosines`, `ranks`: (n, marks). Pictures are 0 to n - 1, marks n and on.
    """
    order = []
    for mark in np.argsort(-cosines.max(axis=0), kind="stable"):
        order += [len(ranks) + int(mark), *np.flatnonzero(ranks[:, mark] < BESIDE).tolist()]
    order += np.argsort(ranks.min(axis=1, initial=len(ranks)), kind="stable").tolist()
    return list(dict.fromkeys(order))


def _lay_out(vectors: np.ndarray) -> tuple[str, np.ndarray]:
    """(method, (n, 2) coordinates)."""
    centered = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centered, full_matrices=False)
    plane = np.zeros((len(vectors), 2), np.float32)
    plane[:, : len(axes[:2])] = centered @ axes[:2].T
    if len(vectors) < FEW:
        return "principal components", plane
    from sklearn.manifold import TSNE

    # Begun from the principal components, not at random, it keeps more of the large order (Kobak & Berens 2019).
    start = plane / max(plane[:, 0].std(), 1e-12) * 1e-4
    near = min(PERPLEXITY, len(vectors) / 4)
    solver = TSNE(perplexity=near, metric="cosine", init=start, max_iter=500, random_state=0)
    return "t-SNE", solver.fit_transform(vectors)


class _Board:
    """A canvas of square cells; places are (column, row) in cells, whole numbers being the cells' edges."""

    def __init__(self, count: int):
        edge = math.sqrt(WIDTH * HEIGHT / (ROOM * count))
        self.edge = round(min(LARGEST, max(SMALLEST, edge)))
        columns = WIDTH // self.edge
        rows = min(HEIGHT // self.edge, math.ceil(ROOM * count / columns))
        self.free = np.ones((rows, columns), bool)
        self.left = (WIDTH - columns * self.edge) // 2
        self.canvas = Image.new("RGB", (WIDTH, rows * self.edge), PAPER)
        self.reach = REACH if self.edge == SMALLEST else math.inf

    def places(self, plane: np.ndarray) -> np.ndarray:
        """Coordinates of any scale -> places that fill the board, from the middle of its first cells to its last."""
        low, high = plane.min(axis=0), plane.max(axis=0)
        span = high - low
        share = np.where(span > 1e-6, (plane - low) / np.maximum(span, 1e-6), 0.5)
        return 0.5 + share * (np.array(self.free.shape[::-1]) - 1)

    def take(self, place: np.ndarray, *, span: int = 1, reach: float | None = None) -> tuple[int, int] | None:
        """The corner, in pixels, of the nearest `span` free cells side by side, now taken; None if out of reach."""
        rows, columns = np.nonzero(np.lib.stride_tricks.sliding_window_view(self.free, span, axis=1).all(axis=-1))
        away = np.hypot(columns + span / 2 - place[0], rows + 0.5 - place[1])
        if not len(away) or away.min() > (self.reach if reach is None else reach):
            return None
        row, column = rows[away.argmin()], columns[away.argmin()]
        self.free[row, column : column + span] = False
        return self.left + int(column) * self.edge, int(row) * self.edge

    def label(self, text: str, place: np.ndarray) -> None:
        font = font_for(text, 14)
        text = "".join(wrap(text, font, 200, 1))
        width = font.getlength(text) + 16
        span = min(math.ceil((width + 2) / self.edge), self.free.shape[1])
        corner = self.take(place, span=span, reach=math.inf)
        if corner is None:
            return
        x, y = corner[0] + span * self.edge / 2, corner[1] + self.edge / 2
        draw = ImageDraw.Draw(self.canvas)
        draw.rounded_rectangle((x - width / 2, y - 13, x + width / 2, y + 13), 8, BLUE)
        draw.text((x, y), text, PAPER, font, anchor="mm")

    def thumbnail(self, path: Path, corner: tuple[int, int]) -> None:
        x, y = corner
        paste_tile(self.canvas, path, (x + 1, y + 1, x + self.edge - 1, y + self.edge - 1), LINE)


def _caption(text: str) -> Image.Image:
    canvas = Image.new("RGB", (WIDTH, line_height(13) + GAP), PAPER)
    ImageDraw.Draw(canvas).text((GAP, GAP // 2), text, SOFT, font_for(text, 13))
    return canvas

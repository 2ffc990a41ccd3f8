"""How a Visualized BGE model makes one vector of a picture and a sentence, drawn with a query's own numbers.

In: the square that the model sees, its words, the sizes of its parts, the vector. Out: a `Picture`, narrow enough to be
read on a telephone.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from rag_lib.display.pictures import INK, LINE, PAPER, SOFT, Picture
from rag_lib.panorama import BLUE
from rag_lib.typeset import font_for, line_height, wrap

WIDTH, EDGE = 560, 208  # pixels: of the whole, of the picture
LEFT, RIGHT = 20, 296  # where the picture's column begins, and the words'
PATCH, PLACES = 28, 14  # edge of a patch in the sequence, pixels; how many have room
WARM, SIZE = (213, 94, 0), 17
NUMBERS = 256  # bars that the vector is drawn with, at most


def embedding_diagram(
    square: Image.Image, words: Sequence[str], vector: np.ndarray, *, patches: int, width: int, layers: int
) -> Picture:
    """From top to bottom: the picture in patches and the words, the sequence, BERT, the vector.

    `square`: the RGB picture as the model crops it, cut into `patches`, a square number of them; `width`: numbers of a
    patch before it becomes as long as a word; `words`: the tokens, the first of them [CLS]; `layers`: of BERT.
    """
    dim, side = len(vector), round(patches**0.5)
    image = square.resize((EDGE, EDGE), Image.Resampling.LANCZOS)
    canvas = _Canvas()
    canvas.text(LEFT, "the picture", SOFT)
    canvas.text(RIGHT, "the words", SOFT)
    top = canvas.down(26)
    canvas.image.paste(image, (LEFT, top))
    for line in (round(step * EDGE / side) for step in range(side + 1)):
        canvas.draw.line((LEFT + line, top, LEFT + line, top + EDGE), PAPER)
        canvas.draw.line((LEFT, top + line, LEFT + EDGE, top + line), PAPER)
    canvas.chips(words, RIGHT, 6)
    canvas.y = top + EDGE + 8
    canvas.text(LEFT, f"image tower: {patches} x {width}", INK)
    canvas.text(RIGHT, f"a row a word: {len(words)} x {dim}", INK)
    canvas.down(24)
    canvas.text(LEFT, f"visual_proj: {patches} x {dim}", INK)
    canvas.arrow(LEFT + 90)
    canvas.arrow(RIGHT + 90)
    canvas.down(64)
    canvas.text(LEFT, "one sequence; each row gets its position added", SOFT)
    canvas.down(28)
    _sequence(canvas, image, words, patches)
    canvas.arrow(WIDTH // 2)
    canvas.down(38)
    told = f"BERT, {layers} layers: every row reads all {len(words) + patches}"
    canvas.draw.rounded_rectangle((LEFT, canvas.y, WIDTH - LEFT, canvas.y + 40), 8, (232, 240, 254), BLUE)
    canvas.draw.text((WIDTH / 2, canvas.y + 20), told, INK, font_for(told, SIZE), anchor="mm")
    canvas.down(40)
    canvas.arrow(WIDTH // 2)
    canvas.down(38)
    canvas.text(LEFT, f"row 0, [CLS], at length 1: a vector of {dim} numbers", INK)
    canvas.down(28)
    _bars(canvas, np.asarray(vector, np.float32))
    alt = (
        f"Diagram: a picture becomes {patches} patches of {width} numbers, then of {dim}; the words become "
        f"{len(words)} rows of {dim}: {' '.join(words)}. In the order [CLS], patches, words they pass through BERT's "
        f"{layers} layers, and row 0 at length 1 is the vector of {dim} numbers."
    )
    return Picture(canvas.image.crop((0, 0, WIDTH, canvas.y + 12)), alt=alt, quality=90)


class _Canvas:
    """A column of drawings; `y`: where the next one begins."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH, 1200), PAPER)
        self.draw, self.y = ImageDraw.Draw(self.image), 12

    def down(self, pixels: int) -> int:
        self.y += pixels
        return self.y

    def text(self, x: int, text: str, color: tuple[int, int, int]) -> None:
        self.draw.text((x, self.y), text, color, font_for(text, SIZE))

    def arrow(self, x: int) -> None:
        """Below what was written last, 24 pixels long."""
        top = self.y + (28 if x != WIDTH // 2 else 8)
        self.draw.line((x, top, x, top + 18), SOFT, 3)
        self.draw.polygon(((x - 7, top + 16), (x + 7, top + 16), (x, top + 26)), SOFT)

    def chips(self, words: Sequence[str], left: int, lines: int) -> None:
        """Words in boxes, in up to `lines` lines; what has no room is an ellipsis."""
        x, last = left, self.y + (lines - 1) * 34
        for number, word in enumerate(words):
            font = font_for(word, SIZE)
            [word] = wrap(word, font, 200, 1)
            wide = round(font.getlength(word)) + 14
            if x + wide > WIDTH - LEFT:
                x = left
                self.down(34)
            if self.y >= last and number < len(words) - 1 and x + wide + 60 > WIDTH - LEFT:
                self.draw.text((x, self.y + 4), "…", INK, font_for("…", SIZE))
                break
            color = BLUE if word == "[CLS]" else WARM
            self.draw.rounded_rectangle((x, self.y, x + wide, self.y + 28), 6, PAPER, color, 2)
            self.draw.text((x + wide / 2, self.y + 14), word, INK, font, anchor="mm")
            x += wide + 6


def _sequence(canvas: _Canvas, image: Image.Image, words: Sequence[str], patches: int) -> None:
    """The three parts of it below each other, the numbers of their rows at the left."""
    left = LEFT + 96
    canvas.text(LEFT, "0", SOFT)
    canvas.chips(words[:1], left, 1)
    canvas.down(36)
    canvas.text(LEFT, f"1 to {patches}", SOFT)
    side = round(patches**0.5)
    for place, number in enumerate(_chosen(patches)):
        x = left + place * (PATCH + 2)
        if number is None:
            canvas.text(x + 8, "…", INK)
            continue
        row, column = divmod(number, side)
        box = [round(edge * EDGE / side) for edge in (column, row, column + 1, row + 1)]
        canvas.image.paste(image.crop(box).resize((PATCH, PATCH)), (x, canvas.y))
        canvas.draw.rectangle((x, canvas.y, x + PATCH, canvas.y + PATCH), None, LINE)
    canvas.down(36)
    canvas.text(LEFT, f"{patches + 1} to {patches + len(words) - 1}", SOFT)
    canvas.chips(words[1:], left, 3)
    canvas.down(36)


def _chosen(patches: int) -> list[int | None]:
    """The patches that are drawn, in order: all that have room, or some of the top, the middle and the bottom."""
    if patches <= PLACES:
        return list(range(patches))
    middle = patches // 2 + round(patches**0.5) // 4
    return [0, 1, None, *range(middle, middle + PLACES - 6), None, patches - 2, patches - 1]


def _bars(canvas: _Canvas, vector: np.ndarray) -> None:
    """The first `NUMBERS` of it, up and down from 0."""
    shown = vector[:NUMBERS]
    most, middle = max(float(np.abs(shown).max()), 1e-6), canvas.y + 34
    step = (WIDTH - 2 * LEFT) / len(shown)
    for place, value in enumerate(shown):
        x, tip = LEFT + place * step, middle - 32 * float(value) / most
        canvas.draw.rectangle(
            (x, min(middle, tip), x + max(step - 1, 1), max(middle, tip)), BLUE if value > 0 else WARM
        )
    canvas.down(72)
    told = f"up to {most:.2f} in size" + (f"; the first {NUMBERS} of them" if len(vector) > NUMBERS else "")
    canvas.text(LEFT, told, SOFT)
    canvas.down(line_height(SIZE))

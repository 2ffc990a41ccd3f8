"""Text in pictures: the font for a text, its lines at a given width. Only `display` uses it.

Pillow's bundled font has ASCII letters only; for a text with others matplotlib's bundled DejaVu Sans is taken (accents,
Greek, Cyrillic and more, but not Chinese, Japanese or Korean).
"""

import bisect
import functools
from pathlib import Path

from PIL import ImageFont


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """The bundled font that has the letters of `text`; `size` in pixels."""
    return _font(size, all(letter.isascii() or letter in "‘’“”…·" for letter in text))


@functools.lru_cache(maxsize=64)
def _font(size: int, ascii_only: bool) -> ImageFont.FreeTypeFont:
    if ascii_only:
        return ImageFont.load_default(size)
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def line_height(size: int) -> int:
    return round(size * 1.35)


def wrap(text: str, font: ImageFont.FreeTypeFont, width: int, max_lines: int) -> list[str]:
    """Lines of at most `width` pixels, broken between words (within a word only if it is too long for a line).

    What does not fit into `max_lines` is cut, with an ellipsis.
    """
    lines: list[str] = []
    current = ""
    for word in "".join(letter if letter.isprintable() else " " for letter in text).split():
        joined = f"{current} {word}" if current else word
        if _fitting(joined, font, width) == len(joined):
            current = joined
            continue
        lines += [current] if current else []
        while len(lines) <= max_lines and (fits := _fitting(word, font, width)) < len(word):
            lines.append(word[:fits])
            word = word[fits:]
        current = word
        if len(lines) > max_lines:
            break
    lines += [current] if current else []
    if len(lines) > max_lines:
        last = lines[max_lines - 1]
        while last and font.getlength(last + "…") > width:
            last = last[:-1]
        lines = [*lines[: max_lines - 1], last.rstrip(" ,.;") + "…"]
    return lines


def _fitting(text: str, font: ImageFont.FreeTypeFont, width: int) -> int:
    """How many of the first letters fit into `width` pixels: at least one, and no more than one a pixel."""
    counts = range(1, min(len(text), width) + 1)
    if len(counts) == len(text) and font.getlength(text) <= width:
        return len(text)
    return max(1, bisect.bisect(counts, width, key=lambda count: font.getlength(text[:count])))

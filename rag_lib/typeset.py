"""Text in pictures: the font for a text, its lines at a given width. Only `display` uses it.

Pillow's bundled font has ASCII letters only; for a text with others matplotlib's bundled DejaVu Sans is taken (accents,
Greek, Cyrillic and more, but not Chinese, Japanese or Korean).
"""

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
        if font.getlength(joined) <= width:
            current = joined
            continue
        if current:
            lines.append(current)
        while font.getlength(word) > width and len(word) > 1:
            fits = next((n for n in range(len(word) - 1, 0, -1) if font.getlength(word[:n]) <= width), 1)
            lines.append(word[:fits])
            word = word[fits:]
        current = word
    lines += [current] if current else []
    if len(lines) > max_lines:
        last = lines[max_lines - 1]
        while last and font.getlength(last + "…") > width:
            last = last[:-1]
        lines = [*lines[: max_lines - 1], last.rstrip(" ,.;") + "…"]
    return lines

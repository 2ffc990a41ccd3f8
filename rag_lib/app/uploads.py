"""Pictures from visitors: opened by the safe loader and shrunk.

In: what names an upload, and a box to crop to. Out: a small RGB picture in memory.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from rag_lib.errors import QueryError
from rag_lib.images import ImageError, open_image

MAX_BYTES = 10 * 2**20
MAX_EDGE = 1024  # pixels; no encoder looks at more
MIN_EDGE = 8  # pixels of a cropped picture
GONE = "That upload is not here any more: choose the picture again."


def take(upload: Any, folder: Path) -> Image.Image:
    """The picture of an upload: {"path": where the server has put it}. `folder`: of uploads; no other is opened.

    The file stays until the server clears it away, a minute or so later: two visitors who upload the same content
    share one file. Raises QueryError for what is no upload, and for a file that cannot be used.
    """
    try:
        file = Path(upload["path"]).resolve()
        if not (file.is_relative_to(folder.resolve()) and file.is_file()):
            raise FileNotFoundError
    except (OSError, ValueError, TypeError, LookupError):
        raise QueryError(GONE) from None
    try:
        return open_image(file, max_edge=MAX_EDGE)
    except ImageError as exc:
        raise QueryError(f"This picture cannot be used: {exc.reason}.") from None


def crop(image: Image.Image, box: Sequence[float] | None) -> Image.Image:
    """The part of the picture inside `box`: left, top, right, bottom as fractions of its size; None for all of it."""
    if box is None:
        return image
    try:
        left, top, right, bottom = (float(edge) for edge in box)
    except (TypeError, ValueError, OverflowError):
        raise QueryError("The crop is no box of four numbers (left, top, right, bottom) from 0 to 1.") from None
    if not (math.isfinite(left + top + right + bottom) and 0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise QueryError("The crop does not lie inside of the picture: draw it again.")
    pixels = tuple(
        round(edge * length) for edge, length in zip((left, top, right, bottom), image.size * 2, strict=True)
    )
    if pixels[2] - pixels[0] < MIN_EDGE or pixels[3] - pixels[1] < MIN_EDGE:
        raise QueryError(f"The crop is too small: at least {MIN_EDGE} x {MIN_EDGE} pixels are needed.")
    return image.crop(pixels)

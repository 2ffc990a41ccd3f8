"""Pictures inside of a page, as data: addresses, as small as the page needs them.

In: a page's HTML, or a picture's file. Out: the same with smaller pictures; what is small already stays as it is.
"""

import io
import re
from base64 import b64decode, b64encode
from pathlib import Path

from PIL import Image

from rag_lib.images import open_image

ADDRESS = re.compile(r'(?<=src=")data:image/(?:png|jpeg);base64,([A-Za-z0-9+/=\s]+)(?=")')
# JPEG quality and the longer edge in pixels, from what one does not see to what one just reads
STEPS = ((85, 1400), (75, 1000), (60, 800), (45, 640), (30, 480))


def address(picture: Image.Image | Path | str | bytes, *, quality: int = 85, edge: int = 1000) -> str:
    """`picture` as a JPEG, its longer edge at most `edge` pixels, in a data: address."""
    image = Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else picture
    image = (image if isinstance(image, Image.Image) else open_image(image)).convert("RGB")
    image.thumbnail((edge, edge))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + b64encode(data.getvalue()).decode()


def fit(page: str, limit: int) -> str:
    """`page` with its pictures made as much smaller as it takes to stay within `limit` characters, if it can be done.

    A picture that would not become smaller stays: a chart is often shorter as PNG.
    """
    for quality, edge in STEPS:
        if len(page) <= limit:
            break
        page = ADDRESS.sub(lambda match, q=quality, e=edge: _smaller(match, q, e), page)
    return page


def _smaller(match: re.Match, quality: int, edge: int) -> str:
    again = address(b64decode(match[1]), quality=quality, edge=edge)
    return min(match[0], again, key=len)

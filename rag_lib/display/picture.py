"""A picture as a notebook keeps it: a small JPEG and the words of what it shows.

In: a PIL image and its words. Out: what Jupyter shows as the last expression of a cell.
"""

import io
from base64 import b64encode
from pathlib import Path
from typing import Any

from PIL import Image


class Picture:
    """A PIL image (`.image`) that Jupyter shows as JPEG only; a bare PIL image would be kept as a large PNG.

    `alt`: what it shows, for readers who do not see it. Notebooks keep it as the picture's text.
    """

    def __init__(self, image: Image.Image, *, alt: str = "", quality: int = 85):
        self.image, self.quality = image, quality
        self.alt = "".join(letter if letter.isprintable() else " " for letter in alt)  # titles are anyone's

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        data = {"image/jpeg": b64encode(self._repr_jpeg_()).decode(), "text/plain": repr(self)}
        return data, {"image/jpeg": {"alt": repr(self)}}

    def _repr_jpeg_(self) -> bytes:
        data = io.BytesIO()
        self.image.save(data, "JPEG", quality=self.quality, optimize=True)
        return data.getvalue()

    def __repr__(self) -> str:
        return self.alt or f"<picture, {self.image.width} x {self.image.height} pixels>"

    def save(self, path: str | Path) -> Path:
        """Write it as a JPEG or PNG, by the suffix; missing folders are made."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image.save(path, quality=self.quality)
        return path

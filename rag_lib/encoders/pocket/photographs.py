"""What the pocket model cannot see, said in words that it knows: a photograph's pattern and color.

In: a query's picture; out: None for a drawing, which the pocket reads itself, and for a photograph a `Look`. The
encoder `photo` tells the two apart and names what it sees; the query then goes on in words, to the same collection.
"""

from functools import cache
from typing import NamedTuple

from rag_lib.encoders.vocabulary import Caution, Vocabulary
from rag_lib.images import open_image

PLAIN = 16  # of 255: how much the pixels of one color differ


class Photographed(Caution):
    """The query's picture is a photograph, of which the model has only what could be named."""


class Look(NamedTuple):
    """`theme`, `color`: labels, or None where no label is sure; `own`: whether the theme has a color of its own."""

    theme: str | None
    color: str | None
    own: bool = False

    @property
    def words(self) -> str:
        return " ".join(filter(None, [None if self.own else self.color, self.theme]))

    def __str__(self) -> str:
        if not self.words:
            return "Your picture is a photograph, and neither its pattern nor its color could be named: crop it."
        unsure = "" if self.theme else "; its pattern could not be named"
        return f"Your picture is a photograph, read as: {self.words}{unsure}."

    def say(self, text: str | None, vocabulary: Vocabulary) -> str:
        """The query in words: what its text names, and of what it leaves open what the picture shows."""
        named = vocabulary.named(text)
        theme = None if "theme" in named else self.theme
        color = None if "color" in named or (theme and self.own) else self.color
        seen = " ".join(filter(None, [color, theme]))
        product = named.get("category", ())
        if len(product) == 1 and not {"theme", "color"} & named.keys() and not vocabulary.unknown(text):
            return f"{seen} {next(iter(product))}".strip()  # "with this image theme" has nothing to point at any more
        return ", ".join(filter(None, [text, seen]))


@cache
def _eye(device: str):
    import torch

    from rag_lib.encoders.photo.loading import PHOTO_FOLDER, load_photo

    return load_photo(PHOTO_FOLDER, device=device, dtype=torch.float32)


def read_photograph(image, device: str) -> Look | None:
    """A path or PIL image -> its `Look`; None for a drawing. Raises ImageError."""
    if _is_plain(image):
        return None
    eye = _eye(device)
    return None if eye.is_drawn([image])[0] else Look(*eye.name_look(image))


def _is_plain(image) -> bool:
    """Whether it shows one color and nothing else: no photograph does, and the pocket reads colors itself."""
    return all(most - least <= PLAIN for least, most in open_image(image, max_edge=64).getextrema())

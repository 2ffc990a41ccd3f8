"""Pictures, words and both as one vector: *what* it is by ImageNet's classes, *how it looks* by its theme and color.

A vector has four parts. `thing`: how the network scores its 1,000 classes, or how near a text is to them; `category`,
`theme` and `color`: the shares of the labels that it knows. Of a picture and words together, what the
words name is taken from them and the rest from the picture.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from rag_lib.encoders.base import Encoder
from rag_lib.encoders.photo.looks import COLORS, OWN, SURE, Reader, lean, name_colors, read_looks, settle
from rag_lib.encoders.photo.tower import CLASSES, Tower, read_whole, to_pixels
from rag_lib.encoders.photo.typical import Typical
from rag_lib.encoders.photo.words import ClassReader, Instruction, unit
from rag_lib.encoders.recent import Recent
from rag_lib.encoders.vocabulary import Vocabulary

PARTS = ("category", "theme", "color")
REPEATED = 0.1  # a thing whose category is named beside a picture: it is said already, and the look is to decide
MICRO_BATCH = 8  # pictures at a time on a CPU: the activations of more leave its cache


class PhotoEncoder(Encoder):
    """`shares`: part -> how much of a vector's squared length it is; `labels`: attribute -> its labels.

    `softness`: of the network's standardized scores; higher lets the unlikely classes count for more.
    `kinds`: theme -> words for the things that have it in photographs; `drawings`: what a drawing looks like.
    """

    def __init__(
        self,
        tower: Tower,
        classes: ClassReader,
        readers: Mapping[str, Reader],
        *,
        labels: Mapping[str, Sequence[str]],
        shares: Mapping[str, float],
        softness: float,
        kinds: Mapping[str, Sequence[str]],
        drawings: Typical,
        instruction: Instruction,
        vocabulary: Vocabulary,
        name: str,
        fingerprint: str,
        device: str,
        dtype: torch.dtype,
    ):
        self.tower, self.classes, self.readers, self.labels = tower, classes, readers, labels
        self.softness, self.instruction, self.vocabulary = softness, instruction, vocabulary
        self.drawings, self.kinds = drawings, {theme: classes(words) for theme, words in kinds.items()}
        self._own = np.isin(labels["theme"], OWN)
        self._palette = [COLORS.index(name) for name in labels["color"]]
        self.name, self.fingerprint, self.device, self.dtype = name, fingerprint, device, dtype
        self.roots = {part: np.float32(np.sqrt(share)) for part, share in shares.items()}
        self.dim, self.composes = CLASSES + sum(len(labels[part]) for part in PARTS), "joint"
        self._recent = Recent()

    def prepare(self, source) -> np.ndarray:
        """(S, S, 3) uint8 RGB: the whole picture on white."""
        return read_whole(source)

    def embed_images(self, prepared: list[np.ndarray]) -> np.ndarray:
        return self._join(self._see(prepared))

    def embed_queries(self, prepared: list[np.ndarray] | None, texts: list[str]) -> np.ndarray:
        said, named = self._read(texts, alone=prepared is None)
        if prepared is None:
            return self._join(said)
        seen = self._see(prepared)
        seen = {part: seen[part].copy() for part in ("thing", *PARTS)}
        worded = [bool(text.strip()) for text in texts]  # a picture alone is what it is in a collection
        seen["theme"][named["theme"]] = 0
        asked = settle(seen["theme"][worded], seen["color"][worded], self._own)
        seen["theme"][worded], seen["color"][worded] = asked
        for part, rows in seen.items():
            rows[named[part]] = said[part][named[part]]
        seen["thing"][said["category"].any(axis=1)] *= REPEATED
        return self._join(seen)

    def see(self, images: Sequence) -> dict[str, np.ndarray]:
        """Pictures (paths or PIL images) -> "category", "theme" and "color", (n, labels): shares of `labels`.

        Those of "category" sum to less than 1 where the picture shows none of them. Raises ImageError.
        """
        seen = self._see([self.prepare(image) for image in images])
        return {part: seen[part] ** 2 for part in PARTS}

    def name_look(self, image) -> tuple[str | None, str | None, bool]:
        """The theme and the color of a picture (a path or PIL image), None for one that is not sure (`looks.SURE`).

        And whether the theme has colors of its own. Raises ImageError.
        """
        shares = {part: rows[0] for part, rows in self.see([image]).items()}
        theme, color = (
            self.labels[part][shares[part].argmax()] if shares[part].max() >= least else None
            for part, least in SURE.items()
        )
        return theme, color, theme in OWN

    def is_drawn(self, images: Sequence) -> np.ndarray:
        """(n,) bool: whether each picture (a path or PIL image) is like the drawings that the readers learned from."""
        return self._see([self.prepare(image) for image in images])["strange"] <= self.drawings.limit

    def _see(self, squares: list[np.ndarray]) -> dict[str, np.ndarray]:
        return self._recent(self._look, squares, key=np.ndarray.tobytes)

    @torch.inference_mode()
    def _look(self, squares: list[np.ndarray]) -> dict[str, np.ndarray]:
        stacked = np.stack(squares)
        pixels = torch.from_numpy(stacked).split(MICRO_BATCH if self.device == "cpu" else len(squares))
        seen = [self.tower(to_pixels(some.to(self.device), self.dtype)) for some in pixels]
        logits, surfaces = (torch.cat(rows).float().cpu().numpy() for rows in zip(*seen, strict=True))
        thing = soften(logits, self.softness)
        looks = {part: reader(thing if part == "category" else surfaces) for part, reader in self.readers.items()}
        evidence = np.zeros_like(looks["theme"])
        for theme, classes in self.kinds.items():
            evidence[:, self.labels["theme"].index(theme)] = (thing @ classes.T).max(axis=1)
        looks["theme"] = lean(looks["theme"], evidence)
        looks["color"] = name_colors(stacked)[:, self._palette]
        return {"thing": thing, "strange": self.drawings(surfaces, logits), **read_looks(looks)}

    def _read(self, texts: Sequence[str], *, alone: bool) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """What the texts say of each part, and the rows that say something of it."""
        things, looks = zip(*map(self.instruction, texts), strict=True)
        if alone:  # words that only ask, such as "people", are the thing where there is nothing else
            things = [
                thing if thing or named else text for thing, named, text in zip(things, looks, texts, strict=True)
            ]
        said = {part: np.zeros((len(texts), len(self.labels[part])), np.float32) for part in PARTS}
        said["thing"] = self.classes(things)
        for row, named in enumerate(looks):
            for part, labels in named.items():
                said[part][row] = [label in labels for label in self.labels[part]]
        rows = {part: np.flatnonzero(each.any(axis=1)) for part, each in said.items()}
        rows["category"] = rows["thing"]  # a thing in the words that is no product takes the picture's product away
        return {part: unit(each) for part, each in said.items()}, rows

    def _join(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        rows = unit(np.concatenate([self.roots[part] * parts[part] for part in ("thing", *PARTS)], axis=1))
        rows[~rows.any(axis=1)] = self.dim**-0.5  # words without a meaning are as near to everything
        return rows


def soften(logits: np.ndarray, softness: float) -> np.ndarray:
    """(n, classes) scores -> centered unit rows, in which a likely class counts for more than its score.

    A softmax would leave hardly more than the first few; what else a picture is a little like tells apart things that
    none of the classes is.
    """
    scores = logits - logits.mean(axis=1, keepdims=True)
    scores = np.exp(scores / scores.std(axis=1, keepdims=True) / softness)
    return unit(scores - scores.mean(axis=1, keepdims=True))

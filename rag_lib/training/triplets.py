"""Triplets to fine-tune on: a query, the picture that it wants, and pictures that it does not want.

In: a JSONL file, one object a line; paths in it are relative to the file. Out: `Triplet` records, each line checked;
then `load_pictures`, which opens every picture once. The names of the fields are those of VISTA's own fine-tuning on
CIRR (github.com/JUNJIE99/VISTA_Evaluation_FineTuning, downstream_finetune_example), other fields are left alone:

    {"q_img": "a.jpg", "q_text": "the same in red", "positive_value": "b.jpg", "hn_image": ["c.jpg", "d.jpg"]}

    q_img           the query's picture, or absent      at least one
    q_text          the instruction, or absent          of these two
    positive_value  the picture that is wanted
    hn_image        wrong ones ("hard negatives"), as many as are known, or absent
"""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag_lib.encoders.preprocess import read_square
from rag_lib.errors import RagError
from rag_lib.images import ImageError, content_id
from rag_lib.paths import resolve
from rag_lib.records import Skipped

FIELDS = ("q_img", "q_text", "positive_value", "hn_image")
SHOWN = 3  # faulty lines that an error quotes


@dataclass(frozen=True)
class Triplet:
    """One line of the file. `image`: the query's picture or None; `text`: its instruction or ""."""

    image: Path | None
    text: str
    wanted: Path
    wrong: tuple[Path, ...] = ()

    @property
    def pictures(self) -> tuple[Path, ...]:
        """All that the line names."""
        return (*((self.image,) if self.image else ()), self.wanted, *self.wrong)


@dataclass(frozen=True)
class Pictures:
    """`squares`: (n, S, S, 3) uint8, each content once; `row`: path -> its row. `ids`: the contents' hashes."""

    squares: np.ndarray
    row: dict[Path, int]
    ids: list[str]


def read_triplets(path: str | Path) -> list[Triplet]:
    """Read and check a file of triplets. Raises RagError, which names the faulty lines by number, from 1."""
    path = resolve(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # JSON may hold other signs that end a line
    except UnicodeError:
        raise RagError(f"{path.name} is not a text in UTF-8: give a JSONL file, one JSON object a line.") from None
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise RagError(f"The triplets {path.name!r} cannot be read ({reason}): give a JSONL file.") from None
    triplets, faults, first = [], [], {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            triplet = _parse(line, path.parent)
            same = first.setdefault((triplet.image, triplet.text, triplet.wanted), number)
            if same != number:
                raise RagError(f"is the same as line {same}: remove one of the two")
            triplets.append(triplet)
        except RagError as fault:
            faults.append(f"line {number} {fault}.")
    if faults:
        more = f" And {len(faults) - SHOWN} more lines." if len(faults) > SHOWN else ""
        raise RagError(f"In {path.name}: " + " ".join(faults[:SHOWN]).replace(". line", ". Line") + more)
    if not triplets:
        raise RagError(f"{path.name} holds no triplets: write one JSON object a line, with {', '.join(FIELDS)}.")
    return triplets


def _parse(line: str, folder: Path) -> Triplet:
    """A RagError's text goes on where "line 7" ends."""
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise RagError("is not a JSON object")
    for field in given.keys() - set(FIELDS):
        if near := difflib.get_close_matches(field, FIELDS, n=1, cutoff=0.8):
            raise RagError(f"has a field {field!r}; it is called {near[0]!r}")
    values = {field: given.get(field) for field in FIELDS}
    for field, expected in zip(FIELDS, (str, str, str, list), strict=True):
        if values[field] is not None and not isinstance(values[field], expected):
            raise RagError(f"gives no {'text' if expected is str else 'list'} as {field}")
    wrong = values["hn_image"] or []
    if not all(isinstance(name, str) for name in wrong):
        raise RagError("lists something in hn_image that is no path")
    text = (values["q_text"] or "").strip()
    if not values["q_img"] and not text:
        raise RagError("asks for nothing: give q_img, q_text, or both")
    if not values["positive_value"]:
        raise RagError("names no positive_value, the picture that is wanted")
    names = [values["q_img"] or values["positive_value"], values["positive_value"], *wrong]
    for name in names:
        if not (folder / name).is_file():
            raise RagError(f"names the picture {name}, which is not there")
    image, wanted, *rest = (folder / name for name in names)
    return Triplet(image if values["q_img"] else None, text, wanted, tuple(rest))


def load_pictures(triplets: Sequence[Triplet], size: int) -> tuple[list[Triplet], Pictures, list[Skipped]]:
    """Open every picture once, as squares of `size` pixels; they are kept in memory (150 KB each at 224).

    Returns the triplets that are left, the pictures, and what was skipped with its reason. A triplet without its own
    or its wanted picture goes; one without a wrong picture goes on without it. Raises RagError if more than half of
    the pictures cannot be opened.
    """
    from tqdm.auto import tqdm

    paths = sorted({path for triplet in triplets for path in triplet.pictures})
    row, rows, squares, skipped = {}, {}, [], []
    for path in tqdm(paths, desc="open pictures", unit="picture"):
        try:
            image_id = content_id(path)
            if image_id not in rows:
                squares.append(read_square(path, size))
            row[path] = rows.setdefault(image_id, len(rows))
        except ImageError as error:
            skipped.append(Skipped(path, error.reason))
    if 2 * len(skipped) > len(paths):
        raise RagError(
            f"{len(skipped)} of {len(paths)} pictures cannot be opened, first {skipped[0].path.name} "
            f"({skipped[0].reason}): see that the triplets name pictures."
        )
    left = [
        Triplet(t.image, t.text, t.wanted, tuple(path for path in t.wrong if path in row))
        for t in triplets
        if t.wanted in row and (t.image is None or t.image in row)
    ]
    return left, Pictures(np.stack(squares), row, list(rows)), skipped

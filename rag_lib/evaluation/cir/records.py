"""What every benchmark is read into: queries, and the galleries that they search."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CirQuery:
    """A reference picture and what to change in it. Pictures are named by the data set's own ids.

    `query_id`: the data set's, as a string. `targets`: the right answers, the one that the text was written for first;
    empty where they are not public. `gallery`: the name of the gallery that is searched. `subset`: CIRR's img_set, the
    reference included. `concept`: CIRCO's shared concept. `aspects`: CIRCO's semantic aspects.
    """

    query_id: str
    reference: str
    text: str
    targets: tuple[str, ...] = ()
    gallery: str = ""
    subset: tuple[str, ...] = ()
    concept: str = ""
    aspects: tuple[str, ...] = ()


@dataclass(frozen=True)
class CirBenchmark:
    """One split of a data set, with one of its galleries, ready to be asked.

    `title`: the data set's name in prose. `gallery`: "split", "captions" or "all", as `evaluate_cir` explains.
    `pictures`: id -> file (which may be missing), every picture of every gallery. `galleries`: name -> ids.
    `excludes_reference`: whether the protocol takes the reference out of the ranking. `official`: (queries, pictures)
    of the complete data set. `protocol`: it in a sentence or two, with its source.
    """

    name: str
    title: str
    split: str
    gallery: str
    queries: tuple[CirQuery, ...]
    pictures: Mapping[str, Path]
    galleries: Mapping[str, tuple[str, ...]]
    excludes_reference: bool
    official: tuple[int, int]
    protocol: str

    @property
    def size(self) -> tuple[int, int]:
        """(queries, pictures): a picture that two galleries hold counts twice, as in the papers."""
        return len(self.queries), sum(map(len, self.galleries.values()))

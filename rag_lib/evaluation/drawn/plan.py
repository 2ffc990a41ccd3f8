"""The records of the drawn benchmark: pictures to draw, queries, galleries, and which picture answers which query.

A query knows which attributes its own picture gives and which its words give; another picture is a right answer if it
shows both. So the answers follow from the attributes, whatever the gallery. Nothing is drawn here.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

GALLERIES = ("standard", "full")
FAMILIES = ("theme transfer", "attribute edit", "category swap", "text only", "image only")
COMPOSED = FAMILIES[:3]

Attributes = tuple[str | None, str | None, str | None]  # category, theme, color; None: left open
NOTHING: Attributes = (None, None, None)


@dataclass(frozen=True)
class Picture:
    """`shown`: category (None: a query picture that shows no product), theme, color. `kind`: of a query picture."""

    image_id: str
    shown: Attributes
    kind: str | None = None


@dataclass(frozen=True)
class DrawnQuery:
    """`image_id`: its own picture; `from_picture`, `from_words`: what each gives of the wanted attributes.

    `tags`: split -> value, e.g. {"combination": "unseen", "phrasing": "free-form"}.
    """

    query_id: str
    family: str
    image_id: str | None
    text: str | None
    from_picture: Attributes
    from_words: Attributes
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> Attributes:
        return tuple(word or seen for word, seen in zip(self.from_words, self.from_picture, strict=True))


class Shelf:
    """Pictures by what they show: `showing(("toaster", None, "red"))` are the ids of all red toasters."""

    def __init__(self, pictures: Iterable[Picture]):
        self._found: dict[Attributes, set[str]] = {}
        self.products: set[str] = set()
        for picture in pictures:
            if picture.shown[0]:
                self.products.add(picture.image_id)
            for some in itertools.product(*((value, None) for value in picture.shown)):
                self._found.setdefault(some, set()).add(picture.image_id)

    def showing(self, attributes: Attributes) -> set[str]:
        """The ids of the pictures that show all attributes that are not open."""
        return self._found.get(attributes, set())


def answers(query: DrawnQuery, shelf: Shelf) -> set[str]:
    """The ids of the right ones: pictures that show all that is wanted, but not the one that is asked with."""
    return shelf.showing(query.wanted) - {query.image_id}


def hard_negatives(query: DrawnQuery, shelf: Shelf) -> dict[str, set[str]]:
    """The product pictures that fool half a query, by kind -> image ids.

    "picture": they show all that the picture gives and not what the words want; "words": the other way round. Of a
    query that has only one half: "near": they miss one of the attributes that it gives.
    """
    wrong = shelf.products - shelf.showing(query.wanted) - {query.image_id}
    if NOTHING not in (query.from_picture, query.from_words):
        return {
            "picture": wrong & shelf.showing(query.from_picture),
            "words": wrong & shelf.showing(query.from_words),
        }
    near = set()
    for place, value in enumerate(query.wanted):
        if value:
            near |= shelf.showing((*query.wanted[:place], None, *query.wanted[place + 1 :]))
    return {"near": wrong & near}


@dataclass(frozen=True)
class Plan:
    """`pictures`: image_id -> Picture; `galleries`: name -> sorted image ids; `queries`: of all families."""

    split: str
    pictures: Mapping[str, Picture]
    galleries: Mapping[str, tuple[str, ...]]
    queries: tuple[DrawnQuery, ...]

    def asked(self, gallery: str) -> list[DrawnQuery]:
        """The queries of a gallery: the full one is asked only for what has exactly one answer."""
        return [query for query in self.queries if gallery == "standard" or None not in query.wanted]

    def shelf(self, gallery: str) -> Shelf:
        return Shelf(self.pictures[image_id] for image_id in self.galleries[gallery])

    def qrels(self, gallery: str) -> dict[str, dict[str, int]]:
        """query id -> {image id of a right answer: 1}, by the attributes of every picture in the gallery."""
        shelf = self.shelf(gallery)
        return {query.query_id: dict.fromkeys(sorted(answers(query, shelf)), 1) for query in self.asked(gallery)}

"""The queries of the drawn benchmark: every family's own mixture of splits, and for each a picture, words, an answer.

In: a random generator and the standard gallery; out: `DrawnQuery` records, in equal numbers for every cell of a
family's splits. A query that lacks hard negatives in the standard gallery is not asked.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from rag_lib.drawn.combinations import is_held_out, query_kinds
from rag_lib.drawn.drawing import NATURAL
from rag_lib.drawn.language import write_instruction
from rag_lib.errors import RagError
from rag_lib.evaluation.drawn.phrasings import write_free_form
from rag_lib.evaluation.drawn.plan import NOTHING, Attributes, DrawnQuery, Picture, Shelf, hard_negatives

HARD = 2  # at least so many hard negatives of each kind has every query in every gallery
TRIES = 2000
COMBINATION = ("seen", "unseen")
EDITS = [*itertools.product(("color", "theme", "both"), COMBINATION), ("theme, any color", None)]
# two in three name the whole product
NAMES = [*itertools.product(("one product",), COMBINATION)] * 2 + [("any color", None), ("any theme", None)]
ALONE = [
    *itertools.product(("the same product",), COMBINATION),
    ("the same look", "seen"),
    ("the same look", "held-out"),
]


class Asker:
    """`products`: the standard gallery's; `own`: those of them that are the pictures of image-only queries.

    `seen`, `unseen`: combinations that may be wanted. `phrasings`: some of "seen", "held-out", "free-form".
    `scenes`: the query pictures that were asked with so far.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        products: Sequence[Picture],
        own: Sequence[Picture],
        *,
        seen: Sequence[Attributes],
        unseen: Sequence[Attributes],
        phrasings: Sequence[str],
    ):
        self.rng, self.shelf, self.own = rng, Shelf(products), own
        self.pools, self.phrasings = {"seen": seen, "unseen": unseen}, phrasings
        self.sources = [picture for picture in products if picture.image_id.endswith(".1")]
        self.scenes: dict[str, list[Picture]] = {"seen": [], "held-out": []}

    def make_queries(self, family: str, count: int) -> list[DrawnQuery]:
        """`count` queries of a family; the cells of its splits take turns."""
        make, cells = {
            "theme transfer": (self._theme_transfer, itertools.product(self.phrasings, COMBINATION, self.scenes)),
            "attribute edit": (self._edit, [(p, *edit) for p, edit in itertools.product(self.phrasings, EDITS)]),
            "category swap": (self._category_swap, itertools.product(self.phrasings, COMBINATION)),
            "text only": (self._text_only, [(p, *names) for p, names in itertools.product(self.phrasings, NAMES)]),
            "image only": (self._image_only, ALONE),
        }[family]
        cells, queries = list(cells), []
        for number in range(count):
            round_, cell = divmod(number, len(cells))
            for _ in range(TRIES):
                drawn = make(round_, *cells[cell])
                if drawn is None:
                    continue
                picture, text, from_picture, from_words, tags = drawn
                query_id = f"{family.replace(' ', '-')}-{number:03d}"
                own = picture.image_id if picture else None
                query = DrawnQuery(query_id, family, own, text, from_picture, from_words, tags)
                if min(map(len, hard_negatives(query, self.shelf).values())) >= HARD:
                    break
            else:
                raise RagError(f"The gallery is too small: no {family} query has {HARD} hard negatives in it.")
            if family == "theme transfer":
                self.scenes[tags["picture kind"]].append(picture)
            queries.append(query)
        return queries

    def _theme_transfer(self, _, phrasing: str, combination: str, picture_kind: str):
        """A picture of a theme on no product, and "phone case with this image theme"."""
        wanted = category, theme, color = self._one(self.pools[combination])
        if not (kinds := query_kinds(theme, color, held_out=picture_kind == "held-out")):
            return None
        kind = self._one(kinds)
        number = sum(map(len, self.scenes.values()))
        image_id = f"scene.{kind}.{theme}.{color}.{number:03d}".replace(" ", "-")
        tags = {"combination": combination, "phrasing": phrasing, "picture kind": picture_kind}
        text = self._write(phrasing, "theme transfer", wanted)
        return Picture(image_id, (None, theme, color), kind), text, (None, theme, color), (category, None, None), tags

    def _category_swap(self, _, phrasing: str, combination: str):
        """A product and "a toaster in this style"."""
        wanted = category, theme, color = self._one(self.pools[combination])
        source = self._source(combination, lambda c, t, k: c != category and (t, k) == (theme, color))
        tags = {"combination": combination, "phrasing": phrasing}
        text = self._write(phrasing, "category swap", wanted)
        return source and (source, text, (None, theme, color), (category, None, None), tags)

    def _edit(self, _, phrasing: str, edit: str, combination: str | None):
        """A product and "the same in blue", "with zebra stripes instead", or both at once."""
        wanted = category, theme, color = self._one(self.pools[combination or self._one(COMBINATION)])
        if color == NATURAL and edit != "theme":
            return None
        if edit == "color":
            source = self._source(combination, lambda c, t, k: (c, t) == (category, theme) and k != color)
            given = "color edit", (category, theme, None), (None, None, color)
        elif edit == "theme" and color != NATURAL:  # the color stays
            source = self._source(combination, lambda c, t, k: (c, k) == (category, color) and t != theme)
            given = "theme edit", (category, None, color), (None, theme, None)
        elif edit == "theme":  # the theme brings its own color
            source = self._source(combination, lambda c, t, k: c == category and t != theme)
            given = "theme edit", (category, None, None), (None, theme, NATURAL)
        elif edit == "both":
            source = self._source(combination, lambda c, t, k: c == category and t != theme and k != color)
            given = "look edit", (category, None, None), (None, theme, color)
        else:  # what had no color of its own gets a theme that comes in all
            source = self._source(combination, lambda c, t, k: (c, k) == (category, NATURAL))
            given = "theme edit", (category, None, None), (None, theme, None)
        written, from_picture, from_words = given
        tags = {"edit": edit, "phrasing": phrasing} | ({"combination": combination} if combination else {})
        return source and (source, self._write(phrasing, written, wanted), from_picture, from_words, tags)

    def _text_only(self, _, phrasing: str, names: str, combination: str | None):
        """A description, of one product or of all that share what it names."""
        wanted = category, theme, color = self._one(self.pools[combination or self._one(COMBINATION)])
        if combination is None and color == NATURAL:
            return None
        named = {
            "one product": wanted,
            "any color": (category, theme, None),
            "any theme": (category, None, color),
        }[names]
        family = "text only, no theme" if names == "any theme" else "text only, no color"
        if names == "one product" and color != NATURAL:
            family = "text only"
        tags = {"asks for": names, "phrasing": phrasing} | ({"combination": combination} if combination else {})
        return None, self._write(phrasing, family, wanted), NOTHING, named, tags

    def _image_only(self, number: int, wants: str, split: str):
        """Another picture of a product; or a picture of a theme, which asks for all that has that look."""
        if wants == "the same look":
            picture = self.scenes[split][number]
            return picture, None, picture.shown, NOTHING, {"asks for": wants, "picture kind": split}
        picture = [p for p in self.own if is_held_out(*p.shown) == (split == "unseen")][number]
        return picture, None, picture.shown, NOTHING, {"asks for": wants, "combination": split}

    def _source(self, combination: str | None, fits) -> Picture | None:
        """A product picture of the gallery to start from; where the answer was seen in training, it was too."""
        options = [p for p in self.sources if fits(*p.shown) and not (combination == "seen" and is_held_out(*p.shown))]
        return self._one(options) if options else None

    def _write(self, phrasing: str, family: str, wanted: Attributes) -> str:
        names = dict(zip(("category", "theme", "color"), wanted, strict=True))
        if phrasing == "free-form":
            return write_free_form(self.rng, family, **names)
        return write_instruction(self.rng, family, **names, held_out=phrasing == "held-out")

    def _one(self, options: Sequence):
        return options[int(self.rng.integers(len(options)))]

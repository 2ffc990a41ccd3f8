"""What a negative is worth: queries that say what they do not want, over a drawn gallery whose attributes are known.

In: a plan's gallery; out: `Negative` queries, their vectors in several ways, and what the first nine hits of each show.
A query asks for a product by words alone ("phone case", without "stripes"), or by a product's picture and words ("a
toaster in this style", without "red"), and its gallery always holds something of both: wanted, and wanted but for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag_lib.drawn.drawing import CATEGORIES, NATURAL
from rag_lib.drawn.language import COLOR_NAMES, THEME_NOUNS, write_instruction
from rag_lib.encoders import Encoder
from rag_lib.encoders.mixing import STRENGTH, subtract
from rag_lib.evaluation.drawn.benchmark import SEEDS, Benchmark
from rag_lib.evaluation.drawn.plan import Attributes, Picture, Plan, Shelf
from rag_lib.evaluation.embedding import embed_queries
from rag_lib.evaluation.measures import FIRST, rank

PER_CATEGORY = 4  # queries of a kind
KINDS = ("words, not a theme", "words, not a color", "composed, not its theme", "composed, not its color")
SHARES = ("unwanted", "allowed", "category")
AS_WORDS = "{text}, not {without}"  # the negative as a part of the instruction


@dataclass(frozen=True)
class Negative:
    """`wanted`: what a right answer shows; `unwanted`: the one attribute that it must not show, the others None."""

    query_id: str
    kind: str
    image_id: str | None
    text: str
    without: str
    wanted: Attributes
    unwanted: Attributes


def make_negatives(plan: Plan, gallery: str = "standard", *, per_category: int = PER_CATEGORY) -> list[Negative]:
    """The same queries on every call; a category for which the gallery is too small gets fewer."""
    rng = np.random.default_rng([SEEDS[plan.split], len(KINDS)])
    shelf = plan.shelf(gallery)
    products = [picture for picture in map(plan.pictures.get, plan.galleries[gallery]) if picture.shown[0]]
    queries = []
    for kind in KINDS:
        composed, place = kind.startswith("composed"), 1 if kind.endswith("theme") else 2
        for category in CATEGORIES:
            options = [p for p in products if _asks(shelf, p, category, place, composed=composed)]
            for number, choice in enumerate(rng.permutation(len(options))[:per_category]):
                source, held_out = options[int(choice)], bool(number % 2) and composed
                wanted, unwanted = _halves(source, category, place, composed=composed)
                family = "category swap" if composed else "text only, product"
                text = write_instruction(rng, family, category=category, held_out=held_out)
                names = THEME_NOUNS if place == 1 else COLOR_NAMES
                without = str(rng.choice(names.get(source.shown[place], (source.shown[place],))))
                query_id = f"without-{len(queries):03d}"
                image_id = source.image_id if composed else None
                queries.append(Negative(query_id, kind, image_id, text, without, wanted, unwanted))
    return queries


def embed_negatives(
    encoder: Encoder, benchmark: Benchmark, queries: Sequence[Negative], *, strengths: Sequence[float] = (STRENGTH,)
) -> dict[str, np.ndarray]:
    """Way of asking -> (n, dim) unit rows: without the negative, with it as words, and subtracted in each strength."""
    paths = [benchmark.path(query.image_id) if query.image_id else None for query in queries]
    said = [AS_WORDS.format(text=query.text, without=query.without) for query in queries]
    plain = embed_queries(encoder, paths, [query.text for query in queries], description="encode without the negative")
    as_words = embed_queries(encoder, paths, said, description="encode with it as words")
    alone = [query.without for query in queries]
    unwanted = embed_queries(encoder, [None] * len(queries), alone, description="encode the negative")
    return {
        "no negative": plain,
        "as words": as_words,
        **{f"subtracted, {strength:g}": subtract(plain, unwanted, strength) for strength in strengths},
    }


def shares(
    queries: Sequence[Negative], vectors: np.ndarray, pictures: np.ndarray, plan: Plan, gallery: str = "standard"
) -> np.ndarray:
    """(n, 3) float64, the columns of `SHARES`, of the first `FIRST` hits without the query's own picture.

    unwanted: the share of them that shows what is not wanted; allowed: the share of the right answers (of nine, where
    there are more) that is among them; category: the share of them that is the wanted product.
    `vectors`: (n, dim) of the queries; `pictures`: (m, dim) of the gallery in its order; unit rows.
    """
    shelf, ids, own = plan.shelf(gallery), plan.galleries[gallery], [query.image_id for query in queries]
    found = np.empty((len(queries), len(SHARES)))
    for row, (query, hits) in enumerate(zip(queries, rank(vectors, pictures, ids, without=own), strict=True)):
        first, unwanted = set(list(hits)[:FIRST]), shelf.showing(query.unwanted)
        allowed = shelf.showing(query.wanted) - unwanted - {query.image_id}
        product = shelf.showing((query.wanted[0], None, None))
        found[row] = (
            len(first & unwanted) / len(first),
            len(first & allowed) / min(FIRST, len(allowed)),
            len(first & product) / len(first),
        )
    return found


def _asks(shelf: Shelf, source: Picture, category: str, place: int, *, composed: bool) -> bool:
    """Whether a query can be made of this product: the gallery holds allowed and unwanted ones of what is wanted."""
    if source.shown[place] == NATURAL or (composed and NATURAL in source.shown):
        return False
    if composed == (source.shown[0] == category):
        return False
    wanted, unwanted = _halves(source, category, place, composed=composed)
    fitting, bad = shelf.showing(wanted), shelf.showing(unwanted)
    return bool(fitting & bad) and bool(fitting - bad)


def _halves(source: Picture, category: str, place: int, *, composed: bool) -> tuple[Attributes, Attributes]:
    """What the query wants and what not: the attribute in `place` is the source's."""
    look = [category, *(source.shown[1:] if composed else (None, None))]
    look[place] = None
    unwanted = [None, None, None]
    unwanted[place] = source.shown[place]
    return tuple(look), tuple(unwanted)

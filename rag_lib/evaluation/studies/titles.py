"""What hybrid search is worth: questions over a drawn gallery whose pictures have titles as the drawn shop writes them.

In: a benchmark's plan; out: titles, `TitleQuery` records with their exact answers, and the ranks of the first right hit
with and without BM25 over the titles, asked of a real collection. Four sorts of questions: an instruction for a
picture, a description, and a special name ("bagless vacuum cleaner") that a title holds and no picture shows, beside a
color in words or beside a picture of the motif.
"""

import tempfile
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag_lib.collection import Collection, UnfoundWords
from rag_lib.drawn.drawing import CATEGORIES, NATURAL
from rag_lib.drawn.wares import special_names, write_title
from rag_lib.encoders import Encoder
from rag_lib.evaluation.drawn.benchmark import SEEDS, Benchmark
from rag_lib.evaluation.drawn.plan import COMPOSED, Plan, Shelf, answers
from rag_lib.evaluation.embedding import embed_queries
from rag_lib.evaluation.measures import FIRST
from rag_lib.records import Item

WAYS = ("vector", "hybrid", "hybrid, unknown words")
KINDS = ("instruction", "description", "special name, words", "special name, picture and words")
EVERY = 4  # of the benchmark's own queries, one in so many is asked here


@dataclass(frozen=True)
class TitleQuery:
    """`right`: image ids of the answers, never the query's own picture `image_id`."""

    kind: str
    image_id: str | None
    text: str
    right: frozenset[str]


def write_titles(plan: Plan, gallery: str = "standard") -> dict[str, str]:
    """Image id -> title, the same on every call; a picture that shows no product has none ("")."""

    def title(image_id: str) -> str:
        category, theme, color = plan.pictures[image_id].shown
        rng = np.random.default_rng([SEEDS[plan.split], zlib.crc32(image_id.encode())])
        return write_title(rng, category, theme, color) if category else ""

    return {image_id: title(image_id) for image_id in plan.galleries[gallery]}


def make_questions(plan: Plan, titles: Mapping[str, str], gallery: str = "standard") -> list[TitleQuery]:
    """All sorts, the same on every call."""
    shelf, questions = plan.shelf(gallery), []
    composed = [query for query in plan.asked(gallery) if query.family in COMPOSED][::EVERY]
    worded = [query for query in plan.asked(gallery) if query.family == "text only"][::EVERY]
    for kind, asked in zip(KINDS, (composed, worded), strict=False):
        questions += [TitleQuery(kind, q.image_id, q.text, frozenset(answers(q, shelf))) for q in asked]
    rng = np.random.default_rng([SEEDS[plan.split], len(KINDS)])
    for kind in KINDS[2:]:
        for name in (name for category in CATEGORIES for name in special_names(category)):
            questions.append(_special(rng, plan, titles, shelf, kind, name))
    return [question for question in questions if question]


def first_right(
    encoder: Encoder, benchmark: Benchmark, questions: Sequence[TitleQuery], titles: Mapping[str, str], pictures
) -> dict[str, np.ndarray]:
    """Way of `WAYS` -> (n,) the rank of the first right hit, from 1; infinite where none of the first `FIRST` is right.

    "vector": without titles; "hybrid": BM25 gets the whole text; "hybrid, unknown words": only those that the model
    does not know, if there are any. `pictures`: (m, dim), unit rows, of the ids of `titles`. The collection lies in a
    folder that is deleted at the end.
    """
    from tqdm.auto import tqdm

    paths = [benchmark.path(question.image_id) if question.image_id else None for question in questions]
    texts = [question.text for question in questions]
    vectors = embed_queries(encoder, paths, texts, description="encode questions")
    items = [Item(image_id, benchmark.path(image_id), title) for image_id, title in titles.items()]
    found = {way: np.full(len(questions), np.inf) for way in WAYS}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UnfoundWords)  # instructions, which no title answers, are among the questions
        with Collection(Path(folder, "titles.db"), "titles", dim=encoder.dim) as collection:
            collection.upsert(items, pictures, progress=False)
            asked = tqdm(zip(questions, vectors, strict=True), desc="search", total=len(questions), unit="question")
            for row, (question, vector) in enumerate(asked):
                own = [question.image_id] if question.image_id else []
                texts = (None, question.text, " ".join(encoder.unknown_words(question.text)))
                for way, text in zip(WAYS, texts, strict=True):
                    hits = collection.search(vector, FIRST, exclude=own, text=text)
                    found[way][row] = next((hit.rank for hit in hits if hit.item.image_id in question.right), np.inf)
    return found


def _special(rng, plan: Plan, titles: Mapping[str, str], shelf: Shelf, kind: str, name: str) -> TitleQuery | None:
    """A question for a name, such that something of the kind asked for has the name and something has not."""
    named = sorted(image_id for image_id, title in titles.items() if title.endswith(f" {name}"))
    for choice in rng.permutation(len(named)):
        category, theme, color = plan.pictures[named[int(choice)]].shown
        pictured = kind.endswith("picture and words")
        fitting = shelf.showing((category, theme, None) if pictured else (category, None, color))
        # The motif of a composed one comes from another product.
        others = shelf.showing((None, theme, color)) & shelf.products - shelf.showing((category, None, None))
        if color == NATURAL or fitting <= set(named) or (pictured and not others):
            continue
        own = sorted(others)[int(rng.integers(len(others)))] if pictured else None
        text = f"{name.lower()} with the same pattern" if pictured else f"{color} {name.lower()}"
        return TitleQuery(kind, own, text, frozenset(fitting & set(named)))
    return None

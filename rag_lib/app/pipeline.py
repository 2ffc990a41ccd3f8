"""The notebooks' pipeline behind the page: a question in, hits in, a ranking out. Safe for many visitors at once.

Nothing is computed here: catalogs, encoders, collections and rerankers are loaded by name as the notebooks do, once
for all visitors, and called. What belongs to one visitor is in the `Question` and `Answer` that he is given back.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from rag_lib.app.choices import PARTS, Choices
from rag_lib.app.shared import SharedCollection, Unavailable
from rag_lib.catalog import load_catalog, query_picture
from rag_lib.collection import Collection
from rag_lib.encoders import Encoder, load_encoder, mix_query
from rag_lib.errors import RagError
from rag_lib.images import open_image
from rag_lib.index import collection_name, open_index
from rag_lib.panorama import MAX_IMAGES, panorama
from rag_lib.records import Catalog, Hit, Query, Ranking
from rag_lib.rerank import cost, load_reranker

HALVES = ("the picture alone", "the words alone")
HALF_LIMIT = 5
MAX_TEXT = 500  # characters


@dataclass(frozen=True)
class Question:
    """What a visitor asks. `parts`: part -> label; the rest as in `mix_query` and `Collection.search`.

    `title`: words to look for in titles; `category`: any of these; `price`: from, to (None: open).
    """

    image: Image.Image | None = None
    text: str = ""
    words: float = 0.5
    without: str = ""
    title: str = ""
    category: tuple[str, ...] = ()
    price: tuple[float | None, float | None] = (None, None)
    limit: int = 9
    parts: Mapping[str, str] = field(default_factory=dict)

    def where(self) -> dict[str, Any]:
        """The filter, as `Collection.search` takes it. Raises RagError for a range that holds nothing."""
        low, high = self.price
        if low is not None and high is not None and low > high:
            raise RagError(f"No price is from {low:g} to {high:g}: put the lower one first.")
        where: dict[str, Any] = {"category": list(self.category)} if self.category else {}
        return where | ({"price": (low, high)} if (low, high) != (None, None) else {})


@dataclass(frozen=True)
class Answer:
    """`halves`: what each half of the query alone would have found. `notes`: sentences on what to expect.

    `ranking`, `panorama`: None until the reranker was asked.
    """

    question: Question
    query: Query
    hits: tuple[Hit, ...]
    halves: Mapping[str, tuple[Hit, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ranking: Ranking | None = None
    panorama: Image.Image | None = None


class Pipeline:
    """`choices`: what may be asked for. Loads on first use; `close` gives local stores back."""

    def __init__(self, choices: Choices):
        self.choices = choices
        self._loading: dict[tuple, threading.Lock] = {}
        self._encoding = threading.Lock()  # one at a time has all cores; two would take turns anyway
        self._loaded: dict[tuple, Any] = {}

    def catalog(self, label: str | None = None) -> Catalog:
        name = self.choices.name("catalog", label)
        return self._once(("catalog", name), lambda: load_catalog(name, seed=self.choices.seed))

    def encoder(self, label: str | None = None) -> Encoder:
        name = self.choices.name("encoder", label)
        return self._once(("encoder", name), lambda: load_encoder(name))

    def reranker(self, label: str | None = None) -> Any:
        name = self.choices.name("reranker", label)
        return self._once(("reranker", name), lambda: load_reranker(name))

    def collection(self, parts: Mapping[str, str]) -> SharedCollection:
        """The shared collection of these parts; its first opening embeds what is missing."""
        catalog, encoder = self.catalog(parts.get("catalog")), self.encoder(parts.get("encoder"))
        uri, whole = self.choices.name("milvus_uri", parts.get("milvus_uri")), threading.Event()

        def open() -> Collection:
            if whole.is_set():
                return Collection(uri, collection_name(catalog, encoder), dim=encoder.dim, root=catalog.root)
            collection = open_index(catalog, encoder, uri)
            whole.set()
            return collection

        return self._once(("store", uri, catalog.root, encoder.name), lambda: SharedCollection(open))

    def example(self, name: str, label: str | None = None) -> Image.Image:
        """A query picture of the catalog, by its name only."""
        catalog = self.catalog(label)
        if name not in catalog.query_pictures:
            raise RagError(f"The catalog has no query picture '{str(name)[:80]}'.")
        return open_image(query_picture(catalog, name))

    def find(self, question: Question) -> Answer:
        """Search. Raises RagError for an empty query and whatever else a visitor can mend."""
        query = Query(question.image, _checked(question.text))
        without, title = _checked(question.without), _checked(question.title)
        if isinstance(question.limit, bool) or not 1 <= question.limit <= MAX_IMAGES:
            raise RagError(f"limit is {question.limit}: give 1 to {MAX_IMAGES}, as many as one panorama shows.")
        where, encoder = question.where(), self.encoder(question.parts.get("encoder"))
        store = self.collection(question.parts)
        with self._encoding:
            vector = mix_query(encoder, query.image, query.text, words=question.words, without=without)
            halves = {}
            if query.image is not None and query.text:
                both = encoder.encode_query(query.image), encoder.encode_query(text=query.text)
                halves = dict(zip(HALVES, both, strict=True))
        with store.use() as collection:
            hits = collection.search(vector, limit=question.limit, where=where, text=title)
            found = {name: tuple(collection.search(half, HALF_LIMIT, where)) for name, half in halves.items()}
        return Answer(question, query, tuple(hits), found, _notes(encoder, query, without))

    def rerank(self, answer: Answer, label: str | None = None) -> Answer:
        """Ask the reranker of that label about the answer's hits. Raises RagError, as the reranker does."""
        ranking = self.reranker(label).rank(answer.query, answer.hits)
        question = replace(answer.question, parts={**answer.question.parts, "reranker": label or ""})
        grid = panorama(answer.query.image, [hit.item.path for hit in answer.hits])
        return replace(answer, question=question, ranking=ranking, panorama=grid)

    def cost(self, label: str | None, count: int) -> str:
        """What asking this reranker about `count` hits costs, in words; "" where it costs nothing."""
        needed = cost(self.reranker(label), count)
        return str(needed) if needed.calls else ""

    def used(self, question: Question) -> dict[str, str]:
        """part -> the label that stands behind the question's answer."""
        return {part: question.parts.get(part) or next(iter(getattr(self.choices, part))) for part in PARTS}

    def close(self) -> None:
        """Give the stores back; a later question opens them again."""
        for key, part in list(self._loaded.items()):
            if key[0] == "store":
                part.close()

    def _once(self, key: tuple, load: Callable[[], Any]) -> Any:
        """Two visitors who ask for the same part at once wait for one loading; nobody else does.

        Raises Unavailable if it cannot be loaded.
        """
        if key in self._loaded:
            return self._loaded[key]
        with self._loading.setdefault(key, threading.Lock()):
            if key not in self._loaded:
                try:
                    self._loaded[key] = load()
                except RagError as exc:
                    raise Unavailable(f"The {key[0]} cannot be loaded just now: choose another one.") from exc
            return self._loaded[key]


def _checked(text: str | None) -> str | None:
    text = " ".join((text or "").split())
    if len(text) > MAX_TEXT:
        raise RagError(f"The text has {len(text)} characters: write at most {MAX_TEXT}.")
    return text or None


def _notes(encoder: Encoder, query: Query, without: str | None) -> tuple[str, ...]:
    cautions = [*encoder.cautions(query.text, pictured=query.image is not None), *encoder.cautions(without)]
    return tuple(dict.fromkeys(map(str, cautions)))

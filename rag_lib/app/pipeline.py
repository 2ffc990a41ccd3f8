"""The notebooks' pipeline behind the page: a request in, hits and a ranking out. Safe for many visitors at once.

Nothing is computed here: catalogs, encoders, collections and rerankers are loaded by name as the notebooks do, once
for all visitors, and called. What belongs to one visitor is in the `Answer` that he is given back.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from rag_lib.app.allowance import Allowance
from rag_lib.app.choices import Choices
from rag_lib.app.faults import Unavailable
from rag_lib.app.request import SearchRequest
from rag_lib.app.shared import SharedCollection
from rag_lib.catalog import load_catalog, query_picture
from rag_lib.collection import Collection
from rag_lib.encoders import Encoder, load_encoder, mix_query
from rag_lib.errors import QueryError, RagError, did_you_mean
from rag_lib.images import open_image
from rag_lib.index import collection_name, open_index
from rag_lib.panorama import panorama
from rag_lib.records import Catalog, Hit, Query, Ranking
from rag_lib.rerank import cost, load_reranker

HALVES = ("the picture alone", "the words alone")
HALF_LIMIT = 5


@dataclass(frozen=True)
class Answer:
    """`halves`: what each half of the query alone would have found. `notes`: sentences on what to expect.

    `ranking`, `panorama`: None until the reranker was asked.
    """

    request: SearchRequest
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
        self.allowance = Allowance(choices.rankings_per_visitor, choices.rankings_per_hour)
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
            raise QueryError(f"The catalog has no query picture {name!r:.80}.")
        return open_image(query_picture(catalog, name))

    def categories(self, label: str | None = None) -> list[str]:
        """What the catalog's items may be filtered by, sorted."""
        items = self.catalog(label).items
        return sorted({str(item.metadata["category"]) for item in items if item.metadata.get("category")})

    def find(self, request: SearchRequest) -> Answer:
        """Search. Raises QueryError for an empty query and whatever else a visitor can mend."""
        query = Query(request.image, request.text)
        self._check_categories(request)
        encoder, store = self.encoder(request.encoder), self.collection(request.parts)
        once = _EncodesOnce(encoder)
        with self._encoding:
            vector = mix_query(once, query.image, query.text, words=request.words, without=request.without)
            halves = {}
            if query.image is not None and query.text:
                both = once.encode_query(query.image), once.encode_query(text=query.text)
                halves = dict(zip(HALVES, both, strict=True))
        with store.use() as collection:
            hits = collection.search(vector, limit=request.limit, where=request.where, text=request.title or None)
            unfound = request.title and hits and not collection.has_title_with(request.title, request.where)
            found = {name: tuple(collection.search(half, HALF_LIMIT, request.where)) for name, half in halves.items()}
        notes = _notes(encoder, query, request.without)
        if unfound:
            notes += (f"No title that was searched holds a word of {request.title[:80]!r}: it changed nothing.",)
        return Answer(request, query, tuple(hits), found, notes)

    def rerank(self, answer: Answer, label: str | None = None, *, visitor: str = "") -> Answer:
        """Ask the reranker of that label about the answer's hits.

        `visitor`: whose allowance it is, where rankings cost money. Raises QueryError if that is spent or there are
        no hits, Unavailable if the reranker fails.
        """
        if not answer.hits:
            raise QueryError("Nothing to rerank: the search found no hits. Loosen its filter.")
        reranker = self.reranker(label)
        spent = self.allowance.spend(visitor) if cost(reranker, len(answer.hits)).calls else None
        try:
            ranking = reranker.rank(answer.query, answer.hits)
        except QueryError:
            raise
        except RagError as exc:
            raise Unavailable("The reranker gives no answer just now: try again later, or choose another.") from exc
        if spent and ranking.usage.get("attempts") == 0:  # a kept reply
            self.allowance.give_back(spent)
        grid = panorama(answer.query.image, [hit.item.path for hit in answer.hits])
        request = answer.request.model_copy(update={"reranker": label or ""})
        return replace(answer, request=request, ranking=ranking, panorama=grid)

    def cost(self, label: str | None, count: int) -> str:
        """What asking this reranker about `count` hits costs, in words; "" where it costs nothing."""
        needed = cost(self.reranker(label), count)
        return str(needed) if needed.calls else ""

    def labels(self, request: SearchRequest) -> dict[str, str]:
        """part -> the label that stands behind the request's answer."""
        return {part: label or next(iter(getattr(self.choices, part))) for part, label in request.parts.items()}

    def _check_categories(self, request: SearchRequest) -> None:
        known = self.categories(request.catalog) if request.category else []
        for name in request.category:
            if name not in known:
                listed = f"Its categories are {', '.join(known)}." if known else "It has no categories at all."
                raise QueryError(
                    f"The catalog has no category {name!r:.80}.{did_you_mean(name, known) or f' {listed}'}"
                )

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


class _EncodesOnce:
    """An encoder, and what it made of the halves of one query: none of them is embedded twice."""

    def __init__(self, encoder: Encoder):
        self._encoder, self._known = encoder, {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_query(self, image: Image.Image | None = None, text: str | None = None) -> np.ndarray:
        key = id(image), text or ""
        if key not in self._known:
            self._known[key] = self._encoder.encode_query(image, text)
        return self._known[key]


def _notes(encoder: Encoder, query: Query, without: str | None) -> tuple[str, ...]:
    cautions = [*encoder.cautions(query.text, pictured=query.image is not None), *encoder.cautions(without)]
    look = encoder.photograph(query.image, query.text)
    return tuple(dict.fromkeys(map(str, filter(None, [look, *cautions]))))

"""From a name to a collection that can be searched: made if it is missing, checked if not, indexed and loaded.

In: a connected client and a name; out: an `Opened` with what the collection holds and what its server lacks.
"""

import re
import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rag_lib.collection.calls import CALL_S, MilvusError, attempt
from rag_lib.collection.owner import PROPERTY, claim
from rag_lib.collection.rows import OWN, WORDS, schema
from rag_lib.errors import RagError, did_you_mean

FULL = (2, 5)  # the first Milvus with nullable columns and BM25; any Milvus Lite of today has both
MAX_DIM = 32_768
_making = threading.Lock()  # Milvus Lite makes a collection's folder a moment before it knows the collection
# Exact. Rows and queries have length 1 here, so that the inner product is the cosine; for COSINE Milvus Lite would
# measure and divide all rows anew for every query, which takes as long again. One that was named has COSINE.
LOCAL_INDEX = {"index_type": "FLAT", "metric_type": "IP"}
GROWN_INDEX = {"index_type": "HNSW", "metric_type": "IP"}
LOCAL_INDEXES = ("FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8", "AUTOINDEX")  # it takes any word, and fails later
# b = 0: a title that says more is not worth less; the default, 0.75, is for pages of text. The parameters stand below
# two "params": Milvus takes them so or flat, Milvus Lite only so, of what pymilvus sends.
WORD_PARAMS = {"params": {"bm25_k1": 1.2, "bm25_b": 0.0}}
WORD_INDEX = {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "BM25", "params": WORD_PARAMS}


class Opened(NamedTuple):
    """`name`: the collection's own, where an alias was given. `dim`: of the vectors. `output`: the fields that make an
    item. `words`: whether the titles' words are kept.

    `lacks`: a sentence on what the server is too old for, "" for a current one. `by_size`: whether it has the local
    default while it is small.
    """

    name: str
    dim: int
    output: list[str]
    words: bool
    lacks: str
    by_size: bool


def check_name(name: str) -> None:
    """RagError for what no collection can be called."""
    if not (name.isascii() and name.isidentifier() and len(name) <= 255):
        raise RagError(f"{name!r} cannot name a collection: use letters, digits and _, not beginning with a digit.")


def check_options(dim: int | None, index: str | None, *, local: bool) -> None:
    """RagError for a dimension or an index type that no collection can have."""
    if dim is not None and (isinstance(dim, bool) or not isinstance(dim, int) or not 1 <= dim <= MAX_DIM):
        raise RagError(f"dim is {dim!r}; it must be a whole number from 1 to {MAX_DIM:,}, the encoder's dim.")
    if index is not None and local and index not in LOCAL_INDEXES:
        near = did_you_mean(index, LOCAL_INDEXES)
        raise RagError(f"The index {index!r} is none of {', '.join(LOCAL_INDEXES)}, which a local .db has.{near}")


def open_collection(
    client: Any,
    call: Callable[..., Any],
    name: str,
    dim: int | None,
    *,
    place: str,
    index: str | None,
    consistency: str,
    local: bool,
    owner: str | None,
    root: Path | None,
) -> Opened:
    """`call`: a method of the client with this collection. `dim`: None if it must exist. `place`: its server, in words.

    `index`: Milvus index type, None for ours. `local`: in Milvus Lite; an index there that cannot be read is built
    anew. `owner`, `root`: see `claim`. RagError if the collection is another's or of another dimension. Others may make
    the same collection at the same time.
    """

    def ensure(there: Callable[[], bool], make: Callable[[], Any]) -> None:
        """Another opener may have been quicker: what it made is no error."""
        try:
            make()
        except MilvusError:
            if not there():
                raise

    def is_built(field: str) -> bool:
        return field in call("list_indexes")

    def build_missing() -> None:
        for field in ("vector", WORDS):
            if field in fields and not is_built(field):
                wanted = WORD_INDEX if field == WORDS else vector_index
                ensure(partial(is_built, field), partial(_build, client, call, field, wanted))

    chosen = {"index_type": index or "AUTOINDEX", "metric_type": "COSINE"}
    vector_index = LOCAL_INDEX if local and not index else chosen
    lacks = _lacks(place, attempt(client.get_server_version, timeout=CALL_S))
    with _making if local else nullcontext():
        if not call("has_collection"):
            if dim is None:
                raise RagError(f"{place} holds no collection {name!r}: give dim to make it.")
            options = {"schema": schema(dim, full=not lacks), "consistency_level": consistency}
            options |= {"properties": {PROPERTY: owner}} if owner else {}
            ensure(partial(call, "has_collection"), partial(call, "create_collection", **options))
    described = call("describe_collection")
    fields = {field["name"]: field for field in described["fields"]}
    if not fields.keys() >= set(OWN):
        raise RagError(f"The collection {name!r} in {place} was not made by rag_lib: use another name.")
    stored = int(fields["vector"]["params"]["dim"])
    if dim not in (None, stored):
        raise RagError(
            f"The collection {name!r} in {place} holds vectors of dimension {stored}, not {dim}: "
            f"use another name, or delete it with Collection(uri, name).drop()."
        )
    if local:
        # A process that was killed in a flush left a log of rows that are written already. Flushed before anything
        # else is written, it makes the same file again, and no row comes twice.
        call("flush")
    else:
        claim(call, described, owner, root, f"The collection {name!r} in {place}")
    build_missing()  # new, or its maker was stopped before this line
    try:
        call("load_collection")  # a reopened collection is released
    except MilvusError:
        if not local:
            raise
        # A process that was killed while it wrote an index left half a file. The rows beside it are whole. Milvus Lite
        # drops all indexes, whichever is named.
        call("drop_index", index_name="vector")
        build_missing()
        call("load_collection")
    by_size = local and is_exact(call, metric="IP")
    output = [*(field for field in fields if field not in ("vector", WORDS)), "$meta"]
    return Opened(described["collection_name"], stored, output, WORDS in fields, lacks, by_size)


def is_exact(call: Callable[..., Any], *, metric: str = "") -> bool:
    """Whether the vectors' index compares all rows; and, if a `metric` is given, by that one."""
    found = call("describe_index", index_name="vector")
    return found["index_type"] == "FLAT" and metric in ("", found["metric_type"])


def grow(client: Any, call: Callable[..., Any]) -> None:
    """Give a local collection that has `LOCAL_INDEX` the `GROWN_INDEX`; nothing is lost if this is interrupted."""
    if not is_exact(call, metric="IP"):
        return  # somebody else was quicker
    call("release_collection")
    call("drop_index", index_name="vector")
    wanted = {"vector": GROWN_INDEX, WORDS: WORD_INDEX}
    for field in wanted.keys() - set(call("list_indexes")):
        _build(client, call, field, wanted[field])
    call("load_collection")


def _build(client: Any, call: Callable[..., Any], field: str, index: dict[str, Any]) -> None:
    """Nobody waits for it: rows are found before it is there, and pymilvus sleeps half a second before it looks."""
    params = client.prepare_index_params()
    params.add_index(field, **index)
    call("create_index", index_params=params, sync=False)


def _lacks(place: str, version: str) -> str:
    number = re.search(r"(\d+)\.(\d+)[.\d]*", version)
    if not number or (int(number[1]), int(number[2])) >= FULL:
        return ""
    return (
        f"{place} is Milvus {number[0]}: search by words (text=) and filters on missing values ('is null') "
        f"need Milvus {'.'.join(map(str, FULL))} or newer."
    )

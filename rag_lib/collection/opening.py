"""From a name to a collection that can be searched: made if it is missing, checked if not, indexed and loaded.

In: a connected client and a name; out: an `Opened` with what the collection holds and what its server lacks.
"""

import re
from typing import Any, NamedTuple

from rag_lib.collection.calls import CALL_S, MilvusError, checked
from rag_lib.collection.rows import OWN, WORDS, schema
from rag_lib.errors import RagError

FULL = (2, 5)  # the first Milvus with nullable columns and BM25; any Milvus Lite of today has both
# Exact. Rows and queries have length 1 here, so that the inner product is the cosine; for COSINE Milvus Lite would
# measure and divide all rows anew for every query, which takes as long again.
LOCAL_INDEX = {"index_type": "FLAT", "metric_type": "IP"}
# b = 0: a title that says more is not worth less; the default, 0.75, is for pages of text. The parameters stand below
# two "params": Milvus takes them so or flat, Milvus Lite only so, of what pymilvus sends.
WORD_PARAMS = {"params": {"bm25_k1": 1.2, "bm25_b": 0.0}}
WORD_INDEX = {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "BM25", "params": WORD_PARAMS}


class Opened(NamedTuple):
    """`dim`: of the vectors. `output`: the fields that make an item. `words`: whether the titles' words are kept.

    `lacks`: a sentence on what the server is too old for, "" for a current one.
    """

    dim: int
    output: list[str]
    words: bool
    lacks: str


def opened(
    client: Any, name: str, dim: int | None, *, place: str, index: str | None, consistency: str, local: bool
) -> Opened:
    """`dim`: None if it must exist. `place`: how messages name the server. `index`: Milvus index type, None for ours.

    `local`: in Milvus Lite; an index there that cannot be read is built anew. RagError if the collection is another's
    or of another dimension.
    """

    def call(method: str, **options: Any) -> Any:
        return checked(getattr(client, method), name, timeout=CALL_S, **options)

    chosen = {"index_type": index or "AUTOINDEX", "metric_type": "COSINE"}
    vector_index = LOCAL_INDEX if local and not index else chosen

    def build(*fields: str) -> None:
        params = client.prepare_index_params()
        for field in fields:
            params.add_index(field, **(WORD_INDEX if field == WORDS else vector_index))
        call("create_index", index_params=params)

    lacks = _lacks(place, checked(client.get_server_version, timeout=CALL_S))
    if not call("has_collection"):
        if dim is None:
            raise RagError(f"{place} holds no collection {name!r}: give dim to make it.")
        call("create_collection", schema=schema(dim, full=not lacks), consistency_level=consistency)
    fields = {field["name"]: field for field in call("describe_collection")["fields"]}
    if not fields.keys() >= set(OWN):
        raise RagError(f"The collection {name!r} in {place} was not made by rag_lib: use another name.")
    stored = int(fields["vector"]["params"]["dim"])
    if dim not in (None, stored):
        raise RagError(
            f"The collection {name!r} in {place} holds vectors of dimension {stored}, not {dim}: "
            f"use another name, or delete it with Collection(uri, name).drop()."
        )
    # without an index: new, or its maker was stopped before this line
    if bare := [field for field in ("vector", WORDS) if field in fields and field not in call("list_indexes")]:
        build(*bare)
    try:
        call("load_collection")  # a reopened collection is released
    except MilvusError:
        if not local:
            raise
        # A process that was killed while it wrote the index left half a file. The rows beside it are whole.
        call("drop_index", index_name="vector")
        build("vector")
        call("load_collection")
    output = [*(field for field in fields if field not in ("vector", WORDS)), "$meta"]
    return Opened(stored, output, WORDS in fields, lacks)


def _lacks(place: str, version: str) -> str:
    number = re.search(r"(\d+)\.(\d+)[.\d]*", version)
    if not number or (int(number[1]), int(number[2])) >= FULL:
        return ""
    return (
        f"{place} is Milvus {number[0]}: search by words (text=) and filters on missing values ('is null') "
        f"need Milvus {'.'.join(map(str, FULL))} or newer."
    )

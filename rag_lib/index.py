"""From a catalog to a collection that can be searched: what is missing is embedded, what is gone is removed.

In: a catalog, an encoder and a Milvus uri; out: an open `Collection`, found where an earlier notebook left it or made
now. Running it twice embeds nothing twice, and a database that was lost is filled again from the embedding cache.
"""

import re
from contextlib import nullcontext
from dataclasses import dataclass

from rag_lib.collection import Collection
from rag_lib.encoders import Encoder
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.records import Catalog, Skipped

CHUNK = 1024  # pictures embedded between two upserts: what a kill can lose


@dataclass(frozen=True)
class IndexReport:
    """What `update_index` did. `added`: rows new or changed; `removed`: rows; `skipped`: pictures left out.

    `encoded`: how many pictures the model saw; the vectors of the other added rows were in the embedding cache.
    """

    added: int
    removed: int
    skipped: tuple[Skipped, ...]
    encoded: int


def collection_name(catalog: Catalog, encoder: Encoder) -> str:
    """A name that changes with the catalog and with everything that changes the vectors."""
    return re.sub(r"\W+", "_", f"{catalog.name}_{encoder.name}_{encoder.fingerprint}")


def update_index(
    collection: Collection, catalog: Catalog, encoder: Encoder, *, progress: bool = True, cache: bool = True
) -> IndexReport:
    """Make the collection hold the catalog's items that can be opened, under their present names, and no others.

    `cache`: look into the embedding cache first, and keep in it what was embedded now.
    """
    missing = collection.outdated(catalog.items)
    by_path, added, encoded, skipped = {item.path: item for item in missing}, 0, 0, list(catalog.skipped)
    with EmbeddingCache.for_encoder(encoder) if cache else nullcontext() as known:
        for start in range(0, len(missing), CHUNK):
            paths = [item.path for item in missing[start : start + CHUNK]]
            found = encoder.encode_images(paths, progress=progress, cache=known)
            added += collection.upsert([by_path[path] for path in found.kept], found.vectors, progress=progress)
            encoded += found.encoded
            skipped += found.skipped
    gone = collection.ids() - {item.image_id for item in catalog.items}
    collection.delete(gone)
    return IndexReport(added, len(gone), tuple(skipped), encoded)


def open_index(
    catalog: Catalog, encoder: Encoder, milvus_uri: str, *, progress: bool = True, cache: bool = True
) -> Collection:
    """The collection of this catalog under this encoder, complete and ready to search. Close it when done.

    Prints a line for each picture that had to be skipped. `cache`: see `update_index`.
    """
    where = {"name": collection_name(catalog, encoder), "dim": encoder.dim, "root": catalog.root}
    collection = Collection(milvus_uri, **where)
    try:
        # The vectors are in the embedding cache. On a server others may be reading it, and may have rows of their own.
        if collection.needs_rebuild and str(milvus_uri).endswith(".db"):
            collection.drop()
            collection = Collection(milvus_uri, **where)
        for path, reason in update_index(collection, catalog, encoder, progress=progress, cache=cache).skipped:
            print(f"skipped {path.name}: {reason}")
    except BaseException:
        collection.close()
        raise
    return collection

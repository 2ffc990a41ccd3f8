"""From a catalog to a collection that can be searched: what is missing is embedded, what is gone is removed.

In: a catalog, an encoder and a Milvus uri; out: an open `Collection`, found where an earlier notebook left it or made
now. Running it twice embeds nothing twice.
"""

import re
from dataclasses import dataclass

from rag_lib.collection import Collection
from rag_lib.encoders import Encoder
from rag_lib.records import Catalog, Skipped

CHUNK = 1024  # pictures embedded between two upserts: what a kill can lose


@dataclass(frozen=True)
class IndexReport:
    """What `update_index` did. `added`: rows new or changed; `removed`: rows; `skipped`: pictures left out."""

    added: int
    removed: int
    skipped: tuple[Skipped, ...]


def collection_name(catalog: Catalog, encoder: Encoder) -> str:
    """A name that changes with the catalog and with everything that changes the vectors."""
    return re.sub(r"\W+", "_", f"{catalog.name}_{encoder.name}_{encoder.fingerprint}")


def update_index(collection: Collection, catalog: Catalog, encoder: Encoder, *, progress: bool = True) -> IndexReport:
    """Make the collection hold the catalog's items that can be opened, under their present names, and no others."""
    missing = collection.outdated(catalog.items)
    by_path, added, skipped = {item.path: item for item in missing}, 0, list(catalog.skipped)
    for start in range(0, len(missing), CHUNK):
        encoded = encoder.encode_images([item.path for item in missing[start : start + CHUNK]], progress=progress)
        added += collection.upsert([by_path[path] for path in encoded.kept], encoded.vectors, progress=progress)
        skipped += encoded.skipped
    gone = collection.ids() - {item.image_id for item in catalog.items}
    collection.delete(gone)
    return IndexReport(added, len(gone), tuple(skipped))


def open_index(catalog: Catalog, encoder: Encoder, milvus_uri: str, *, progress: bool = True) -> Collection:
    """The collection of this catalog under this encoder, complete and ready to search. Close it when done.

    Prints a line for each picture that had to be skipped.
    """
    collection = Collection(milvus_uri, collection_name(catalog, encoder), dim=encoder.dim, root=catalog.root)
    try:
        for path, reason in update_index(collection, catalog, encoder, progress=progress).skipped:
            print(f"skipped {path.name}: {reason}")
    except BaseException:
        collection.close()
        raise
    return collection

"""From a catalog to a collection that can be searched: what is missing is embedded, what is gone is removed.

In: a catalog, an encoder and a Milvus uri; out: an open `Collection`, found where an earlier notebook left it or made
now. Running it twice embeds nothing twice, and a database that was lost is filled again from the embedding cache.
"""

import re
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from rag_lib.collection import Collection, owner_name
from rag_lib.encoders import Encoder
from rag_lib.encoders.cache import EmbeddingCache
from rag_lib.images import ImageError, content_id
from rag_lib.records import Catalog, Item, Skipped

CHUNK = 1024  # pictures embedded between two upserts: what a kill can lose
CHANGED = "it changed while it was indexed: load the catalog again"
SHOWN = 10  # pictures that are named when they are skipped; the rest is counted


@dataclass(frozen=True)
class IndexReport:
    """What `update_index` did. `added`: rows new or changed; `removed`: rows; `skipped`: pictures left out.

    `encoded`: how many pictures the model saw; the vectors of the other added rows were in the embedding cache.
    `besides`: rows that are not the catalog's, but whose pictures are where they were: indexed by a newer catalog.
    """

    added: int
    removed: int
    skipped: tuple[Skipped, ...]
    encoded: int
    besides: int


class IndexFaults(NamedTuple):
    """What `verify_index` found; empty and False where all is well.

    `outdated`: items that are not stored, or with another path, title or metadata. `wrong`: ids of the catalog whose
    stored vector is not the embedding cache's. `unknown`: how many vectors the cache does not hold, so that nothing
    tells whether they are right. `damaged`: rows come twice, or the index does not find what is stored.
    """

    outdated: list[Item]
    wrong: list[str]
    unknown: int
    damaged: bool


def collection_name(catalog: Catalog, encoder: Encoder, *, owner: str | None = None) -> str:
    """A name that changes with the catalog and with everything that changes the vectors.

    It begins with the owner's, if one is given or stands in `RAG_OWNER`.
    """
    parts = (owner_name(owner), catalog.name, encoder.name[-120:])
    name = "_".join(re.sub(r"\W+", "_", part, flags=re.ASCII) for part in (*filter(None, parts), encoder.fingerprint))
    return name if name.isidentifier() else f"_{name}"


def update_index(
    collection: Collection, catalog: Catalog, encoder: Encoder, *, progress: bool = True, cache: bool = True
) -> IndexReport:
    """Make the collection hold the catalog's items that can be opened, under their present names.

    Rows of pictures that are no longer there are removed; on a server only those that were written from this catalog's
    folder. A local collection that is damaged, or of an earlier version, is made again.
    `cache`: look into the embedding cache first, and keep in it what was embedded now.
    """
    added, encoded, skipped = 0, 0, list(catalog.skipped)
    with EmbeddingCache.for_encoder(encoder) if cache else nullcontext() as known:
        missing, besides, stored = collection.compare(catalog.items, progress=progress)
        # The vectors are in the embedding cache. On a server others may be reading it, and may have rows of their own.
        if collection.local and (collection.needs_rebuild or collection.is_damaged(stored, known)):
            tqdm.write(f"The collection in {collection.uri} is made again from the embedding cache.")
            collection.remake()
            missing, besides = list(catalog.items), []
        if missing:
            collection.fit_index(len(catalog.items))
        by_path = {item.path: item for item in missing}
        with tqdm(total=len(missing), desc="encode", unit="image", disable=not (progress and missing)) as bar:
            for start in range(0, len(missing), CHUNK):
                paths = [item.path for item in missing[start : start + CHUNK]]
                found = encoder.encode_images(paths, progress=bar, cache=known)
                read = list(zip(map(by_path.get, found.kept), found.ids, strict=True))
                same = [n for n, (item, image_id) in enumerate(read) if item.image_id == image_id]
                added += collection.upsert([read[n][0] for n in same], found.vectors[same], progress=False)
                encoded += found.encoded
                skipped += found.skipped
                skipped += [Skipped(item.path, CHANGED) for item, image_id in read if item.image_id != image_id]
    left_out = {path for path, _ in catalog.skipped}
    gone = [item.image_id for item in besides if item.path in left_out or not _is_there(item)]
    collection.delete(gone)
    return IndexReport(added, len(gone), tuple(skipped), encoded, len(besides) - len(gone))


def verify_index(collection: Collection, catalog: Catalog, encoder: Encoder, *, progress: bool = True) -> IndexFaults:
    """Compare every row with the catalog and every vector with the embedding cache; nothing is changed."""
    outdated, _, stored = collection.compare(catalog.items, progress=progress)
    ids = sorted({item.image_id for item in catalog.items}.intersection(stored))
    wrong, unknown = [], 0
    with (
        EmbeddingCache.for_encoder(encoder) as known,
        tqdm(total=len(ids), desc="verify", unit="row", disable=not progress) as bar,
    ):
        for start in range(0, len(ids), CHUNK):
            for item, vector in collection.get(ids[start : start + CHUNK]):
                if (true := known.get(item.image_id)) is None:
                    unknown += 1
                elif not np.allclose(vector, true / np.linalg.norm(true), atol=1e-3, rtol=0):
                    wrong.append(item.image_id)
                bar.update()
        return IndexFaults(outdated, wrong, unknown, collection.is_damaged(stored, known))


def repair_index(collection: Collection, catalog: Catalog, encoder: Encoder, *, progress: bool = True) -> IndexReport:
    """Write again what `verify_index` finds wrong, from the embedding cache; only what that lacks is embedded."""
    faults = verify_index(collection, catalog, encoder, progress=progress)
    if faults.damaged:  # never of a server
        collection.remake()
    collection.delete(faults.wrong)
    return update_index(collection, catalog, encoder, progress=progress)


def open_index(
    catalog: Catalog,
    encoder: Encoder,
    milvus_uri: str,
    *,
    owner: str | None = None,
    progress: bool = True,
    cache: bool = True,
) -> Collection:
    """The collection of this catalog under this encoder, complete and ready to search. Close it when done.

    Prints which pictures had to be skipped, and what else is not as the catalog says. `owner`: on a server, the name of
    those who share the collection (see `Collection`). `cache`: see `update_index`.
    """
    name = collection_name(catalog, encoder, owner=owner)
    collection = Collection(milvus_uri, name, dim=encoder.dim, root=catalog.root, owner=owner)
    try:
        report = update_index(collection, catalog, encoder, progress=progress, cache=cache)
    except BaseException:
        collection.close()
        raise
    for path, reason in report.skipped[:SHOWN]:
        print(f"skipped {path.name}: {reason}")
    if len(report.skipped) > SHOWN:
        print(f"skipped {len(report.skipped) - SHOWN:,} more")
    if report.added:  # perhaps the folder was moved: its name holds a hash of the whole path
        for left in collection.left_behind(re.sub("_[0-9a-f]{6}(?=_)", "_[0-9a-f]{6}", name, count=1)):
            print(f"left {left}: its folder is gone. Collection({collection.uri!r}, {left!r}).drop() deletes it")
    if report.besides:
        print(f"kept {report.besides:,} rows that are not in this catalog, whose pictures are where they were")
    return collection


def _is_there(item: Item) -> bool:
    """Whether its file still has the content that was indexed."""
    try:
        return content_id(item.path) == item.image_id
    except ImageError:
        return False

"""Which rows of a local collection are live: found out once after a write, not again for every search.

Milvus Lite 3.2 asks in Python, for each search, of every row whether it is the newest of its key and not deleted, a
millisecond a thousand rows. `remember_live_rows` replaces one function, which is given the segments to search: it
gives them on as segments of one live row, whose index looks at all rows that are live. All else of the search stays
Milvus Lite's, and so does all of it in another version, beside rows that are not flushed yet, within partitions, and
with `RAG_LIVE_ROWS=0`.
"""

import importlib.metadata
import os
import weakref
from typing import Any

import numpy as np

_kept = weakref.WeakKeyDictionary()  # memtable, a new one after each flush -> (segments, deletions, a mask for each)


def remember_live_rows() -> None:
    from milvus_lite.engine import collection

    theirs = collection.execute_search_with_index
    known = importlib.metadata.version("milvus-lite").startswith("3.2.") and os.environ.get("RAG_LIVE_ROWS") != "0"
    if not known or hasattr(theirs, "replaced"):
        return

    def search(*args: Any, **given: Any) -> list[list[dict]]:
        segments, memtable = given.get("segments"), given.get("memtable")
        if args or not segments or memtable.size() or given["partition_names"]:
            return theirs(*args, **given)
        field, masks = given["vector_field"], live_rows(segments, memtable, given["delta_index"])
        views = [_Live(*pair, field, given["metric_type"]) for pair in zip(segments, masks, strict=True)]
        found = theirs(**given | {"segments": views})
        return theirs(**given) if memtable.size() else found  # somebody wrote meanwhile

    search.replaced = theirs
    collection.execute_search_with_index = search


def live_rows(segments: tuple, memtable: Any, deleted: Any) -> list[np.ndarray]:
    """(n,) bool for each segment, by Milvus Lite's own function for that."""
    kept = _kept.get(memtable)
    if kept is None or kept[:2] != (segments, deleted._map):
        from milvus_lite.search.bitmap import build_valid_mask

        keys, seqs = [key for each in segments for key in each.pks], np.concatenate([each.seqs for each in segments])
        masks = np.split(build_valid_mask(keys, seqs, deleted), np.cumsum([len(each.pks) for each in segments])[:-1])
        kept = _kept[memtable] = segments, deleted._map, masks
    return kept[2]


class _Live:
    """A segment and its index in one."""

    def __init__(self, segment: Any, mask: np.ndarray, field: str, metric: str):
        from milvus_lite.index.brute_force import BruteForceIndex

        self.segment, self.mask, self.indexes = segment, mask, {field: self}
        self.index = segment.indexes.get(field) or BruteForceIndex.build(segment.vector_data(field)[0], metric)
        self.num_rows, self.pks, self.seqs = int(mask.any()), [self], [0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.segment, name)

    def search(self, queries: np.ndarray, top_k: int, valid_mask: np.ndarray | None = None, params: Any = None) -> Any:
        mask = self.mask if valid_mask is None else self.mask & valid_mask
        return self.index.search(queries, top_k, valid_mask=None if mask.all() else mask, params=params)

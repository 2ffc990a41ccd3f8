"""Parquet files for Milvus's bulk import, written by pymilvus's own writer.

In: items and vectors, batch by batch; out: a folder of files that `pymilvus.bulk_writer.bulk_import` takes into a
collection that `Collection` has made: the same rows as of an upsert, read by the cluster's own data nodes.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rag_lib.collection.owner import origin_of
from rag_lib.collection.rows import schema, to_row
from rag_lib.errors import RagError, how_to_get
from rag_lib.records import Item

FILE_BYTES = 128 * 2**20  # of each file; Milvus makes at least one segment of each


def write_bulk(
    folder: str | Path, batches: Iterable[tuple[Sequence[Item], np.ndarray]], *, dim: int, root: str | Path | None
) -> list[Path]:
    """The files, named by number; those of an earlier time are replaced when the new ones are whole.

    `batches`: items of distinct ids, and (n, dim) float32, unit rows. `root`: as of `Collection`. RagError without
    pymilvus's extra packages, and for what the collection cannot hold.
    """
    there_already = logging.NullHandler()  # its import makes every library's log visible, unless there is a handler
    logging.getLogger().addHandler(there_already)
    try:
        from pymilvus.bulk_writer import BulkFileType, LocalBulkWriter
    except ModuleNotFoundError:
        raise RagError(f"pymilvus's bulk writer is not installed: {how_to_get('ray')}") from None
    finally:
        logging.getLogger().removeHandler(there_already)
    import pyarrow.parquet as pq

    for logger in ("pymilvus", "pymilvus.bulk_writer", "bulk_writer"):  # its errors come as exceptions
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    folder, source, root = Path(folder), origin_of(root), None if root is None else Path(root)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part") as beside:
        with LocalBulkWriter(schema(dim), beside, chunk_size=FILE_BYTES, file_type=BulkFileType.PARQUET) as writer:
            for items, vectors in batches:
                for item, vector in zip(items, np.asarray(vectors, np.float32), strict=True):
                    writer.append_row(to_row(item, vector, root=root, source=source))
            writer.commit()
            made = [Path(file) for files in writer.batch_files for file in files]
            # It writes on a thread of its own, whose errors end there.
            if (there := sum(pq.read_metadata(file).num_rows for file in made)) != writer.total_row_count:
                raise RagError(f"Of {writer.total_row_count:,} rows {there:,} were written: is the disk full?")
        for old in folder.glob("[0-9]*.parquet"):
            old.unlink()
        files = [folder / f"{number:05}.parquet" for number in range(1, len(made) + 1)]
        for there, here in zip(made, files, strict=True):
            shutil.move(there, here)
    return files

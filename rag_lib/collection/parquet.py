"""Items and vectors as one Parquet file, which any other tool reads: `export_parquet` and `import_parquet`.

Columns: image_id, path, title (texts), metadata (JSON), vector (a list of `dim` float32). A path below the collection's
root is relative to it, so that the file can move with the pictures.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rag_lib.collection.rows import to_item, to_row
from rag_lib.errors import RagError
from rag_lib.paths import replacing

CHUNK = 4_096  # rows in memory at a time


def export_parquet(collection: Any, path: str | Path) -> int:
    """Write all rows; a file that is there is replaced when the new one is whole. Returns the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [(name, pa.string()) for name in ("image_id", "path", "title", "metadata")]
    schema, ids = pa.schema([*texts, ("vector", pa.list_(pa.float32()))]), sorted(collection.ids())
    with replacing(Path(path)) as beside, pq.ParquetWriter(beside, schema) as writer:
        for start in range(0, len(ids), CHUNK):
            rows = [
                {
                    "image_id": item.image_id,
                    "path": to_row(item, None, root=collection._root)["path"],
                    "title": item.title,
                    "metadata": json.dumps(item.metadata, ensure_ascii=False),
                    "vector": vector,
                }
                for item, vector in collection.get(ids[start : start + CHUNK])
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))
    return len(ids)


def import_parquet(collection: Any, path: str | Path) -> int:
    """Upsert all rows of such a file. Returns their number; RagError for a file of other columns or another `dim`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        needed = {"image_id", "path", "title", "metadata", "vector"}
        if missing := needed - set(file.schema_arrow.names):
            raise RagError(f"{Path(path).name} has no column {', '.join(sorted(missing))}: use export_parquet's file.")
        n = 0
        for batch in file.iter_batches(CHUNK, columns=sorted(needed)):
            rows = batch.to_pylist()
            metas = [json.loads(row.pop("metadata")) for row in rows]
            pairs = zip(rows, metas, strict=True)
            items = [to_item({**row, "$meta": meta}, root=collection._root) for row, meta in pairs]
            collection.upsert(items, np.array([row["vector"] for row in rows], np.float32), progress=False)
            n += len(rows)
        return n
    except (OSError, pa.ArrowException, ValueError) as exc:
        raise RagError(f"{Path(path).name} cannot be read as a table of items and vectors ({exc}).") from None

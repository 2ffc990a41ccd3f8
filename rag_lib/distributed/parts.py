"""Parts: what workers found of some hundred pictures, in one Parquet file named by its content.

In: the rows of a batch, written whole or not at all; out: which pictures need no second look, and all of them together
as the catalog and the vectors that one process would have made. So a job that was killed goes on where it stopped, and
pictures that were added or changed later are the only ones that are embedded anew.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from rag_lib.catalog.folder import Found, gather
from rag_lib.catalog.metadata import Row
from rag_lib.distributed.place import UNREACHED, Place
from rag_lib.records import Catalog, Item, Skipped

# `reason`: why the catalog leaves it out; `fault`: why the encoder does; both "" for a file that is no picture, which
# has no `image_id`. `vector`: dim float32, little-endian; b"" for what is not embedded, as pictures to ask with.
COLUMNS = ("name", "mark", "image_id", "reason", "fault", "vector")


def keep(table, work: Place):
    """Write a pyarrow table of `COLUMNS` as a part; how many pictures it has, as a table of one row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = table.select(COLUMNS).sort_by("name")
    told = "\0".join(value for key in COLUMNS[:-1] for value in table[key].to_pylist())
    file = io.BytesIO()
    pq.write_table(table, file, compression="none")  # vectors do not get smaller
    work.write(f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.parquet", file.getvalue())
    return pa.table({"files": [table.num_rows]})


class Embedded:
    """The parts of a place. `marks`: of its files now; what a part says of another state of a file does not count."""

    def __init__(self, work: Place, marks: Mapping[str, str]):
        self._work, self._marks = work, marks
        self._known: dict[str, dict] = {}  # name -> its row without the vector, and the part that has the vector
        for part in work.listed(".parquet"):
            for row in self._rows(part, COLUMNS[:-1]):
                current = marks.get(row["name"]) == row["mark"]
                if current and not _is_settled(self._known.get(row["name"])):
                    self._known[row["name"]] = {**row, "part": part}

    def todo(self) -> list[str]:
        """The names of which nothing is known yet, in order."""
        return [name for name in self._marks if not _is_settled(self._known.get(name)) and _is_text(name)]

    def catalog(self, root: Path, rows: Mapping[str, Row]) -> tuple[Catalog, tuple[Skipped, ...]]:
        """The catalog of `load_folder`, and all that was skipped: by it, then by the encoder, as one process says it.

        `root`: stands for the folder; `rows`: of its metadata. RagError if no picture can be used.
        """
        known = self._known
        found = (
            Found(root / name, row["image_id"], row["reason"]) if row else _unknown(root / name)
            for name, row in ((name, known.get(name)) for name in self._marks)
            if not row or row["image_id"] or row["reason"]
        )
        catalog = gather(root, found, rows)
        faults = (Skipped(item.path, known[_name(item, root)]["fault"]) for item in catalog.items)
        return catalog, (*catalog.skipped, *(skip for skip in faults if skip.reason))

    def vectors(self, items: Sequence[Item], root: Path, dim: int) -> Iterator[tuple[list[Item], np.ndarray]]:
        """Items and their vectors, (n, dim) float32, a part at a time; without the items that have none."""
        wanted: dict[str, dict[str, Item]] = {}
        for item in items:
            name = _name(item, root)
            wanted.setdefault(self._known[name]["part"], {})[name] = item
        for part, by_name in wanted.items():
            rows = [row for row in self._rows(part, ("name", "vector")) if row["name"] in by_name and row["vector"]]
            vectors = np.frombuffer(b"".join(row["vector"] for row in rows), "<f4").reshape(len(rows), dim)
            yield [by_name[row["name"]] for row in rows], vectors.astype(np.float32)

    def _rows(self, part: str, columns: Sequence[str]) -> list[dict]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_table(io.BytesIO(self._work.read(part)), columns=list(columns)).to_pylist()
        except (pa.ArrowInvalid, OSError):  # damaged: its pictures are embedded again
            return []


def _is_settled(row: Mapping | None) -> bool:
    return row is not None and not row["reason"].startswith(UNREACHED)


def _is_text(name: str) -> bool:
    """Not so of a name that is no UTF-8, which `gather` reports without opening the file."""
    return name.encode("utf-8", "replace").decode() == name


def _unknown(file: Path) -> Found:
    return Found(file, None, UNREACHED if _is_text(file.name) else None)


def _name(item: Item, root: Path) -> str:
    return item.path.relative_to(root).as_posix()

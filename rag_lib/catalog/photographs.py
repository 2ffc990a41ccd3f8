"""Photographs that the installed packages bring along, as a catalog: about a dozen, for a room without a network.

In: nothing. Out: a `Catalog` of the folder data/photographs, into which they are copied once, with a metadata.csv that
gives each one's title, category, author, licence and source. photographs.yaml lists them. No package is imported, and
of a package only the file that has the listed sha256 is taken.
"""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import yaml

from rag_lib.catalog.folder import load_folder
from rag_lib.errors import RagError
from rag_lib.paths import data_dir, replacing
from rag_lib.records import Catalog, Skipped

SHOWN = ("file", "title", "category", "author", "licence", "source")  # the columns of metadata.csv
FIELDS = ("package", "path", "sha256")


def load_photographs() -> Catalog:
    """The catalog; those whose package is missing, or holds another picture, are named in `skipped`.

    Raises RagError if none is there, or if they cannot be kept.
    """
    folder, rows, skipped = data_dir() / "photographs", read_list(), []
    try:
        (folder / "query").mkdir(parents=True, exist_ok=True)
        _remove_others(folder, rows)
        for row in rows:
            if reason := _put(folder / row["file"], row):
                skipped.append(Skipped(folder / row["file"], reason))
        _write_metadata(folder / "metadata.csv", [row for row in rows if (folder / row["file"]).exists()])
    except OSError as exc:
        raise RagError(
            f"The photographs cannot be kept in data/ ({exc.strerror}): make room or allow writing."
        ) from None
    if len(skipped) == len(rows):
        raise RagError(f"None of the photographs is there ({skipped[0].path.name}: {skipped[0].reason}).")
    catalog = load_folder(folder)
    return replace(catalog, name="photographs", skipped=(*skipped, *catalog.skipped))


def read_list() -> list[dict[str, str]]:
    """The rows of photographs.yaml: `FIELDS` and `SHOWN`."""
    return yaml.safe_load(Path(__file__).with_name("photographs.yaml").read_text(encoding="utf-8"))


def _remove_others(folder: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Delete what an earlier list put into `folder`, by the table that it left; other people's files stay."""
    table = folder / "metadata.csv"
    if table.exists():
        there = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8", errors="replace")))
        for name in {row.get("file") for row in there} - {row["file"] for row in rows} - {None, ""}:
            path = folder / name
            if ".." not in path.parts and path.is_relative_to(folder) and path.is_file():
                path.unlink()


def _put(target: Path, row: Mapping[str, str]) -> str | None:
    """Make sure that `target` is the photograph; else why it cannot be, and there is no `target`."""
    if _is_it(target, row):
        return None
    target.unlink(missing_ok=True)
    try:
        source = _site_of(row["package"]) / row["path"]
    except PackageNotFoundError:
        return f"{row['package']} is not installed: pip install {row['package']}"
    if not _is_it(source, row):
        return f"this release of {row['package']} does not hold it: take the one of requirements.lock"
    with replacing(target) as beside:
        beside.write_bytes(source.read_bytes())
    return None


def _is_it(path: Path, row: Mapping[str, str]) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]


def _site_of(package: str) -> Path:
    return Path(distribution(package).locate_file(""))


def _write_metadata(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    text = io.StringIO()
    table = csv.DictWriter(text, SHOWN, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    content = text.getvalue().encode()
    if not path.exists() or path.read_bytes() != content:
        with replacing(path) as beside:
            beside.write_bytes(content)

"""Reading annotation files: parsed JSON of the expected shape, or one sentence that says what is wrong with which."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rag_lib.errors import RagError, did_you_mean
from rag_lib.evaluation.cir.records import CirQuery
from rag_lib.paths import resolve

KINDS = {str: "a string", int: "a whole number", list: "a list", dict: "an object"}


def find_root(folder: str | Path, marker: str, *, title: str, source: str, below: tuple[str, ...] = ()) -> Path:
    """The folder that holds the file `marker`: `folder` itself, or one of its subfolders `below`.

    A relative folder is meant as everywhere: below the project's folder.
    """
    folder = resolve(folder)
    if not folder.is_dir():
        raise RagError(f"The folder {folder.name!r} was not found: give the one that holds {title}.")
    for root in (folder, *(folder / name for name in below)):
        if (root / marker).is_file():
            return root
    where = " or ".join(["in it", *(f"in its folder {name}/" for name in below)])
    raise RagError(
        f"{folder.name!r} does not hold {title} in its official layout: there is no {marker} {where}. "
        f"The layout is described at {source}."
    )


def read_json(root: Path, name: str, kind: type) -> Any:
    """The content of `root / name`, which must be a list or an object (`kind`)."""
    try:
        content = json.loads((root / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RagError(f"{name} is missing: download the annotations again from the data set's repository.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise RagError(f"{name} cannot be read as JSON ({why}): download the annotations again.") from None
    if not isinstance(content, kind):
        raise RagError(f"{name} is not {KINDS[kind]} at its top level: is it the file of another data set or version?")
    return content


def read_entries(root: Path, name: str, fields: Mapping[str, type], *, key: str | None = None) -> list[dict]:
    """A list of objects (below `key`, if the file is an object), each with at least `fields`: name -> type."""
    content = read_json(root, name, dict if key else list)
    entries = content.get(key) if key else content
    if not isinstance(entries, list) or not entries:
        raise RagError(f"{name} holds no entries{f' under {key!r}' if key else ''}: download the annotations again.")
    for number, entry in enumerate(entries):
        for field, kind in fields.items():
            value = entry.get(field) if isinstance(entry, dict) else None
            if not isinstance(value, kind) or isinstance(value, bool):
                found = "is missing" if value is None else f"is {value!r}"
                raise RagError(
                    f"Entry {number} of {name}: {field!r} {found}, expected {KINDS[kind]}. "
                    "Is it the file of another data set or version?"
                )
    return entries


def read_ids(root: Path, name: str) -> list[str]:
    """A list of picture ids."""
    ids = read_json(root, name, list)
    if not ids or not all(isinstance(each, str) for each in ids):
        raise RagError(f"{name} is no list of picture ids (strings): download the annotations again.")
    return ids


def choose(title: str, what: str, given: str, known: Iterable[str]) -> None:
    """Refuse a split or gallery that the benchmark does not have."""
    known = tuple(known)
    if given not in known:
        raise RagError(f"{title} has no {what} {given!r}.{did_you_mean(given, known)} It has {', '.join(known)}.")


def check_ids(queries: Iterable[CirQuery], galleries: Mapping[str, tuple[str, ...]], *, title: str) -> None:
    """Every picture that a query names must be in its gallery's list: else the files are of different versions."""
    known = {name: set(ids) for name, ids in galleries.items()}
    for query in queries:
        for each in (query.reference, *query.targets, *query.subset):
            if each not in known[query.gallery]:
                raise RagError(
                    f"Query {query.query_id} of {title} names the picture {each!r}, which the list of pictures does "
                    "not have: are the captions and the list of the same version?"
                )

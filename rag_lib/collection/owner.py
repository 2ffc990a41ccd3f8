"""Whose a collection of a server is, and whose each of its rows: so that nobody removes what another one wrote.

In: a root folder, or a name that the user gives; out: the owner's text, kept as a property of the collection, and each
row's origin. A local folder has one user: nothing is asked of it.
"""

import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rag_lib.collection.calls import MilvusError
from rag_lib.errors import RagError

PROPERTY = "rag_lib.owner"
ENVIRONMENT = "RAG_OWNER"


def owner_name(given: str | None = None) -> str | None:
    """The name that is given or stands in `RAG_OWNER`. RagError if it cannot be part of a collection's name."""
    name = given or os.environ.get(ENVIRONMENT) or None
    if name and not (name.isascii() and name.isidentifier() and len(name) <= 64):
        raise RagError(f"The owner {name!r} is no plain name: use up to 64 letters, digits and _, a letter first.")
    return name


def origin_of(root: str | Path | None) -> str | None:
    """ "host:/folder", None without a root."""
    return None if root is None else f"{platform.node()}:{os.path.abspath(root)}"


def is_ours(origin: str | None, root: str | Path | None) -> bool:
    """Whether rows of this origin are of this root, or of a folder of this machine that is no longer there: moved."""
    host, _, folder = (origin or "").partition(":")
    return bool(folder) and (origin == origin_of(root) or host == platform.node() and not os.path.isdir(folder))


def owner_of(described: Mapping[str, Any]) -> str | None:
    """What a collection's description says."""
    return (described.get("properties") or {}).get(PROPERTY)


def claim(call: Callable[..., Any], described: Mapping[str, Any], owner: str | None, root: Any, subject: str) -> None:
    """Make `owner` the owner of a collection that has none, or whose folder was moved here. RagError for another's.

    `call`: a method of the client with this collection; `described`: what it said of it; `subject`: for the message.
    """
    kept = owner_of(described)
    if owner in (None, kept):
        return
    if kept and not is_ours(kept, root):
        host, _, folder = kept.partition(":")
        whose = f"the folder '{Path(folder).name}' of the machine '{host}'" if folder else f"'{kept}'"
        share = "" if folder else f"open it as one of them (owner='{kept}'), or "
        raise RagError(
            f"{subject} belongs to {whose}: {share}give a name of your own (owner=… or {ENVIRONMENT}), which makes a "
            "collection of your own."
        )
    try:
        call("alter_collection_properties", properties={PROPERTY: owner})
    except MilvusError:
        pass  # a server that keeps none: the rows still say whose they are

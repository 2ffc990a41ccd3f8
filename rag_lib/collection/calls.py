"""Calls of pymilvus: how a server is named and reached, and what becomes of Milvus's errors.

In: a uri, or a function of the client; out: what it returns, or one RagError of a sentence.
"""

import logging
import re
from collections.abc import Callable
from typing import Any

from rag_lib.errors import RagError

CONNECT_S, CALL_S = 5, 60  # time limits, seconds
# What the disk can do to a local folder, and what helps.
REMEDIES = {
    "Errno 28": "The disk is full: free some space and open it again",
    "Errno 122": "Your share of the disk is full: free some space and open it again",
    "Errno 30": "It cannot be written there: choose another path",
    "Errno 13": "It cannot be written there: choose another path",
}


class MilvusError(RagError):
    """What Milvus itself refused; the message ends with its reason."""


def is_local(uri: object) -> bool:
    """Whether it is the path of a Milvus Lite folder; every uri has a scheme, which is longer than a drive's letter."""
    return str(uri).endswith(".db") and not re.match(r"[A-Za-z][\w+.-]+:", str(uri))


def shown(uri: str) -> str:
    """A server's uri as messages name it: without user and password."""
    if uri.startswith("file:"):
        raise RagError("A local milvus_uri has no 'file:' before it: give the path alone, such as data/milvus.db.")
    match = re.fullmatch(r"(https?://)(?:[^/@]*@)?([^/@?#]+(?:/\w+)?)/?", uri)
    if not match:
        raise RagError(
            "The milvus_uri is neither a local path that ends in .db nor http(s)://host:port or .../database."
        )
    return match[1] + match[2]


def connect(address: str, token: str, wait: float, place: str, channel: dict[str, Any]) -> Any:
    """A `MilvusClient`. `wait`: seconds; `place`: how messages name the address; `channel`: options for gRPC."""
    from pymilvus import MilvusClient

    # Its errors come as exceptions; the copies that it logs, with tracebacks, would fill a notebook.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    try:
        return MilvusClient(address, token=token, timeout=wait, dedicated=True, grpc_options=channel)
    except Exception as exc:  # of many kinds; none of their texts is shown, because they can hold the credentials
        if "auth" in f"{exc} {exc.__cause__} {exc.__context__}".lower():  # gRPC's reason is in its own exception
            raise RagError(f"Milvus at {place} refused the credentials: set MILVUS_TOKEN.") from None
        raise RagError(f"No Milvus server answers at {place}: start it, or give a local .db path instead.") from None


def attempt(function: Callable, *args: Any, folder: tuple[str, str] = ("", ""), **options: Any) -> Any:
    """Call Milvus; its errors become one short RagError. `folder`: a local one's path, and its name in messages."""
    from pymilvus.exceptions import MilvusException

    try:
        return function(*args, **options)
    except MilvusException as exc:
        lines = (line.strip() for line in str(exc.message).splitlines())
        reason = "; ".join(line for line in lines if line.strip("^"))[:600]
        reason = (reason.replace(*folder) if folder[0] else reason)[:300]
        remedy = "".join(f". {help}" for number, help in REMEDIES.items() if f"[{number}]" in reason)
        raise MilvusError(f"Milvus refused {function.__name__}: {reason}{remedy}") from None

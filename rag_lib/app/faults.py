"""Two audiences of one failure: the visitor reads a sentence, the owner's terminal gets the whole.

In: whatever was raised while a visitor was served. Out: what he is told. Only what he can mend himself is told as it
is; all else may name folders, hosts and settings of the owner's, goes to the log, and is neutral here.
"""

import logging
import os
import re
import traceback

from rag_lib.errors import QueryError, RagError

FAULT = "Something went wrong on the server. The next query may work; the server's log says what it was."
LOG = logging.getLogger(__name__)
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=//)[^/@\s]+(?=@)")  # of an address


class Unavailable(RagError):
    """Something of the owner's does not work. For visitors; its cause is what the owner is told, folders and all."""


def sentence(error: Exception) -> str:
    """What a visitor is told. What he cannot mend goes to the log, and only that it happened to him."""
    if isinstance(error, QueryError):
        return str(error)
    cause = error.__cause__ if isinstance(error, Unavailable) and error.__cause__ else error
    whole = str(cause) if isinstance(cause, RagError) else "".join(traceback.format_exception(cause))
    LOG.error("A visitor's query failed: %s", _without_secrets(whole))
    return str(error) if isinstance(error, Unavailable) else FAULT


def _without_secrets(text: str) -> str:
    """None of the keys and passwords that this process was given."""
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= 8:
            text = text.replace(value, "***")
    return _LOGIN.sub("***", text)

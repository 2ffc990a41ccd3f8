"""The one exception that a user is meant to read: what was found, what was expected, and the remedy."""

import difflib
import re
import sys
import warnings
from collections.abc import Iterable

LONGEST = 1_500  # characters of a message: what it quotes may be somebody's whole file
# What a terminal obeys, what turns the rest of a line around, and halves of characters, which cannot be printed.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class RagError(Exception):
    """A mistake that the user can mend. Its message is one or two plain sentences with the remedy.

    In a notebook only that message is shown, without the frames that led to it.
    """

    def __str__(self) -> str:
        message = UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", super().__str__())
        cut = len(message) - LONGEST
        return message if cut <= 0 else f"{message[: LONGEST - 300]} … {message[-297:]}"

    def _render_traceback_(self) -> list[str]:
        """IPython calls this in place of its own traceback."""
        return [f"{type(self).__name__}: {self}"]


class QueryError(RagError):
    """A mistake in what was asked: the picture, the words or the numbers of one query.

    Its message names only what the asker gave, so that a server may show it to strangers. That of any other RagError
    is for whoever runs the server: it may name his folders, hosts and settings.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: " Did you mean 'leopard'?", or nothing if none is near."""
    known = {str(each).lower(): each for each in known}
    near = difflib.get_close_matches(str(name).lower(), known, n=1)
    return f" Did you mean '{known[near[0]]}'?" if near else ""


def warn_outside(sentence: str, kind: type[Warning]) -> None:
    """Warn at the nearest line outside of this package.

    Python's own memory of what was said, which keeps every sentence for ever, is not used: the caller has to have one.
    """
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("rag_lib."):
        frame = frame.f_back
    warnings.warn_explicit(sentence, kind, frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__"))


def how_to_get(extra: str) -> str:
    """The remedy where a package of one of pyproject.toml's extras is missing."""
    return f"make setup EXTRAS={extra}, or pip install '.[{extra}]' in the repository's folder."

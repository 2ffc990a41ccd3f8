"""The one exception that a user is meant to read: what was found, what was expected, and the remedy."""


class RagError(Exception):
    """A mistake that the user can mend. Its message is one or two plain sentences with the remedy.

    In a notebook only that message is shown, without the frames that led to it.
    """

    def _render_traceback_(self) -> list[str]:
        """IPython calls this in place of its own traceback."""
        return [f"{type(self).__name__}: {self}"]

"""The demo app: the notebooks' pipeline with a face. `start` serves it from here, `python -m rag_lib.app` alone.

In: the parameters of the notebooks, by the same names. Out: a page on this machine, and an HTTP API of one function.
"""

from rag_lib.app.choices import Choices
from rag_lib.app.server import Server, start

__all__ = ["Choices", "Server", "start"]

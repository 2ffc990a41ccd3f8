"""What an image tower made of the last few pictures: one that is looked at again, in a row, does not pass it again.

A query's picture is asked for with its words, alone, and by a reranker that reads its attributes.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Any

KEPT = 4  # pictures


class Recent:
    """Results for pictures that came alone, as queries do. For any number of threads; none may change what it gets."""

    def __init__(self):
        self._results: dict[Hashable, Any] = {}  # the longest unused first
        self._lock = threading.Lock()

    def __call__(self, look: Callable[[list], Any], prepared: list, key: Callable[[Any], Hashable]) -> Any:
        """`look(prepared)`, or what it gave before. `key`: of one prepared picture, all that it holds."""
        if len(prepared) != 1:
            return look(prepared)
        content = key(prepared[0])
        with self._lock:
            result = self._results.pop(content) if content in self._results else look(prepared)
            self._results[content] = result
            if len(self._results) > KEPT:
                del self._results[next(iter(self._results))]
            return result

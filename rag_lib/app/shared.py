"""One collection for all visitors: opened when somebody asks, let go when nobody has asked for a while.

Milvus Lite allows one process at a time, so an app that kept its folder would lock every notebook out. Letting go
after less time than a notebook waits for the lock (ten seconds) keeps both going.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rag_lib.app.faults import Unavailable
from rag_lib.collection import Collection, MilvusError
from rag_lib.errors import RagError

IDLE = 5.0  # seconds
CLOSED = "The store cannot be opened just now: another program may be using it. Try again in a moment."


class SharedCollection:
    """`open`: makes the collection. One visitor at a time uses it: a search takes milliseconds."""

    def __init__(self, open: Callable[[], Collection], *, idle: float = IDLE):
        self._open, self._idle = open, idle
        self._lock = threading.Lock()
        self._collection: Collection | None = None
        self._timer: threading.Timer | None = None

    @contextmanager
    def use(self) -> Iterator[Collection]:
        """The open collection. After a failure of Milvus the next visitor gets it opened anew.

        Raises Unavailable if it cannot be opened.
        """
        with self._lock:
            self._forget_timer()
            if self._collection is None:
                try:
                    self._collection = self._open()
                except RagError as exc:
                    raise Unavailable(CLOSED) from exc
            try:
                yield self._collection
            except MilvusError:
                self._let_go()
                raise
            finally:
                self._timer = threading.Timer(self._idle, self._when_idle)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Let go now; `use` opens it again."""
        with self._lock:
            self._forget_timer()
            self._let_go()

    def _when_idle(self) -> None:
        with self._lock:
            # Somebody may have come while this waited for the lock: then another timer runs.
            if self._timer is threading.current_thread():
                self._let_go()

    def _forget_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None

    def _let_go(self) -> None:
        if self._collection is not None:
            self._collection.close()
        self._collection = None

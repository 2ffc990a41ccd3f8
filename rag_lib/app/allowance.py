"""How many rankings that cost money visitors may ask for within an hour: each of them, and all together."""

import math
import threading
import time

from rag_lib.errors import QueryError

HOUR = 3600.0  # seconds


class Allowance:
    """`each`, `together`: rankings within an hour, of one visitor and of all."""

    def __init__(self, each: int, together: int):
        self.each, self.together = each, together
        self._lock = threading.Lock()
        self._spent: list[tuple[float, str]] = []  # when and by whom, oldest first

    def spend(self, visitor: str) -> tuple[float, str]:
        """One ranking more, to be given to `give_back` if it cost nothing. Raises QueryError if none is left."""
        with self._lock:
            now = time.monotonic()
            self._spent = [(when, who) for when, who in self._spent if when > now - HOUR]
            own = [when for when, who in self._spent if who == visitor]
            for times, most, whose in (
                (own, self.each, f"Your {self.each}"),
                ([when for when, _ in self._spent], self.together, f"The {self.together}"),
            ):
                if len(times) >= most:
                    wait = f"ask again in {math.ceil((times[0] + HOUR - now) / 60)} min, or " if times else ""
                    raise QueryError(f"{whose} rankings of this hour are spent: {wait}choose another reranker.")
            self._spent.append((now, visitor))
            return self._spent[-1]

    def give_back(self, spent: tuple[float, str]) -> None:
        with self._lock:
            if spent in self._spent:
                self._spent.remove(spent)

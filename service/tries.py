"""What is tried in a thread of its own, again and again until it went or is given up; so many wait, and no more."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

#: Tries once; returns after how many seconds to try again, None where it went or is given up.
Try = Callable[[], float | None]


class Tries:
    """One thread, which begins with what comes first. Safe in several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        #: When it is due, by the monotonic clock; in which order it came; what it is.
        self._due: list[tuple[float, int, Try]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, attempt: Try) -> bool:
        """Have it tried at once; False where too many wait."""
        with self._changed:
            if len(self._due) >= self._most:
                return False
            self._put(0.0, attempt)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            return True

    def _put(self, wait_s: float, attempt: Try) -> None:
        heapq.heappush(self._due, (time.monotonic() + wait_s, next(self._numbers), attempt))
        self._changed.notify()

    def _run(self) -> None:
        while True:
            again_s = (attempt := self._next())()
            if again_s is not None:
                with self._changed:
                    self._put(again_s, attempt)

    def _next(self) -> Try:
        """Wait for what is due."""
        with self._changed:
            while not self._due or self._due[0][0] > time.monotonic():
                self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
            return heapq.heappop(self._due)[2]

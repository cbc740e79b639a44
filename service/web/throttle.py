"""Who guesses passwords waits: after a few failures, twice as long each time."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: So many failures cost nothing: people mistype.
FREE: Final = 5
#: So many of one name from anywhere: guesses from many addresses are slowed, and nobody alone keeps its owner out.
FREE_OF_NAME: Final = 50
_FIRST_S: Final = 2.0
_LONGEST_S: Final = 300.0
#: A name or address is forgotten after so long without a failure, seconds.
_FORGET_S: Final = 3600.0
#: So many names and addresses are remembered; who invents more pushes out the oldest.
_MOST: Final = 10_000


@dataclass(kw_only=True)
class _Failures:
    free: int
    number: int = 0
    last_at: float = 0.0

    def wait_s(self, now: float) -> float:
        """Return how long the next try has to wait, seconds."""
        if self.number < self.free or now - self.last_at > _FORGET_S:
            return 0.0
        # The exponent is bounded: a float overflows beyond 2 ** 1023.
        pause = min(_FIRST_S * 2.0 ** min(self.number - self.free, 10), _LONGEST_S)
        return max(0.0, self.last_at + pause - now)


class Throttle:
    """Counts failures. Safe in several threads; forgotten when the process ends."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def __len__(self) -> int:
        """Return how many names and addresses are remembered."""
        return len(self._failures)

    def wait_s(self, *who: str) -> float:
        """Return how long these must wait before the next try, seconds; 0 where they need not."""
        now = self._clock()
        with self._lock:
            return max((known.wait_s(now) for each in who if (known := self._failures.get(each))), default=0.0)

    def failed(self, *who: str, free: int = FREE) -> None:
        """Count a failure of each, of whom so many cost nothing."""
        now = self._clock()
        with self._lock:
            for each in who:
                known = self._failures.setdefault(each, _Failures(free=free))
                known.number = 1 if now - known.last_at > _FORGET_S else known.number + 1
                known.last_at = now
                self._failures.move_to_end(each)
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)

    def succeeded(self, *who: str) -> None:
        """Forget the failures of each."""
        with self._lock:
            for each in who:
                self._failures.pop(each, None)

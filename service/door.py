"""The door of the listener: whether an operator has closed it, and who was turned away at it.

Both are asked and told many times a second and change rarely: the ledger is asked once a second, and told by the same
thread that renews the holds, of each caller once.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, Protocol

from service.errors import Refused, Unavailable
from service.ledger.callers import MOST_CALLERS, Caller
from service.ledger.switches import Pause, Paused
from service.logs import log

#: A closed door is seen within so long, seconds.
ASK_EVERY_S: Final = 1.0
#: PS3.7 C.5: AE titles are 16 characters; what is kept of one that is longer.
_TITLE_LENGTH: Final = 64


class Closed(Refused):
    """The intake is paused by an operator: keep it and try again."""

    who = "nobody: the sender tries again"

    def __init__(self, message: str = "") -> None:
        # PS3.4 B.2.3: Refused: Out of Resources, the failure that a sender takes as passing.
        super().__init__(message, status=0xA700)


class LedgerOfSwitches(Protocol):
    """The part of the ledger that knows what is paused."""

    def paused(self) -> dict[Paused, Pause]:
        """Return what is paused now."""


class LedgerOfCallers(Protocol):
    """The part of the ledger that hears of callers."""

    def note(self, rejected: Iterable[Caller]) -> None:
        """Add what was counted."""


class Door:
    """One listener's door. Safe in several threads."""

    def __init__(
        self,
        switches: LedgerOfSwitches,
        callers: LedgerOfCallers,
        clock: Callable[[], float],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the clock that callers are noted by, and one that is never set: how often the ledger is asked."""
        self._switches = switches
        self._callers = callers
        self._clock = clock
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._closed = False
        self._asked_at = float("-inf")
        self._untold: dict[tuple[str, str, str], Caller] = {}

    def require_open(self) -> None:
        """Raise Closed while the intake is paused; where the ledger does not answer, what it said last counts."""
        now = self._elapsed()
        with self._lock:
            ask = now - self._asked_at >= ASK_EVERY_S
            if ask:
                self._asked_at = now
        if ask:
            try:
                self._closed = Paused.INTAKE in self._switches.paused()
            except Unavailable as error:
                log.warning("the ledger was not asked", action="ledger_unavailable", why=str(error))
        if self._closed:
            raise Closed

    def turned_away(self, *, calling_ae: str, called_ae: str, address: str, cause: str) -> None:
        """Count a caller that was rejected."""
        now = self._clock()
        calling_ae, called_ae = _printable(calling_ae), _printable(called_ae)
        key = calling_ae, address, cause
        with self._lock:
            known = self._untold.get(key)
            if known is None and len(self._untold) >= MOST_CALLERS:
                return
            self._untold[key] = (
                replace(known, number=known.number + 1, last_at=now, called_ae=called_ae)
                if known
                else Caller(
                    calling_ae=calling_ae,
                    address=address,
                    cause=cause,
                    called_ae=called_ae,
                    number=1,
                    first_at=now,
                    last_at=now,
                )
            )

    def tell(self) -> None:
        """Tell the ledger whom it has not heard of; what it cannot be told now, it is told the next time."""
        with self._lock:
            untold, self._untold = self._untold, {}
        if not untold:
            return
        try:
            self._callers.note(untold.values())
        except Unavailable as error:
            log.warning("the ledger was not told; it will be", action="ledger_unavailable", why=str(error))
            with self._lock:
                self._untold = untold | self._untold


def _printable(title: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in title)[:_TITLE_LENGTH]

"""The steward: loops that settle, reconcile, and where that is wanted fetch and alert, for as long as the node runs.

A pass that fails because something does not answer is logged and comes again; nothing is kept in memory between two
passes, so a steward that is killed costs nothing but time. Anything else that fails is a bug: its loop ends, is no
longer `alive`, and the node with it.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from service.errors import SpondylError
from service.logs import log
from service.reconcile import Reconciler
from service.settle import Settler

SETTLE_EVERY_S: Final = 0.5
RECONCILE_EVERY_S: Final = 2.0
#: The comparison of the whole spool with the ledger, and retention; also done at start. It may take long, so it has
#: a loop of its own.
WHOLE_SPOOL_EVERY_S: Final = 600.0
#: A pass that failed comes again no later than this.
AGAIN_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Duty:
    """What is done again and again; `run` takes the time, seconds since the epoch."""

    name: str
    every_s: float
    run: Callable[[float], object]
    #: Whether there is nothing to do, which is cheaper to ask than to find.
    is_idle: Callable[[], bool] = lambda: False
    #: When there is something to do before its turn, seconds since the epoch; given the time of the pass.
    due: Callable[[float], float] = lambda _now: math.inf

    def attempt(self, now: float) -> float:
        """Do it once; return after how many seconds it is to be done again."""
        try:
            if self.is_idle():
                return self.every_s
            self.run(now)
            return min(self.every_s, max(0.0, self.due(now) - now))
        except (SpondylError, OSError) as error:
            # An OSError's own text names a path; its strerror does not.
            why = error.strerror if isinstance(error, OSError) else str(error)
            log.warning("pass failed, it comes again", action="pass_failed", role=self.name, why=why)
            return min(self.every_s, AGAIN_S)


class Steward:
    """Runs the duties, each in a thread of its own, between `start` and `stop`."""

    def __init__(
        self,
        *,
        settler: Settler,
        reconciler: Reconciler,
        alerts: Duty | None = None,
        completing: Duty | None = None,
        is_still: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`is_still` tells that the ledger has nothing to settle and no open job, so its passes are left out."""
        self._clock = clock
        self._stopped = threading.Event()
        duties = [
            Duty(name="settle", every_s=SETTLE_EVERY_S, run=settler.run, is_idle=is_still, due=settler.due),
            Duty(
                name="reconcile",
                every_s=RECONCILE_EVERY_S,
                run=partial(reconciler.run, whole_spool=False),
                is_idle=is_still,
            ),
            Duty(name="compare", every_s=WHOLE_SPOOL_EVERY_S, run=reconciler.run),
            *([alerts] if alerts else []),
            *([completing] if completing else []),
        ]
        self._threads = [
            threading.Thread(target=self._repeat, args=(duty,), name=f"spondyl-{duty.name}", daemon=True)
            for duty in duties
        ]

    @property
    def alive(self) -> bool:
        """Whether every loop runs."""
        return all(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Begin; every duty is done at once for the first time."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Let the passes that run end, for so long at most; no other begins."""
        self._stopped.set()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _repeat(self, duty: Duty) -> None:
        while not self._stopped.wait(duty.attempt(self._clock())):
            pass

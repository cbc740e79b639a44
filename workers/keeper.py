"""Keep a worker at work: a fresh process in the place of one that ended, or that takes no messages.

A worker is never mended: one that has lost its broker finishes what it does and ends (decision 0012).
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from types import FrameType

from service.logs import log
from service.stopping import stop_when_told
from service.supervisor import FIRST_WAIT_S, LONGEST_WAIT_S, STEADY_S
from workers.pulse import Pulse

#: So often the broker is asked whether messages wait, and so often where it did not answer; seconds.
LOOK_EVERY_S = 5.0
AGAIN_S = 1.0
#: A worker that has a process free takes a message at once. One that has let messages wait for so long, seconds, has
#: lost its broker without noticing: Celery's own look at a connection comes every 25 s, and not in every such case.
PATIENCE_S = 15.0
#: A worker whose loop turns begins to stop as soon as it is told. One that has not after so long, seconds, hangs.
HEAR_S = 10.0
#: It is told so often: what comes before its loop turns is not heard.
TELL_EVERY_S = 1.0
_TICK_S = 0.2
#: Exit code of a process that a signal ended: this and the signal's number, as shells have it.
_BY_SIGNAL = 128


@dataclass(frozen=True, kw_only=True)
class Stop:
    """How this process is told to stop; `at_once` leaves running jobs SOFT_SHUTDOWN_S."""

    told: threading.Event
    at_once: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def when_told(cls) -> "Stop":
        """Listen to the signals of a role, and to SIGQUIT; to be called from the main thread."""
        stop = cls(told=stop_when_told())

        def hurry(_number: int, _frame: FrameType | None) -> None:
            stop.at_once.set()
            stop.told.set()

        signal.signal(signal.SIGQUIT, hurry)
        return stop


@dataclass(kw_only=True)
class Keeper:
    """`launch` starts a worker, `waiting` counts messages (None: no broker); a job may take `limit_s` seconds."""

    launch: Callable[[], tuple[BaseProcess, Pulse]]
    waiting: Callable[[], int | None]
    limit_s: float
    stop: Stop
    clock: Callable[[], float] = time.monotonic
    _waits_since: float | None = None

    def run(self) -> int:
        """Keep a worker until told to stop; returns the exit code of the last one, 0 where none ran."""
        deaths = 0
        while self._broker_answers():
            began = self.clock()
            code = self._attend(*self.launch())
            if self.stop.told.is_set():
                return code
            deaths = 1 if self.clock() - began >= STEADY_S else deaths + 1
            wait_s = min(FIRST_WAIT_S * 2.0 ** (deaths - 1), LONGEST_WAIT_S)
            log.warning("worker ended, another follows", action="worker_ended", exit_code=code, retry_in_s=wait_s)
            self.stop.told.wait(wait_s)
        return 0

    def _broker_answers(self) -> bool:
        """Wait for the broker; False where told to stop meanwhile."""
        missed = False
        while not self.stop.told.is_set():
            if self.waiting() is not None:
                return True
            if not missed:
                log.warning("no broker, waiting for it", action="broker_missing", role="work")
            missed = True
            self.stop.told.wait(AGAIN_S)
        return False

    def _attend(self, process: BaseProcess, pulse: Pulse) -> int:
        """Return the exit code of a worker once it has ended, by itself or because it had to."""
        look_at = self.clock() + LOOK_EVERY_S
        self._waits_since = None
        while process.is_alive() and not pulse.ending and not self.stop.told.is_set():
            if self.clock() >= look_at:
                if self._takes_nothing(pulse):
                    log.error("messages wait, and the worker takes none", action="worker_stuck", pid=process.pid)
                    break
                look_at = self.clock() + LOOK_EVERY_S
            process.join(_TICK_S)
        self._end(process, pulse)
        code = process.exitcode or 0
        return code if code >= 0 else _BY_SIGNAL - code

    def _takes_nothing(self, pulse: Pulse) -> bool:
        """Whether messages have waited for too long for a worker that took none meanwhile."""
        if not self.waiting():
            self._waits_since = None
            return False
        now = self.clock()
        self._waits_since = self._waits_since or now
        # Where all processes have a job, one is free when that job's time is up.
        patience_s = PATIENCE_S + (self.limit_s if pulse.full(now) else 0.0)
        return now - max(self._waits_since, pulse.taken_at) >= patience_s

    def _end(self, process: BaseProcess, pulse: Pulse) -> None:
        """See it stop: tell it until it begins to, and kill it where it does not, or where a job outlasts its time."""
        began = tell_at = self.clock()
        while process.is_alive():
            patience_s = self.limit_s if pulse.ending else HEAR_S
            if self.clock() - began >= patience_s:
                log.warning("role killed", action="role_killed", role="work", pid=process.pid, seconds=patience_s)
                process.kill()
                process.join()
            elif self.stop.at_once.is_set():
                self.stop.at_once.clear()
                _tell(process, signal.SIGQUIT)
            elif not pulse.ending and self.clock() >= tell_at:
                _tell(process, signal.SIGTERM)
                tell_at = self.clock() + TELL_EVERY_S
            process.join(_TICK_S)


def _tell(process: BaseProcess, number: signal.Signals) -> None:
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, number)

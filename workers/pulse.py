"""What a worker tells its keeper, through memory that both share: that it takes messages, or why it takes none."""

import mmap
import time

from celery import bootsteps, signals
from celery.worker import state
from celery.worker.worker import WorkController

#: The loop that takes messages says so often that it turns, seconds.
BEAT_S = 1.0
#: A worker that has not said so often in a row what it is doing is not doing it any more.
MISSED_BEATS = 3

_TAKEN_AT, _FULL_AT, _ENDING = range(3)


class Pulse:
    """Three cells. Times are monotonic, in seconds, and the same for all processes of a machine."""

    def __init__(self) -> None:
        # Anonymous and shared: a forked process writes what its parent reads, and no file is needed.
        self._cells = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
        self._cells[_TAKEN_AT] = time.monotonic()

    @property
    def taken_at(self) -> float:
        """When it took its last message, or came into being."""
        return float(self._cells[_TAKEN_AT])

    @property
    def ending(self) -> bool:
        """Whether it has begun to stop: it takes no more messages, and finishes the jobs that it has."""
        return bool(self._cells[_ENDING])

    def full(self, now: float) -> bool:
        """Whether each of its processes has a job."""
        return now - float(self._cells[_FULL_AT]) < MISSED_BEATS * BEAT_S

    def take(self) -> None:
        """Say that a message was taken."""
        self._cells[_TAKEN_AT] = time.monotonic()

    def fill(self) -> None:
        """Say that there is no process free for another message."""
        self._cells[_FULL_AT] = time.monotonic()

    def end(self) -> None:
        """Say that no other message will be taken."""
        self._cells[_ENDING] = 1.0


def step_of(pulse: Pulse) -> type[bootsteps.StartStopStep]:
    """Return the part of a Celery worker that says it; also has each message said that is taken in this process."""

    class Beat(bootsteps.StartStopStep):
        """Says, from the loop that takes messages, whether all processes are busy; and that the worker stops."""

        requires = ("celery.worker.components:Pool",)

        def start(self, worker: WorkController) -> None:
            worker.timer.call_repeatedly(BEAT_S, self.beat, (worker,))

        def beat(self, worker: WorkController) -> None:
            if len(state.reserved_requests) >= worker.concurrency:
                pulse.fill()

        def close(self, _worker: WorkController) -> None:
            pulse.end()

    def taken(**_: object) -> None:
        pulse.take()

    signals.task_received.connect(taken, weak=False)
    return Beat

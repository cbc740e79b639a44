"""What a worker tells its keeper."""

import multiprocessing
from types import SimpleNamespace

import pytest
from celery import signals
from celery.worker import state

from workers.pulse import BEAT_S, MISSED_BEATS, Pulse, step_of

FORK = multiprocessing.get_context("fork")


def test_what_one_process_says_another_hears() -> None:
    """The memory is shared: a forked process takes a message, is full, ends, and its parent knows."""
    pulse = Pulse()
    began = pulse.taken_at

    def be_a_worker() -> None:
        pulse.take()
        pulse.fill()
        pulse.end()

    child = FORK.Process(target=be_a_worker)
    child.start()
    child.join()

    assert pulse.taken_at > began
    assert pulse.full(pulse.taken_at)
    assert pulse.ending


def test_a_new_worker_is_neither_full_nor_ending() -> None:
    """Nothing has been said yet."""
    pulse = Pulse()

    assert (pulse.full(pulse.taken_at), pulse.ending) == (False, False)


def test_a_worker_that_no_longer_says_that_it_is_full_is_not() -> None:
    """A loop that hangs says nothing, so its word holds for a few beats only."""
    pulse = Pulse()
    pulse.fill()

    assert pulse.full(pulse.taken_at + BEAT_S)
    assert not pulse.full(pulse.taken_at + 2 * MISSED_BEATS * BEAT_S)


@pytest.mark.parametrize(("jobs", "full"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_worker_is_full_when_each_process_has_a_job(jobs: int, full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes: two jobs fill them. The loop's timer says so, again and again."""
    pulse = Pulse()
    calls: list[tuple[float, object, tuple[object, ...]]] = []
    worker = SimpleNamespace(concurrency=2, timer=SimpleNamespace(call_repeatedly=lambda *call: calls.append(call)))
    monkeypatch.setattr(state, "reserved_requests", set(range(jobs)))
    step = step_of(pulse)(worker)
    step.start(worker)
    ((every_s, beat, arguments),) = calls
    assert callable(beat)
    beat(*arguments)

    assert (every_s, pulse.full(pulse.taken_at)) == (BEAT_S, full)
    assert not pulse.ending
    step.close(worker)
    assert pulse.ending


def test_each_message_that_is_taken_is_said() -> None:
    """Celery's own signal of a received task is the pulse."""
    pulse = Pulse()
    step_of(pulse)
    began = pulse.taken_at
    signals.task_received.send(sender=None, request=None)

    assert pulse.taken_at > began

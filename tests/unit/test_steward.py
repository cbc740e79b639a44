"""One duty of the steward: when it comes again."""

import pytest

from service.errors import Misconfigured, Unavailable
from service.steward import AGAIN_S, Duty


class Pass:
    """A pass that remembers its times, and fails while it has failures left."""

    def __init__(self, *failures: Exception) -> None:
        self.times: list[float] = []
        self._failures = list(failures)

    def __call__(self, now: float) -> None:
        """Run once."""
        self.times.append(now)
        if self._failures:
            raise self._failures.pop(0)


def test_a_duty_is_done_with_the_time_it_is_given() -> None:
    """It comes again after its own period."""
    done = Pass()

    assert 600.0 == Duty(name="compare", every_s=600.0, run=done).attempt(100.0)
    assert [100.0] == done.times


@pytest.mark.parametrize("failure", [Unavailable(), OSError(5, "I/O error", "spool/ab"), Misconfigured("x")])
def test_a_duty_that_failed_comes_again_soon(failure: Exception) -> None:
    """A rare duty does not wait its whole period for the second try, and the next success is as usual."""
    duty = Duty(name="compare", every_s=600.0, run=Pass(failure))

    assert [AGAIN_S, 600.0] == [duty.attempt(100.0), duty.attempt(102.0)]


def test_a_frequent_duty_that_failed_comes_no_later_than_usual() -> None:
    """Its own period is shorter than the pause after a failure."""
    assert 0.5 == Duty(name="settle", every_s=0.5, run=Pass(Unavailable())).attempt(100.0)


@pytest.mark.parametrize(("due", "wait_s"), [(100.2, 0.2), (107.0, 0.5), (99.0, 0.0)])
def test_a_duty_comes_when_there_is_something_to_do(due: float, wait_s: float) -> None:
    """Before its turn, never later, and at once where that is over."""
    duty = Duty(name="settle", every_s=0.5, run=Pass(), due=lambda _now: due)

    assert wait_s == pytest.approx(duty.attempt(100.0))


def test_a_bug_is_not_swallowed() -> None:
    """Anything that is not one of our errors ends the loop."""
    with pytest.raises(ZeroDivisionError):
        Duty(name="settle", every_s=0.5, run=Pass(ZeroDivisionError())).attempt(100.0)


def test_an_idle_duty_is_left_out_until_there_is_something_to_do() -> None:
    """It is looked at as often as it would be done."""
    done, idle = Pass(), [True, True, False]
    duty = Duty(name="settle", every_s=0.5, run=done, is_idle=lambda: idle.pop(0))

    assert [0.5, 0.5, 0.5] == [duty.attempt(now) for now in (100.0, 100.5, 101.0)]
    assert [101.0] == done.times


def test_a_look_that_fails_is_a_pass_that_failed() -> None:
    """The ledger does not answer: the duty comes again soon, and its loop goes on."""

    def looks() -> bool:
        raise Unavailable

    assert AGAIN_S == Duty(name="reconcile", every_s=600.0, run=Pass(), is_idle=looks).attempt(100.0)

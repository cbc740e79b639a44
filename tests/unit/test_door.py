"""The listener's door: closed by an operator, and who was turned away at it."""

from collections.abc import Iterable

import pytest

from service.door import ASK_EVERY_S, Closed, Door
from service.errors import Unavailable
from service.ledger.callers import MOST_CALLERS, Caller
from service.ledger.switches import Pause, Paused


class _Ledger:
    """Answers what it is told to, and keeps what it hears."""

    def __init__(self) -> None:
        self.now = 100.0
        self.elapsed = 0.0
        self.closed = False
        self.away = False
        self.asked = 0
        self.heard: list[Caller] = []

    def paused(self) -> dict[Paused, Pause]:
        """Say what is paused."""
        self.asked += 1
        if self.away:
            raise Unavailable("away")
        pause = Pause(name=Paused.INTAKE, since=1.0, actor="anna", why="update")
        return {Paused.INTAKE: pause} if self.closed else {}

    def note(self, rejected: Iterable[Caller]) -> None:
        """Hear of callers."""
        if self.away:
            raise Unavailable("away")
        self.heard += rejected


@pytest.fixture
def ledger() -> _Ledger:
    """Give a ledger that answers."""
    return _Ledger()


@pytest.fixture
def door(ledger: _Ledger) -> Door:
    """Give a door with its clock."""
    return Door(ledger, ledger, lambda: ledger.now, lambda: ledger.elapsed)


def _away(door: Door, title: str = "CT3", cause: str = "calling_ae_title") -> None:
    door.turned_away(calling_ae=title, called_ae="SPONDYL", address="10.0.0.3", cause=cause)


def test_a_closed_door_is_a_passing_failure(door: Door, ledger: _Ledger) -> None:
    """Paused intake is 0xA700, out of resources (PS3.4 B.2.3), which a sender takes as passing."""
    ledger.closed = True

    with pytest.raises(Closed) as refusal:
        door.require_open()
    assert 0xA700 == refusal.value.status


def test_an_open_door_is_asked_for_once_a_second(door: Door, ledger: _Ledger) -> None:
    """A thousand objects in a second cost one question; a second later it is asked again."""
    for _ in range(1000):
        door.require_open()
    first = ledger.asked
    ledger.elapsed += ASK_EVERY_S
    ledger.closed = True

    with pytest.raises(Closed):
        door.require_open()
    assert (1, 2) == (first, ledger.asked)


def test_a_clock_that_is_set_back_keeps_no_door_closed(door: Door, ledger: _Ledger) -> None:
    """An intake that was resumed is open a second later, though the clock went back by an hour meanwhile."""
    ledger.closed = True
    with pytest.raises(Closed):
        door.require_open()
    ledger.closed = False
    ledger.now -= 3600.0
    ledger.elapsed += ASK_EVERY_S

    door.require_open()


@pytest.mark.parametrize("closed", [True, False])
def test_a_ledger_that_is_away_changes_nothing(door: Door, ledger: _Ledger, closed: bool) -> None:
    """While the ledger does not answer the door stays as it was."""
    ledger.closed = closed
    outcomes = []
    for away in (False, True):
        ledger.away = away
        ledger.elapsed += ASK_EVERY_S
        try:
            door.require_open()
        except Closed:
            outcomes.append(True)
        else:
            outcomes.append(False)

    assert [closed, closed] == outcomes


def test_a_caller_is_told_once_with_its_number(door: Door, ledger: _Ledger) -> None:
    """Equal calls are one entry with a number and both times; it is told once."""
    _away(door)
    ledger.now = 160.0
    _away(door)
    door.tell()
    door.tell()

    (caller,) = ledger.heard
    assert ("CT3", "10.0.0.3", "calling_ae_title", "SPONDYL", 2, 100.0, 160.0) == (
        caller.calling_ae,
        caller.address,
        caller.cause,
        caller.called_ae,
        caller.number,
        caller.first_at,
        caller.last_at,
    )


def test_what_could_not_be_told_is_told_later(door: Door, ledger: _Ledger) -> None:
    """A ledger that is away loses no caller."""
    ledger.away = True
    _away(door)
    door.tell()
    ledger.away = False
    door.tell()

    assert ["CT3"] == [caller.calling_ae for caller in ledger.heard]


def test_invented_titles_are_bounded_and_printable(door: Door, ledger: _Ledger) -> None:
    """However many titles a scanner makes up, so many are kept; what cannot be printed is a question mark."""
    for number in range(MOST_CALLERS + 50):
        _away(door, f"A{number}\x07")
    door.tell()

    assert MOST_CALLERS == len(ledger.heard)
    assert "A0?" == ledger.heard[0].calling_ae

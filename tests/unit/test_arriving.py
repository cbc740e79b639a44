"""What the ledger hears of open associations, and when."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from service.arriving import FLOWING_S, HOLD_S, SAY_AGAIN_S, Arriving
from service.errors import Unavailable


@dataclass(eq=False)
class Call:
    """An association."""

    alive: bool = True

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.alive


@dataclass
class Heard:
    """A ledger that remembers what it was told."""

    notes: list[tuple[str, str, float, float]] = field(default_factory=list)
    holds: list[tuple[list[str], float]] = field(default_factory=list)
    releases: list[tuple[list[str], float]] = field(default_factory=list)
    too_large_said: list[tuple[str, str, float, float]] = field(default_factory=list)
    down: bool = False

    def note(self, *, key: str, study_instance_uid: str, source: str, now: float, held_until: float) -> None:
        """Remember an arrival."""
        self._check()
        assert study_instance_uid == f"1.{key}"
        self.notes.append((key, source, now, held_until))

    def hold(self, keys: Iterable[str], *, until: float) -> None:
        """Remember a hold."""
        self._check()
        self.holds.append((list(keys), until))

    def release(self, keys: Iterable[str], *, now: float) -> None:
        """Remember a release."""
        self._check()
        self.releases.append((list(keys), now))

    def too_large(self, key: str, *, why: str, now: float, since: float) -> bool:
        """Say once what is said again and again."""
        self._check()
        self.too_large_said.append((key, why, now, since))
        return len(self.too_large_said) == 1

    def _check(self) -> None:
        if self.down:
            raise Unavailable("the ledger does not answer")


class World:
    """A clock, a ledger and what is arriving."""

    def __init__(self) -> None:
        self.now = 100.0
        self.heard = Heard()
        self.arriving = Arriving(self.heard, lambda: self.now)

    def call(self) -> Call:
        """Open an association."""
        call = Call()
        self.arriving.began(call)
        return call

    def arrive(self, call: Call, key: str = "a") -> None:
        """Let an object arrive."""
        self.arriving.arrived(call, key=key, study_instance_uid=f"1.{key}", source="ct1")


@pytest.fixture
def world() -> World:
    """Return a world."""
    return World()


def test_the_first_object_of_a_study_is_told_at_once(world: World) -> None:
    """With a hold: the study is not complete while it is being delivered."""
    world.arrive(world.call())
    assert world.heard.notes == [("a", "ct1", 100.0, 100.0 + HOLD_S)]


def test_more_objects_are_told_once_a_second(world: World) -> None:
    """300 objects in three seconds are a few notes, not 300; each study counts for itself."""
    call = world.call()
    for n in range(300):
        world.now = 100.0 + n / 100
        world.arrive(call, "a")
        world.arrive(call, "b")
    assert [note[0] for note in world.heard.notes] == ["a", "b"] * 3


def test_the_end_tells_what_was_not_told_and_lets_go(world: World) -> None:
    """The last object's time reaches the ledger; then nothing holds the study."""
    call = world.call()
    world.arrive(call)
    world.now = 100.9
    world.arrive(call)
    world.arriving.over(call)
    assert world.heard.notes[1:] == [("a", "ct1", 100.9, 100.9)]
    assert world.heard.releases == [(["a"], 100.9)]


def test_the_end_tells_nothing_twice(world: World) -> None:
    """All was told: only the release remains; a second end of the same association is nothing."""
    call = world.call()
    world.arrive(call)
    world.arriving.over(call)
    world.arriving.over(call)
    assert len(world.heard.notes) == 1
    assert len(world.heard.releases) == 1


def test_an_association_that_delivered_nothing_ends_silently(world: World) -> None:
    """A C-ECHO is no business of the ledger's."""
    world.arriving.over(world.call())
    assert (world.heard.notes, world.heard.releases) == ([], [])


def test_a_study_that_another_association_delivers_stays_held(world: World) -> None:
    """Two associations, one study: the first to end does not let go of it."""
    first, second = world.call(), world.call()
    world.arrive(first, "b")
    world.arrive(first, "a")
    world.arrive(second, "a")
    world.arriving.over(first)
    assert world.heard.releases == [(["b"], 100.0)]
    world.arriving.over(second)
    assert world.heard.releases[1:] == [(["a"], 100.0)]


def test_holds_are_renewed_while_associations_are_open(world: World) -> None:
    """A sender that takes its time between two objects keeps its study open."""
    call, other = world.call(), world.call()
    world.arrive(call, "b")
    world.arrive(other, "a")
    world.now = 105.0
    world.arriving.renew()
    assert world.heard.holds == [(["a", "b"], 105.0 + HOLD_S)]
    world.arriving.over(call)
    world.arriving.over(other)
    world.arriving.renew()
    assert len(world.heard.holds) == 1


def test_a_router_that_goes_on_to_the_next_study_lets_go_of_the_last(world: World) -> None:
    """One association for all traffic: what it has moved on from is told to its end and held no longer."""
    call = world.call()
    world.arrive(call, "a")
    world.now = 100.5
    world.arrive(call, "a")
    world.now = 102.0
    world.arrive(call, "b")
    world.arriving.renew()
    assert [note[:3] for note in world.heard.notes] == [("a", "ct1", 100.0), ("b", "ct1", 102.0), ("a", "ct1", 100.5)]
    assert world.heard.releases == [(["a"], 102.0)]
    assert world.heard.holds == [(["b"], 102.0 + HOLD_S)]


def test_what_the_ledger_missed_is_told_with_the_next_renewal(world: World) -> None:
    """The last objects before a pause, or those that came while the ledger was down."""
    call = world.call()
    world.arrive(call)
    world.now = 100.5
    world.arrive(call)
    world.now = 105.0
    world.arriving.renew()
    world.arriving.renew()
    assert [note[:3] for note in world.heard.notes] == [("a", "ct1", 100.0), ("a", "ct1", 100.5)]


def test_an_association_that_falls_silent_lets_go_of_its_study(world: World) -> None:
    """It may stay open for ever: the last study is held for as long as an object may take, and released once."""
    call = world.call()
    world.arrive(call)
    world.now = 100.0 + FLOWING_S - 1
    world.arriving.renew()
    world.now = 100.0 + FLOWING_S
    world.arriving.renew()
    world.arriving.renew()
    assert world.heard.holds == [(["a"], 100.0 + FLOWING_S - 1 + HOLD_S)]
    assert world.heard.releases == [(["a"], 100.0 + FLOWING_S)]


def test_what_comes_after_a_study_was_let_go_of_is_told_and_held(world: World) -> None:
    """The association comes back to a study: it is held again."""
    call = world.call()
    for now, key in ((100.0, "a"), (101.0, "b"), (101.5, "a")):
        world.now = now
        world.arrive(call, key)
        world.arriving.renew()
    assert world.heard.notes[2] == ("a", "ct1", 101.5, 101.5 + HOLD_S)
    assert [held for held, _ in world.heard.holds] == [["a"], ["b"], ["a"]]


def test_an_association_that_died_without_a_word_is_ended(world: World) -> None:
    """Nothing is held for ever."""
    call = world.call()
    world.arrive(call)
    call.alive = False
    world.arriving.renew()
    assert world.heard.releases == [(["a"], 100.0)]
    assert world.heard.holds == []


def test_an_object_stored_after_the_end_is_told_and_not_held(world: World) -> None:
    """The connection was lost while the last object was being written."""
    call = world.call()
    world.arriving.over(call)
    world.arrive(call)
    assert world.heard.notes == [("a", "ct1", 100.0, 100.0)]
    world.arriving.renew()
    assert world.heard.holds == []


def test_a_ledger_that_does_not_answer_is_told_later(world: World) -> None:
    """The object is durable all the same; the next object after a second tries again, and so does the end."""
    world.heard.down = True
    call = world.call()
    world.arrive(call)
    world.arriving.renew()
    world.now = 100.5
    world.arrive(call)
    world.heard.down = False
    world.arrive(call)
    assert world.heard.notes == []
    world.now = 101.0
    world.arrive(call)
    assert [note[2] for note in world.heard.notes] == [101.0]

    world.heard.down = True
    world.now = 102.0
    world.arrive(call)
    world.heard.down = False
    world.now = 102.5
    world.arriving.over(call)
    assert [note[2] for note in world.heard.notes] == [101.0, 102.0]


def test_a_ledger_that_hangs_is_not_waited_for_with_each_object(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took 8 s to fail: for ten times as long objects are stored without it, then it is asked again."""
    asked: list[float] = []

    def hang(**_: object) -> None:
        asked.append(world.now)
        world.now += 8.0
        raise Unavailable

    monkeypatch.setattr(world.heard, "note", hang)
    call = world.call()
    for now in (100.0, 110.0, 150.0, 187.0, 188.0):
        world.now = now
        world.arrive(call)
    assert asked == [100.0, 188.0]


def test_a_ledger_that_is_down_at_the_end_does_not_matter(world: World) -> None:
    """The hold ends by itself, and what was not told is told with the first renewal that finds it there, once."""
    call = world.call()
    world.heard.down = True
    world.arrive(call)
    world.arriving.over(call)
    world.arriving.renew()
    assert (world.heard.releases, world.heard.notes) == ([], [])

    world.heard.down = False
    world.now = 200.0
    world.arriving.renew()
    world.arriving.renew()
    assert world.heard.notes == [("a", "ct1", 100.0, 100.0)]


def test_a_study_is_entered_before_it_is_said_to_be_too_large(world: World) -> None:
    """A ledger that is spared for a moment has heard of the study all the same: it would have nowhere to enter it."""
    call = world.call()
    for _ in range(2):
        world.arrive(call)
    for _ in range(2):
        world.arriving.too_large("a", why="study.max_objects")
    assert [key for key, *_ in world.heard.notes] == ["a", "a"]


def test_a_study_that_is_too_large_is_told(world: World) -> None:
    """The ledger decides whether it is news; the log says it then, by key. Without a ledger nothing is harmed."""
    with capture_logs() as said:
        for _ in range(3):
            world.arriving.too_large("a", why="study.max_objects")
        world.heard.down = True
        world.arriving.too_large("a", why="study.max_objects")
    assert world.heard.too_large_said == [("a", "study.max_objects", 100.0, 100.0 - SAY_AGAIN_S)] * 3
    assert [line["action"] for line in said] == ["study_too_large", "ledger_unavailable"]

"""Whoever keeps a worker: what follows when it ends, hangs, takes nothing or loses the broker. Nothing runs here."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from service.supervisor import FIRST_WAIT_S, LONGEST_WAIT_S
from workers import keeper
from workers.keeper import AGAIN_S, HEAR_S, LOOK_EVERY_S, PATIENCE_S, Keeper, Stop
from workers.pulse import Pulse

#: How long a job may take here, seconds.
LIMIT_S = 300.0


@dataclass(kw_only=True)
class Told:
    """A `threading.Event` whose wait passes the time of the clock it belongs to."""

    scene: "Scene"
    set_: bool = False
    waits: list[float] = field(default_factory=list)

    def is_set(self) -> bool:
        """Whether it was told."""
        return self.set_

    def set(self) -> None:
        """Tell."""
        self.set_ = True

    def wait(self, seconds: float) -> bool:
        """Let so much time pass."""
        self.waits.append(seconds)
        self.scene.pass_time(seconds)
        return self.set_


@dataclass(kw_only=True)
class Worker:
    """A process and its pulse. `does` is called as time passes; `hears` is what it does of a signal."""

    scene: "Scene"
    does: Callable[["Worker"], None] = lambda _worker: None
    hears: bool = True
    began: float = 0.0
    exitcode: int | None = None
    pid: int = 4711
    taken_at: float = 0.0
    busy: bool = False
    ending: bool = False
    told: list[int] = field(default_factory=list)

    @property
    def age(self) -> float:
        """How long it has run, seconds."""
        return self.scene.now - self.began

    def full(self, _now: float) -> bool:
        """Whether all its processes have jobs."""
        return self.busy

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.exitcode is None

    def join(self, seconds: float | None = None) -> None:
        """Let so much time pass."""
        self.scene.pass_time(seconds or 0.0)
        self.does(self)

    def kill(self) -> None:
        """End it."""
        self.exitcode = -signal.SIGKILL

    def tell(self, number: int) -> None:
        """Send it a signal."""
        self.told.append(number)
        if self.hears:
            self.ending, self.exitcode = True, 0


@dataclass(kw_only=True)
class Scene:
    """A keeper whose clock runs as it waits, the workers that it launches one after the other, and a broker."""

    script: list[Worker] = field(default_factory=list)
    launched: list[Worker] = field(default_factory=list)
    now: float = 1000.0
    ends_at: float = 1e6
    waiting: Callable[[], int | None] = lambda: 0

    def __post_init__(self) -> None:
        self.told = Told(scene=self)
        self.at_once = threading.Event()
        self.keeper = Keeper(
            launch=self.launch,  # type: ignore[arg-type]  # a process and a pulse in one
            waiting=self.count,
            limit_s=LIMIT_S,
            stop=Stop(told=cast("threading.Event", self.told), at_once=self.at_once),
            clock=lambda: self.now,
        )

    def count(self) -> int | None:
        """Count the messages that wait."""
        return self.waiting()

    def pass_time(self, seconds: float) -> None:
        """Move the clock; past its end the keeper is told to stop."""
        self.now += seconds
        if self.now >= self.ends_at:
            self.told.set()

    def launch(self) -> tuple[Worker, Pulse]:
        """Start the next worker of the script."""
        worker = self.script[len(self.launched)]
        self.launched.append(worker)
        worker.began = worker.taken_at = self.now
        return worker, cast("Pulse", worker)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Give a scene whose signals reach its workers."""
    scene = Scene()
    monkeypatch.setattr(keeper, "_tell", lambda process, number: process.tell(number))
    return scene


def ends(code: int, after_s: float) -> Callable[[Worker], None]:
    """Return what a worker does that ends with this code after so many seconds."""

    def does(worker: Worker) -> None:
        if worker.age >= after_s and worker.exitcode is None:
            worker.exitcode = code

    return does


def test_a_worker_that_runs_is_let_alone(scene: Scene) -> None:
    """An hour without messages: one worker, told once to stop, and its exit code is the keeper's."""
    scene.script, scene.ends_at = [Worker(scene=scene)], scene.now + 3600

    assert scene.keeper.run() == 0
    assert [worker.told for worker in scene.launched] == [[signal.SIGTERM]]


def test_a_worker_that_ends_has_a_successor(scene: Scene) -> None:
    """Whatever the exit code, another follows; the wait doubles while they end at once, up to its longest."""
    scene.script = [Worker(scene=scene, does=ends(code, 1)) for code in (1, 0, -11, 1, 1, 1, 1)] + [Worker(scene=scene)]
    scene.ends_at = scene.now + 300

    scene.keeper.run()
    assert len(scene.launched) == 8
    assert scene.told.waits == [min(FIRST_WAIT_S * 2**deaths, LONGEST_WAIT_S) for deaths in range(7)]


def test_after_steady_work_the_wait_is_short_again(scene: Scene) -> None:
    """Two workers that ran for ten minutes each: their successors waited for as short as the first."""
    scene.script = [Worker(scene=scene, does=ends(1, 600)) for _ in range(2)] + [Worker(scene=scene)]
    scene.ends_at = scene.now + 1300

    scene.keeper.run()
    assert scene.told.waits == [FIRST_WAIT_S] * 2


def test_no_worker_is_started_without_a_broker(scene: Scene) -> None:
    """While the broker does not answer it is asked each second, for however long; then a worker starts at once."""
    back_at = scene.now + 1000
    scene.waiting = lambda: 0 if scene.now >= back_at else None
    scene.script, scene.ends_at = [Worker(scene=scene)], scene.now + 2000

    scene.keeper.run()
    assert set(scene.told.waits) == {AGAIN_S}
    assert scene.launched[0].began - back_at < AGAIN_S


def test_a_keeper_that_waits_for_the_broker_can_be_stopped(scene: Scene) -> None:
    """Told to stop while there is no broker: it ends well, and started nobody."""
    scene.waiting, scene.ends_at = lambda: None, scene.now + 10

    assert scene.keeper.run() == 0
    assert scene.launched == []


@pytest.mark.parametrize("hears", [True, False], ids=["deaf", "hanging"])
def test_a_worker_that_takes_nothing_is_replaced(scene: Scene, hears: bool) -> None:
    """Messages wait and it takes none: it is told to stop, killed where it does not hear, and another follows soon."""
    scene.waiting = lambda: 1 if len(scene.launched) < 2 else 0
    scene.script = [Worker(scene=scene, hears=hears), Worker(scene=scene)]
    began, scene.ends_at = scene.now, scene.now + 100

    scene.keeper.run()
    first, second = scene.launched
    assert first.told[0] == signal.SIGTERM
    assert first.exitcode == (0 if hears else -signal.SIGKILL)
    assert second.began - began <= PATIENCE_S + 2 * LOOK_EVERY_S + HEAR_S + FIRST_WAIT_S + 1


def test_a_worker_that_takes_messages_is_let_alone(scene: Scene) -> None:
    """However many messages wait: who takes one now and then is at work."""

    def takes(worker: Worker) -> None:
        if scene.now - worker.taken_at > PATIENCE_S / 2:
            worker.taken_at = scene.now

    scene.waiting = lambda: 1000
    scene.script, scene.ends_at = [Worker(scene=scene, does=takes)], scene.now + 600

    assert scene.keeper.run() == 0


def test_messages_that_wait_for_a_moment_are_no_sign(scene: Scene) -> None:
    """Found waiting at every other look: they are taken in between, by this worker or by others."""
    looks = iter(range(1000))
    scene.waiting = lambda: next(looks) % 2
    scene.script, scene.ends_at = [Worker(scene=scene)], scene.now + 600

    assert scene.keeper.run() == 0


def test_a_broker_that_does_not_answer_is_no_sign(scene: Scene) -> None:
    """Without a broker nobody takes messages: a worker that has not noticed yet is left to find out by itself."""
    answers = iter([0])
    scene.waiting = lambda: next(answers, None)
    scene.script, scene.ends_at = [Worker(scene=scene)], scene.now + 600

    assert scene.keeper.run() == 0
    assert len(scene.launched) == 1


def test_a_busy_worker_may_let_messages_wait(scene: Scene) -> None:
    """All its processes have jobs: it is let alone for as long as a job may take, and not for ever."""
    scene.waiting = lambda: 1 if len(scene.launched) < 2 else 0
    scene.script = [Worker(scene=scene, busy=True), Worker(scene=scene)]
    began, scene.ends_at = scene.now, scene.now + 2 * LIMIT_S

    scene.keeper.run()
    assert LIMIT_S < scene.launched[1].began - began < LIMIT_S + 2 * PATIENCE_S


def test_running_jobs_are_waited_for(scene: Scene) -> None:
    """A worker that stops since it lost the broker finishes its jobs, and is told nothing meanwhile."""

    def finishes(worker: Worker) -> None:
        worker.ending = worker.age > 10
        ends(1, LIMIT_S)(worker)

    scene.script = [Worker(scene=scene, does=finishes), Worker(scene=scene)]
    scene.ends_at = scene.now + 2 * LIMIT_S

    scene.keeper.run()
    assert (scene.launched[0].exitcode, scene.launched[0].told) == (1, [])


def test_a_job_that_outlasts_its_time_is_killed_with_its_worker(scene: Scene) -> None:
    """Once a worker stops nobody but the keeper ends a job that hangs."""

    def hangs(worker: Worker) -> None:
        worker.ending = worker.age > 10

    scene.script = [Worker(scene=scene, does=hangs), Worker(scene=scene)]
    began, scene.ends_at = scene.now, scene.now + 2 * LIMIT_S

    scene.keeper.run()
    assert scene.launched[0].exitcode == -signal.SIGKILL
    assert LIMIT_S <= scene.launched[1].began - began < LIMIT_S + 20


def test_told_to_stop_at_once_the_worker_is_told_so(scene: Scene) -> None:
    """SIGQUIT is passed on once; what does not hear it is killed, and the exit code says by which signal."""
    scene.script, scene.ends_at = [Worker(scene=scene, hears=False)], scene.now + 10
    scene.at_once.set()

    assert scene.keeper.run() == 128 + signal.SIGKILL
    assert scene.launched[0].told[0] == signal.SIGQUIT
    assert scene.launched[0].told.count(signal.SIGQUIT) == 1

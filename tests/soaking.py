"""Mixed traffic for as long as a test likes, and what the processes of a node take meanwhile."""

import itertools
import random
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import psutil
from faults_seen import send
from nodes import Running
from raw_caller import RawCaller, calling_raw, ct_object, pdu, pdv, store_rq
from servers import sockets, wait_until
from small_study import make_study_of

ROLES = ("listen", "work", "web")
#: So many studies may wait for the worker while others come.
BACKLOG = 8


#: They are looked at so often, shares of the whole, and not more often than after so many seconds.
LOOKS = 20
LOOK_EVERY_S = 45.0


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What all processes of a role take together: resident memory, bytes; threads; files, of which so many sockets.

    A worker's process that took the place of another inherits what the role had opened meanwhile, a few files.
    """

    processes: int
    memory: int
    threads: int
    files: int
    sockets: int

    @classmethod
    def by(cls, node: Running, role: str) -> "Taken":
        """Look at a role."""
        processes = [psutil.Process(pid) for pid in node.pids(role)]
        return cls(
            processes=len(processes),
            memory=sum(process.memory_info().rss for process in processes),
            threads=sum(process.num_threads() for process in processes),
            files=sum(process.num_fds() for process in processes),
            sockets=sum(sockets(process) for process in processes),
        )


@dataclass
class Traffic:
    """What a department sends, and what else comes by; what each study is to end in, by UID."""

    node: Running
    folder: Path
    chance: random.Random
    measurable: dict[str, Path] = field(default_factory=dict)
    without_landmarks: dict[str, Path] = field(default_factory=dict)
    #: What each role took, and when, seconds: after a warm-up, now and then, and at the end, when all of it is done.
    looks: list[tuple[float, Mapping[str, Taken]]] = field(default_factory=list)

    @property
    def before(self) -> Mapping[str, Taken]:
        """What each role took after the warm-up."""
        return self.looks[0][1]

    @property
    def after(self) -> Mapping[str, Taken]:
        """What each role took at the end."""
        return self.looks[-1][1]

    def growth(self, role: str) -> Taken:
        """Return by how much a role grew from the first look to the last, by the line of least squares through all."""
        times = [at for at, _ in self.looks]
        found = {}
        for name in (each.name for each in fields(Taken)):
            slope = statistics.linear_regression(times, [getattr(taken[role], name) for _, taken in self.looks]).slope
            found[name] = round(slope * (times[-1] - times[0]))
        return Taken(**found)

    def flow(self, seconds: float) -> None:
        """Send; the first fifth is the warm-up."""
        began = time.monotonic()
        look_at = seconds / 5
        for number in itertools.count():
            elapsed = time.monotonic() - began
            if elapsed > seconds:
                break
            if elapsed > look_at:
                self._look(began)
                look_at = elapsed + max(seconds / LOOKS, LOOK_EVERY_S)
            wait_until(lambda: self._waiting() < BACKLOG, "the node keeps up", seconds=120, step=0.2)
            self._study(number)
            self._strangers()
        for _ in range(1 if self.looks else 2):
            self._look(began)

    def _look(self, began: float) -> None:
        """Look when no study waits any more and every connection is gone."""
        wait_until(lambda: self._waiting() == 0, "all studies are done", seconds=300, step=0.3)
        time.sleep(6)  # a destination's association is kept for 5 s
        self.looks.append((time.monotonic() - began, {role: Taken.by(self.node, role) for role in ROLES}))

    def _waiting(self) -> int:
        return self.node.unfinished("reported", "not_analysable")

    def _study(self, number: int) -> None:
        kind, first = self.chance.choice([("binary masks", 0), ("points in fiducials", 0), ("points in fiducials", 1)])
        uid, place = make_study_of(kind, self.folder, number, name="Soak^Case", first=first)
        (self.without_landmarks if first else self.measurable)[uid] = place
        send(self.node, place)
        if number % 5 == 0:  # somebody sends it again
            send(self.node, place)

    def _strangers(self) -> None:
        """Connect and leave, abort inside an object, look at the page."""
        for _ in range(10):
            RawCaller(self.node.port).close()
        with calling_raw(self.node.port) as caller:
            caller.say(pdu(4, pdv(store_rq("1.2.9.9"), command=True)))
            caller.say(pdu(4, pdv(ct_object("1.2.9.9", pixels=9000)[:5000], last=False)), pdu(7, bytes(4)))
        for path in ("/", "/metrics", "/healthz"):
            assert self.node.get(path)[0] == 200

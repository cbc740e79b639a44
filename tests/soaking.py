"""Mixed traffic for as long as a test likes, and what the processes of a node take meanwhile."""

import itertools
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from faults_seen import send
from nodes import Running
from raw_caller import RawCaller, calling_raw, ct_object, pdu, pdv, store_rq
from servers import wait_until
from small_study import make_study_of

ROLES = ("listen", "work", "web")
#: So many studies may wait for the worker while others come.
BACKLOG = 8


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What the processes of a role take: of the largest its resident memory, bytes, and its files; of all the threads.

    A worker's process that took the place of another inherits what the role had opened meanwhile, so the sum of their
    files grows with those that were replaced, by a few each.
    """

    memory: int
    threads: int
    files: int

    @classmethod
    def by(cls, node: Running, role: str) -> "Taken":
        """Look at a role."""
        processes = [psutil.Process(pid) for pid in node.pids(role)]
        return cls(
            memory=max(process.memory_info().rss for process in processes),
            threads=sum(process.num_threads() for process in processes),
            files=max(process.num_fds() for process in processes),
        )


@dataclass
class Traffic:
    """What a department sends, and what else comes by; what each study is to end in, by UID."""

    node: Running
    folder: Path
    chance: random.Random
    measurable: dict[str, Path] = field(default_factory=dict)
    without_landmarks: dict[str, Path] = field(default_factory=dict)
    #: After a warm-up, and at the end, when all of it is done.
    before: Mapping[str, Taken] = field(default_factory=dict)
    after: Mapping[str, Taken] = field(default_factory=dict)

    def flow(self, seconds: float) -> None:
        """Send; the first fifth is the warm-up."""
        began = time.monotonic()
        for number in itertools.count():
            elapsed = time.monotonic() - began
            if elapsed > seconds:
                break
            if not self.before and elapsed > seconds / 5:
                self.before = self._calm()
            wait_until(lambda: self._waiting() < BACKLOG, "the node keeps up", seconds=120, step=0.2)
            self._study(number)
            self._strangers()
        self.before = self.before or self._calm()
        self.after = self._calm()

    def _calm(self) -> dict[str, Taken]:
        """Look when no study waits any more and every connection is gone."""
        wait_until(lambda: self._waiting() == 0, "all studies are done", seconds=300, step=0.3)
        time.sleep(6)  # a destination's association is kept for 5 s
        return {role: Taken.by(self.node, role) for role in ROLES}

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

"""The tasks: a job's id in, the outcome in the ledger. They start work and hold no logic."""

import os
import platform
import random
import time
from contextlib import ExitStack

from celery import Celery

from service.config import LONGEST_DELIVERY, Settings
from service.deliver import Deliverer
from service.delivery import deliver as deliver_report
from service.errors import SpondylError
from service.ledger import Claim
from service.logs import log
from service.messages import JobKind
from service.wiring import Node, open_node
from workers.boundary import Work, work_on
from workers.measuring import measure_job
from workers.memory import address_space, limited

#: Two processes may choose the same job at once; whoever comes second chooses again, so often.
_CHOICES = 8


class Opened:
    """What one worker process has open: opened at its first job, so after the fork, and closed when it ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = ExitStack()
        self._node: Node | None = None
        self._deliverer: Deliverer | None = None
        self._rng = random.SystemRandom()
        #: What the process had before its first study, bytes of address space.
        self._had = 0

    @property
    def in_a_row_s(self) -> float:
        """How long one task may go on with the deliveries that wait behind its own, seconds."""
        return self._settings.queue.time_limit_s / LONGEST_DELIVERY

    def do(self, job_id: int, work: Work) -> bool:
        """Claim job `job_id` and do `work`; where the node cannot be opened the job waits in the ledger.

        Tell whether this message is used up: False where somebody else has the job.
        """
        try:
            node = self.node
        except SpondylError as error:
            log.error("worker cannot open the node", action="not_opened", job=job_id, who=error.who, why=str(error))
            return True
        return work_on(node, job_id, work, worker=f"{platform.node()}:{os.getpid()}", rng=self._rng)

    def measure(self, job_id: int) -> None:
        """Do the most urgent measuring that waits: a message wakes, the ledger says which study is next."""
        for _ in range(_CHOICES):
            try:
                chosen = self.node.ledger.jobs.most_urgent(job_id, now=self.node.clock())
            except SpondylError:
                chosen = job_id  # whatever is wrong, `do` says so
            if self.do(chosen, self._measure) or chosen == job_id:
                return

    def _measure(self, node: Node, claim: Claim) -> None:
        """Measure within the limit of memory; what decides about an error is outside it."""
        self._had = self._had or address_space()
        with limited(self._had, more_mb=self._settings.queue.memory_mb):
            measure_job(node, claim)

    @property
    def node(self) -> Node:
        """Everything the work needs; raises Unavailable or Misconfigured where it cannot be opened."""
        if self._node is None:
            self._node = self._stack.enter_context(open_node(self._settings))
        return self._node

    @property
    def deliverer(self) -> Deliverer:
        """The associations to destinations that this process keeps open."""
        if self._deliverer is None:
            self._deliverer = Deliverer(self._settings, self.node.spool, self._rng)
            self._stack.callback(self._deliverer.close)
        return self._deliverer

    def deliver(self, job_id: int) -> int | None:
        """Do delivery `job_id`; return the one that waits behind it at the same destination, if it was done."""
        following: list[int | None] = []

        def send(node: Node, claim: Claim) -> None:
            deliver_report(claim, node.ledger, self.deliverer, node.settings, node.clock)
            following.append(node.ledger.jobs.next_delivery(claim.job.destination or "", now=node.clock()))

        self.do(job_id, send)
        return following[0] if following else None

    def close(self) -> None:
        """Close all of it."""
        self._node = self._deliverer = None
        self._stack.close()


def register(app: Celery, opened: Opened) -> None:
    """Give `app` the two tasks."""

    @app.task(name=JobKind.MEASURE.value, shared=False)
    def measure(job_id: int) -> None:
        opened.measure(job_id)

    @app.task(name=JobKind.DELIVER.value, shared=False)
    def deliver(job_id: int) -> None:
        end = time.monotonic() + opened.in_a_row_s
        following = opened.deliver(job_id)
        while following is not None and time.monotonic() < end:
            following = opened.deliver(following)

"""Where an exception of a job becomes a decision in the ledger: tried again later, or given up by name.

One of the three places where anything is caught. A job that ends without one of these decisions (its process was
killed, the ledger did not answer) comes back when its lease ends.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from celery.exceptions import SoftTimeLimitExceeded

from service.deliver import backoff_s
from service.errors import Misconfigured, OutOfSpace, SpondylError, Unavailable
from service.ledger import Claim
from service.logs import log
from service.wiring import Node
from workers.heartbeat import heartbeat

Work = Callable[[Node, Claim], None]


def work_on(node: Node, job_id: int, work: Work, *, worker: str, rng: random.Random) -> bool:
    """Claim the job and do its work; a message that comes twice, or too late, finds nothing to claim.

    Tell whether this message is used up: False where somebody else has the job.
    """
    try:
        claim = node.ledger.jobs.claim(job_id, worker=worker, now=node.clock(), lease_s=node.settings.queue.lease_s)
        if claim is None:
            log.debug("nothing to claim", action="not_claimed", job=job_id)
            return False
        with boundary(node, claim, rng), heartbeat(node, claim):
            work(node, claim)
    except Unavailable as error:
        log.warning("job left to its lease", action="job_left", job=job_id, why=str(error))
    return True


@contextmanager
def boundary(node: Node, claim: Claim, rng: random.Random) -> Iterator[None]:
    """Turn whatever the block raises into a decision; raises Unavailable where the ledger cannot take it."""
    try:
        yield
    except (Unavailable, OutOfSpace) as error:
        # A full disk is somebody's to mend, and then the study goes on by itself.
        _postpone(node, claim, rng, why=str(error))
    except SpondylError as error:
        _give_up(node, claim, who=error.who, why=str(error))
    except SoftTimeLimitExceeded as error:
        _fault(node, claim, rng, error, why="the time limit passed (queue.time_limit_s)")
    except MemoryError as error:
        _fault(node, claim, rng, error, who=Misconfigured.who, why="the memory limit was reached (queue.memory_mb)")
    except Exception as error:  # noqa: BLE001 - the task wrapper: a bug must end in the ledger
        _fault(node, claim, rng, error, why=type(error).__name__)


def _fault(
    node: Node, claim: Claim, rng: random.Random, error: Exception, *, why: str, who: str = SpondylError.who
) -> None:
    """Try again while attempts are left: a fault of the machine looks like a bug."""
    log.error("a try failed", action="try_failed", **_names(claim), exc_info=error)
    if claim.job.faults + 1 < node.settings.queue.max_attempts:
        _postpone(node, claim, rng, why=why, fault=True)
    else:
        _give_up(node, claim, who=who, why=why)


def _postpone(node: Node, claim: Claim, rng: random.Random, *, why: str, fault: bool = False) -> None:
    wait_s = backoff_s(claim.job.attempts - 1, rng)
    now = node.clock()
    # Whatever ended a delivery here, it may have sent its object before.
    if node.ledger.jobs.postpone(claim, until=now + wait_s, why=why, fault=fault, perhaps=claim.choices, now=now):
        log.warning("job postponed", action="job_postponed", **_names(claim), why=why, retry_in_s=round(wait_s, 1))


def _give_up(node: Node, claim: Claim, *, who: str, why: str) -> None:
    if node.ledger.jobs.give_up(claim, who=who, why=why, perhaps=claim.choices, now=node.clock()):
        log.error("job given up", action="job_given_up", **_names(claim), who=who, why=why)


def _names(claim: Claim) -> dict[str, object]:
    job = claim.job
    return {"study": claim.study.key, "job": job.id, "kind": job.kind, "attempt": job.attempts}

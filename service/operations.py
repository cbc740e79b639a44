"""What an operator does with studies, from the page or the API: done in the ledger and written down."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.dispatch import dispatch_all
from service.ledger import JobRow, StudyRow
from service.ledger.lists import Wanted
from service.ledger.switches import Paused
from service.logs import log
from service.states import NotAllowed, StudyState
from service.wiring import Node

#: One press does as many as it can in so long; what is left is said, and the next press goes on.
PATIENCE_S: Final = 5.0
_AT_ONCE: Final = 50


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who does it, and where the request came from."""

    name: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Many:
    """What became of a retry of many studies."""

    asked: int
    #: Could not be retried as they are now.
    refused: int
    #: Not reached in time.
    left: int


def settle(node: Node, uid: str, *, by: Actor) -> str:
    """Take a study as complete now; return its key."""
    key = node.ledger.admin.study(uid).study.key
    node.ledger.admin.settle_now(key, now=node.clock(), actor=by.name)
    _note(node, by, "settle", key)
    return key


def retry(node: Node, uid: str, *, by: Actor, measure: bool = False) -> list[JobRow]:
    """Do the last step of a study again, or measure it; return the jobs that are now to be done."""
    jobs = node.ledger.admin.retry(uid, now=node.clock(), measure=measure, actor=by.name)
    if jobs and Paused.PROCESSING not in node.ledger.switches.paused():
        node.ledger.jobs.enqueued(dispatch_all(node.dispatch, jobs), now=node.clock())
    _note(node, by, "measure_again" if measure else "retry", node.ledger.admin.study(uid).study.key)
    return jobs


def ignore(node: Node, uid: str, *, why: str, by: Actor) -> list[str]:
    """Take a study out for a reason; return the Study Instance UIDs of those that were compared with it."""
    key = node.ledger.admin.study(uid).study.key
    compared = node.ledger.admin.ignore(key, why=why, now=node.clock(), actor=by.name)
    _note(node, by, "ignore", key)
    return compared


def search(node: Node, said: str, *, by: Actor, limit: int) -> list[StudyRow]:
    """Return the studies of a Patient ID or accession number; the trail has that somebody looked, never for whom."""
    found = node.ledger.lists.of_patient(said, limit=limit)
    _note(node, by, "search_patient", f"{len(found)} studies")
    return found


def retry_all(node: Node, wanted: Wanted, *, by: Actor, timer: Callable[[], float] = time.monotonic) -> Many:
    """Retry the studies that are wanted and are failed or not analysable, the one that waits longest first.

    What was not analysable is measured, also where a report says so: nobody wants that one sent again. The reconciler
    wakes the workers: a broker that is away would cost seconds for each study.
    """
    if wanted.state not in {StudyState.FAILED, StudyState.NOT_ANALYSABLE}:
        raise NotAllowed("many studies at once can be retried where they failed, or were not analysable")
    measure = wanted.state is StudyState.NOT_ANALYSABLE
    end = timer() + PATIENCE_S
    asked = 0
    refused: set[str] = set()
    while timer() < end:
        keys = [key for _, key in node.ledger.lists.names(wanted, limit=_AT_ONCE + len(refused)) if key not in refused]
        if not keys:
            break
        for key in keys:
            try:
                node.ledger.admin.retry(key, now=node.clock(), measure=measure, actor=by.name)
            except NotAllowed:
                refused.add(key)
            else:
                asked += 1
            if timer() >= end:
                break
    left = max(0, node.ledger.lists.count(wanted) - len(refused))
    _note(node, by, "retry_all", f"{asked} studies, {wanted.state}")
    return Many(asked=asked, refused=len(refused), left=left)


def _note(node: Node, by: Actor, action: str, detail: str) -> None:
    node.ledger.audit.note(actor=by.name, address=by.address, what=action, detail=detail, now=node.clock())
    log.info("an operator acted", action="operator_acted", cause=action, address=by.address)

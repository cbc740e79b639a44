"""Reconcile: spool, ledger and broker are compared, and what one of them lost is repaired.

spool newer than the ledger     the listener was killed between fsync and note: it is noted now
landmarks that nobody counted   the web role was killed between fsync and count: they are counted now
lease ended                     the worker is gone: its job waits again, or has failed
waiting, no message under way   the broker lost it, or nobody could send it: it is sent
times that lie ahead            the clock was set back: what waits for them does not
old and done                    its folder leaves the spool
"""

from collections.abc import Callable
from dataclasses import dataclass

from service.arriving import HOLD_S
from service.config import Settings
from service.dispatch import dispatch_all
from service.landmarks import supply_unheard
from service.ledger import JobRow, Ledger
from service.ledger.arrivals import FROM_SPOOL
from service.logs import log
from service.retention import remove_expired, tolerating_the_disk
from service.spool import Spool
from service.spool_scan import study_instance_uid
from service.states import JobState


@dataclass(frozen=True, kw_only=True)
class Repairs:
    """How many of each were repaired."""

    noted: int = 0
    supplied: int = 0
    lost: int = 0
    enqueued: int = 0
    removed: int = 0

    def __bool__(self) -> bool:
        return any((self.noted, self.supplied, self.lost, self.enqueued, self.removed))


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """The reconciler; any number of them may run."""

    ledger: Ledger
    spool: Spool
    settings: Settings
    dispatch: Callable[[JobRow], None]

    def run(self, now: float, *, whole_spool: bool = True) -> Repairs:
        """Repair; without `whole_spool` only jobs, which costs two questions to the ledger."""
        self._note_clock(now)
        repairs = Repairs(
            noted=self._of_folders(self._note_if_newer, now) if whole_spool else 0,
            supplied=self._of_folders(self._supply_unheard, now) if whole_spool else 0,
            removed=self._remove_expired(now) if whole_spool else 0,
            lost=self._release_lost(now),
            enqueued=self._send_due(now),
        )
        if repairs:
            log.info(
                "reconciled",
                action="reconciled",
                noted=repairs.noted,
                supplied=repairs.supplied,
                lost=repairs.lost,
                enqueued=repairs.enqueued,
                removed=repairs.removed,
            )
        return repairs

    def _note_clock(self, now: float) -> None:
        changed = self.ledger.clocks.set_back(now=now, lease_s=self.settings.queue.lease_s, hold_s=HOLD_S)
        if changed:
            log.warning("the clock was set back", action="clock_set_back", count=changed)

    def _of_folders(self, repair: Callable[[str, float], bool], now: float) -> int:
        """Look at every folder of the spool; return how many were repaired."""
        repaired = 0
        for key in self.spool.keys():  # noqa: SIM118 - not a mapping
            with tolerating_the_disk(key):
                repaired += repair(key, now)
        return repaired

    def _note_if_newer(self, key: str, now: float) -> bool:
        """Note the newest object of a folder, as of the time it came, if the ledger has not heard of it."""
        newest = self.spool.newest(key)
        if newest is None:
            return False
        row = self.ledger.arrivals.by_key(key)
        if row is not None and row.last_received_at >= newest:
            return False
        uid = row.study_instance_uid if row is not None else study_instance_uid(self.spool.files(key), key)
        if uid is None:
            log.error("a spool folder is of no study", action="spool_unknown", study=key)
            return False
        at = min(newest, now)
        self.ledger.arrivals.note(key=key, study_instance_uid=uid, source=FROM_SPOOL, now=at, held_until=0.0)
        return True

    def _supply_unheard(self, key: str, now: float) -> bool:
        return supply_unheard(self.ledger, self.spool, key, now=now)

    def _release_lost(self, now: float) -> int:
        released = self.ledger.jobs.release_lost(now=now, max_attempts=self.settings.queue.max_attempts)
        for job in released:
            study = self.ledger.arrivals.key_of(job.study_id)
            action = "job_given_up" if job.state is JobState.FAILED else "job_released"
            log.warning("a worker was lost", action=action, study=study, job=job.id, kind=job.kind, why=job.error)
        return len(released)

    def _send_due(self, now: float) -> int:
        taken = dispatch_all(self.dispatch, self.ledger.jobs.due(now=now, requeue_s=self.settings.queue.requeue_s))
        if taken:
            self.ledger.jobs.enqueued(taken, now=now)
        return len(taken)

    def _remove_expired(self, now: float) -> int:
        days = self.settings.storage.retention_days
        return remove_expired(self.ledger, self.spool, retention_days=days, now=now)

"""Prove that a destination has what it said that it stored: ask, or hear its report, and decide what follows.

    it has it                       the delivery is closed
    it has not                      sent again, under the same UID, later and later
    it cannot say, or says nothing  asked again, later and later, with a transaction of its own
    it refuses to say               given up, by name of who must act

A destination that loses what it stores, or never proves it, is borne as long as one that does not answer:
queue.delivery_patience_h.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydicom.uid import generate_uid

from service import asking, commitment
from service.asking import Place
from service.commitment import Reference, Report
from service.config import Settings
from service.config_peers import Destination
from service.errors import PeerRefused
from service.ledger import Asked, Claim, JobRow, Ledger
from service.listed import FILING_S, QUERIES, is_listed
from service.logs import log

#: A report of storage commitment is awaited so long at first, and at most, before the next request, seconds. An archive
#: may commit once a tape is written.
FIRST_REPORT_S: Final = 60.0
LONGEST_REPORT_S: Final = 3600.0
#: What was stored is sent again so soon at first, and at most, seconds.
FIRST_AGAIN_S: Final = 5.0
LONGEST_AGAIN_S: Final = 3600.0
#: And is asked again so often meanwhile, seconds: soon at first.
_LOOK_S: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
_HOUR_S: Final = 3600.0
#: These reasons are of the destination, not of the object: it may commit another time.
_PASSING: Final = frozenset(
    {commitment.PROCESSING_FAILURE, commitment.RESOURCE_LIMITATION, commitment.DUPLICATE_TRANSACTION, 0}
)
_REFUSED: Final = frozenset({commitment.CLASS_NOT_SUPPORTED, commitment.CLASS_INSTANCE_CONFLICT})


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What follows from an answer, written into the ledger."""

    ledger: Ledger
    settings: Settings
    clock: Callable[[], float]
    rng: random.Random

    def proven(self, job: JobRow, names: dict[str, object], *, by: str) -> None:
        """Close the delivery."""
        if self.ledger.proofs.proven(job, by=by, now=self.clock()):
            log.info("arrival proven", action="delivery_proven", **names, proof=by)

    def missing(self, job: JobRow, names: dict[str, object], *, why: str) -> None:
        """Have it sent again, unless patience is at its end."""
        now = self.clock()
        wait_s = self.rng.uniform(0.5, 1.0) * min(LONGEST_AGAIN_S, FIRST_AGAIN_S * 2.0 ** min(job.attempts - 1, 10))
        if self._is_borne(job, names, why, now) and self.ledger.proofs.missing(
            job, until=now + wait_s, why=why, now=now
        ):
            log.error(
                "the destination has not got what it stored",
                action="delivery_missing",
                **names,
                why=why,
                retry_in_s=round(wait_s, 1),
            )

    def later(self, job: JobRow, names: dict[str, object], *, wait_s: float, why: str) -> None:
        """Have it asked for again, unless patience is at its end."""
        now = self.clock()
        if self._is_borne(job, names, why, now) and self.ledger.proofs.later(job, until=now + wait_s, why=why, now=now):
            log.info("proof awaited", action="proof_awaited", **names, why=why, retry_in_s=round(wait_s, 1))

    def refused(self, job: JobRow, names: dict[str, object], *, why: str, now: float | None = None) -> None:
        """Give it up."""
        if self.ledger.proofs.refused(job, who=PeerRefused.who, why=why, now=self.clock() if now is None else now):
            log.error("delivery given up", action="delivery_failed", **names, who=PeerRefused.who, why=why)

    def report(self, job: JobRow, names: dict[str, object], report: Report, sop_instance_uid: str) -> None:
        """Decide by what a report of storage commitment says of one object."""
        name = job.destination
        if sop_instance_uid in report.committed and sop_instance_uid not in report.failed:
            self.proven(job, names, by="storage commitment")
            return
        if sop_instance_uid not in report.failed:
            why = f"{name} reports on a storage commitment without a word on the object"
            self.later(job, names, wait_s=self.report_wait_s(job), why=why)
            return
        reason = report.failed[sop_instance_uid]
        why = f"{name} does not commit to the object: {commitment.REASONS.get(reason, 'reason')} (0x{reason:04X})"
        if reason in _REFUSED:
            self.refused(job, names, why=why)
        elif reason in _PASSING:
            self.later(job, names, wait_s=self.report_wait_s(job), why=why)
        else:
            self.missing(job, names, why=why)

    def report_wait_s(self, job: JobRow) -> float:
        """Return how long a report is awaited before the next request, seconds."""
        # Sent once and asked once are two attempts.
        return min(LONGEST_REPORT_S, FIRST_REPORT_S * 2.0 ** min(max(job.attempts - 2, 0), 10))

    def _is_borne(self, job: JobRow, names: dict[str, object], why: str, now: float) -> bool:
        patience_h = self.settings.queue.delivery_patience_h
        if now - job.created_at <= patience_h * _HOUR_S:
            return True
        self.refused(job, names, why=f"not proven for {patience_h:g} h: {why}", now=now)
        return False


def prove(claim: Claim, decisions: Decisions) -> None:
    """Ask the destination of a claimed delivery for proof, in the way that the site configured.

    Raises what its destination gives cause for: PeerRefused, NotNow, Unavailable, Misconfigured.
    """
    destination = decisions.settings.destination(claim.job.destination or "")
    match destination.proven_by:
        case "commitment":
            _ask_for_commitment(claim, destination, decisions)
        case "query" | "qido" as way:
            found = is_listed(destination, _place(claim), calling_ae=decisions.settings.node.ae_title)
            _looked(claim, decisions, found=found, by=QUERIES[way])
        case "status":
            # Configured otherwise since it was stored: the site trusts the status now.
            decisions.proven(claim.job, names_of(claim), by="the status, as the site declares")


def hear(transaction_uid: str, read: Callable[[], Report], decisions: Decisions, *, caller: dict[str, object]) -> bool:
    """Take a report that a destination brings on an association of its own; tell whether anybody had asked for it.

    Who knows the Transaction UID, 122 random bits that only its destination was told, was asked; of others the report
    is not read.
    """
    asked = decisions.ledger.proofs.of_transaction(transaction_uid)
    if asked is None and decisions.ledger.proofs.is_settled(transaction_uid):
        # Asked twice and answered twice: the destination did as it was asked.
        log.info("a storage commitment was settled before", action="commitment_late", **caller)
        return True
    if asked is None:
        log.warning("nobody asked for this storage commitment", action="commitment_unknown", **caller)
        return False
    decisions.report(asked.job, _names(asked), read(), asked.sop_instance_uid)
    return True


def names_of(claim: Claim) -> dict[str, object]:
    """Return what a log says of a delivery."""
    return {"study": claim.study.key, "destination": claim.job.destination, "kind": claim.choices[0].kind}


def _names(asked: Asked) -> dict[str, object]:
    return {"study": asked.study, "destination": asked.job.destination, "kind": asked.kind}


def _place(claim: Claim) -> Place:
    stored = claim.choices[0]
    return Place(
        study_instance_uid=claim.study.study_instance_uid,
        series_instance_uid=stored.series_instance_uid,
        sop_instance_uid=stored.sop_instance_uid,
    )


def _ask_for_commitment(claim: Claim, destination: Destination, decisions: Decisions) -> None:
    stored, proofs = claim.choices[0], decisions.ledger.proofs
    transaction_uid = str(generate_uid(prefix=None))
    uid = stored.sop_instance_uid
    if not proofs.asked(claim, transaction_uid=transaction_uid, sop_instance_uid=uid, now=decisions.clock()):
        return
    report = asking.commit(
        destination,
        Reference(sop_class_uid=stored.sop_class_uid, sop_instance_uid=uid),
        transaction_uid,
        calling_ae=decisions.settings.node.ae_title,
        awaited=lambda: proofs.is_held(claim),
    )
    if report is not None:
        decisions.report(claim.job, names_of(claim), report, uid)
    elif proofs.is_held(claim):
        wait_s = decisions.report_wait_s(claim.job)
        decisions.later(claim.job, names_of(claim), wait_s=wait_s, why="the report of storage commitment is awaited")


def _looked(claim: Claim, decisions: Decisions, *, found: bool, by: str) -> None:
    job, names = claim.job, names_of(claim)
    stored_at = job.stored_at or 0.0
    if found:
        decisions.proven(job, names, by=by)
    elif decisions.clock() - stored_at >= FILING_S:
        decisions.missing(job, names, why=f"{job.destination} does not know the object ({by})")
    else:
        wait_s = _LOOK_S[min(max(job.attempts - 2, 0), len(_LOOK_S) - 1)]
        decisions.later(job, names, wait_s=wait_s, why=f"{job.destination} does not know the object yet ({by})")

"""One delivery job, from its claim to its end: stored, proven, declined, put off, or given up by name of who must act.

Where the claim was lost meanwhile, nothing of that is said: whoever holds the job now has the word.

Each destination has its own jobs, its own count of failures and its own wait: one that is down holds up no other. One
that answers is well, whatever it answers: an object that it does not store holds up no other either.
"""

from collections.abc import Callable
from typing import Final

from service import sop_classes
from service.config import Settings
from service.config_peers import Destination
from service.deliver import Deliverer, Unsendable, backoff_s
from service.errors import Misconfigured, NotNow, NotTaken, PeerRefused, Quarantined, SpondylError, Unavailable
from service.ledger import Claim, Ledger, ReportRow
from service.ledger.rows import REJECTION, SR
from service.logs import log
from service.proving import Decisions, names_of, prove
from service.states import JobState

#: What a destination need not take is offered so often while it answers "not now", half an hour or so (`backoff_s`);
#: the report is offered until the patience ends.
OPTIONAL_TRIES: Final = 20
_HOUR_S: Final = 3600.0


def deliver(claim: Claim, ledger: Ledger, deliverer: Deliverer, settings: Settings, clock: Callable[[], float]) -> None:
    """Do what a claimed delivery job is due for, and enter what became of it: send its object, or have it proven.

    An object goes in the alternative that is taken. Where the site asks for proof the job then waits for that.
    """
    if not claim.choices or claim.job.destination is None:
        raise ValueError("this job delivers nothing")
    try:
        if claim.job.state is JobState.PROVING:
            prove(claim, Decisions(ledger=ledger, settings=settings, clock=clock, rng=deliverer.rng))
        else:
            _bring(claim, ledger, deliverer, settings.destination(claim.job.destination), clock)
    except Unavailable as error:
        _put_off(claim, ledger, deliverer, settings, error, clock())
    except NotTaken as error:
        if claim.choices[0].kind == SR:
            _give_up(claim, ledger, error, clock())
        else:
            _decline(claim, ledger, error, clock())
    except (PeerRefused, Misconfigured, Unsendable, Quarantined) as error:
        _give_up(claim, ledger, error, clock())


def _bring(
    claim: Claim, ledger: Ledger, deliverer: Deliverer, destination: Destination, clock: Callable[[], float]
) -> None:
    """Send the object; where the site trusts the status, that ends the delivery."""
    stored = _send(claim, deliverer, destination, clock())
    # Where the claim was lost meanwhile, whoever holds it now sends the same object again: the UID is the same.
    detail = f"stored by {destination.name}: {stored.kind}, {sop_classes.NAMES[stored.sop_class_uid]}"
    end = ledger.jobs.finish_delivery if destination.proven_by == "status" else ledger.proofs.stored
    if end(claim, detail=detail, stored=stored, now=clock()):
        log.info("report delivered", action="report_delivered", **names_of(claim), proof=destination.proven_by)


def _send(claim: Claim, deliverer: Deliverer, destination: Destination, now: float) -> ReportRow:
    """Return which of the alternatives was stored; Quarantined where the gate held the object back."""
    if (finding := claim.choices[0].finding) is not None:
        raise Quarantined(f"held back, {claim.choices[0].kind}: {finding}")
    files = {deliverer.spool.report(claim.study.key, choice.file_name): choice for choice in claim.choices}
    # A clock that was set back makes nothing older than it is.
    perhaps = {name: max(0.0, now - since) for name, since in claim.perhaps.items()}
    return files[deliverer.send(destination, *files, perhaps=perhaps)]


def _put_off(
    claim: Claim, ledger: Ledger, deliverer: Deliverer, settings: Settings, error: Unavailable, now: float
) -> None:
    """Put the job off, with its destination where that gave no answer; give up what has lasted longer than is borne."""
    name, why, answered = claim.job.destination or "", str(error), isinstance(error, NotNow)
    optional = claim.choices[0].kind not in {SR, REJECTION} and claim.job.state is JobState.RUNNING
    if answered and optional and claim.job.attempts >= OPTIONAL_TRIES:
        _decline(claim, ledger, error, now)
        return
    failures = claim.job.attempts - 1 if answered else ledger.jobs.destination(name)[0]
    wait_s = backoff_s(failures, deliverer.rng)
    if not answered:
        ledger.jobs.destination_failed(name, until=now + wait_s, why=why, now=now)
    patience_h = settings.queue.delivery_patience_h
    if now - claim.job.created_at > patience_h * _HOUR_S:
        over = PeerRefused(f"for {patience_h:g} h: {why}")
        over.unsure, over.of = error.unsure, error.of
        _give_up(claim, ledger, over, now)
        return
    if not ledger.jobs.postpone(
        claim, until=now + wait_s, why=why, answered=answered, perhaps=_perhaps(claim, error), now=now
    ):
        return
    log.warning(
        "delivery put off", action="delivery_postponed", **names_of(claim), retry_in_s=round(wait_s, 1), why=why
    )


def _perhaps(claim: Claim, error: SpondylError) -> list[ReportRow]:
    """Return what the destination may have, though it did not say so."""
    named = [each for each in claim.choices if error.of in {"", each.file_name}]
    return named if error.unsure else []


def _decline(claim: Claim, ledger: Ledger, error: SpondylError, now: float) -> None:
    if ledger.jobs.decline(claim, why=str(error), perhaps=_perhaps(claim, error), now=now):
        log.info("object not taken", action="object_not_taken", **names_of(claim), why=str(error))


def _give_up(claim: Claim, ledger: Ledger, error: SpondylError, now: float) -> None:
    perhaps = _perhaps(claim, error)
    if not ledger.jobs.give_up(claim, who=error.who, why=str(error), perhaps=perhaps, now=now):
        return
    log.error("delivery given up", action="delivery_failed", **names_of(claim), who=error.who, why=str(error))

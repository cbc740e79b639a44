"""One delivery job, from its claim to its end: delivered, put off, or given up by name of who must act.

Where the claim was lost meanwhile, nothing of that is said: whoever holds the job now has the word.

Each destination has its own jobs, its own count of failures and its own wait: one that is down holds up no other.
"""

from collections.abc import Callable
from typing import Final

from service.config import Settings
from service.deliver import Deliverer, Unsendable, backoff_s
from service.errors import Misconfigured, PeerRefused, SpondylError, Unavailable
from service.ledger import Claim, Ledger
from service.logs import log

_HOUR_S: Final = 3600.0


def deliver(claim: Claim, ledger: Ledger, deliverer: Deliverer, settings: Settings, clock: Callable[[], float]) -> None:
    """Send the report of a claimed delivery job and enter what became of it."""
    if claim.report is None or claim.job.destination is None:
        raise ValueError("this job delivers nothing")
    path = deliverer.spool.report(claim.study.key, claim.report.file_name)
    try:
        destination = settings.destination(claim.job.destination)
        deliverer.send(destination, path)
    except Unavailable as error:
        _put_off(claim, ledger, deliverer, settings, error, clock())
    except (PeerRefused, Misconfigured, Unsendable) as error:
        _give_up(claim, ledger, error, clock())
    else:
        # Where the claim was lost meanwhile, whoever holds it now sends the same object again: the UID is the same.
        if ledger.jobs.finish_delivery(claim, detail=f"stored by {destination.name}", now=clock()):
            log.info("report delivered", action="report_delivered", study=claim.study.key, destination=destination.name)


def _put_off(
    claim: Claim, ledger: Ledger, deliverer: Deliverer, settings: Settings, error: Unavailable, now: float
) -> None:
    """Open the destination's circuit for a while; give up where it has been unreachable for longer than is borne."""
    name, why = claim.job.destination or "", str(error)
    failures, _ = ledger.jobs.destination(name)
    wait_s = backoff_s(failures, deliverer.rng)
    ledger.jobs.destination_failed(name, until=now + wait_s, why=why, now=now)
    patience_h = settings.queue.delivery_patience_h
    if now - claim.job.created_at > patience_h * _HOUR_S:
        _give_up(claim, ledger, PeerRefused(f"for {patience_h:g} h: {why}"), now)
        return
    if not ledger.jobs.postpone(claim, until=now + wait_s, why=why, now=now):
        return
    log.warning(
        "delivery put off",
        action="delivery_postponed",
        study=claim.study.key,
        destination=name,
        retry_in_s=round(wait_s, 1),
        why=why,
    )


def _give_up(claim: Claim, ledger: Ledger, error: SpondylError, now: float) -> None:
    if not ledger.jobs.give_up(claim, who=error.who, why=str(error), now=now):
        return
    log.error(
        "delivery given up",
        action="delivery_failed",
        study=claim.study.key,
        destination=claim.job.destination,
        who=error.who,
        why=str(error),
    )

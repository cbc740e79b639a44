"""Keep a claim while the work goes on: the lease is renewed from a thread beside it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import Unavailable
from service.ledger import Claim
from service.logs import log
from service.wiring import Node

#: A lease is renewed so often while it runs, so two renewals may fail before it ends.
RENEWALS_PER_LEASE = 3


@contextmanager
def heartbeat(node: Node, claim: Claim) -> Iterator[None]:
    """Renew the lease of `claim` until the block ends, or until the claim is lost: then its writes are refused."""
    over = threading.Event()
    thread = threading.Thread(target=_renew_until, args=(over, node, claim), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _renew_until(over: threading.Event, node: Node, claim: Claim) -> None:
    lease_s = node.settings.queue.lease_s
    about = {"study": claim.study.key, "job": claim.job.id}
    while not over.wait(lease_s / RENEWALS_PER_LEASE):
        try:
            if not node.ledger.jobs.renew(claim, now=node.clock(), lease_s=lease_s):
                log.warning("claim lost", action="claim_lost", **about)
                return
        except (Unavailable, MemoryError) as error:
            # The limit of the study's memory (queue.memory_mb) is this thread's, too.
            log.warning("lease not renewed", action="lease_not_renewed", **about, why=str(error))

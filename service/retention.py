"""Retention: what is old and done leaves the spool; the ledger keeps what was decided."""

from functools import partial
from typing import Final

from service.ledger import Ledger
from service.logs import log
from service.spool import Spool

_DAY_S: Final = 86_400.0


def remove_expired(ledger: Ledger, spool: Spool, *, retention_days: float, now: float) -> int:
    """Remove the spool folders of studies that are final and unchanged for `retention_days`; return how many.

    A folder in which an object has come meanwhile stays, whether the ledger has heard of that object or not.
    """
    before = now - retention_days * _DAY_S
    removed = 0
    for study in ledger.admin.expired(before=before):
        remove = partial(spool.remove, study.key, unless_since=before)
        if ledger.admin.forget_files(study.id, remove=remove, now=now):
            log.info("spool folder removed", action="spool_removed", study=study.key)
            removed += 1
    return removed

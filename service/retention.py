"""Retention: what is old and done leaves the spool; the ledger keeps what was decided."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from service.ledger import Ledger
from service.logs import log
from service.spool import Spool

_DAY_S: Final = 86_400.0


def remove_expired(ledger: Ledger, spool: Spool, *, retention_days: float, now: float) -> int:
    """Remove the spool folders of studies that are final and unchanged for `retention_days`; return how many.

    A folder in which an object has come meanwhile stays, whether the ledger has heard of that object or not. Reports of
    ours that came back after the study was removed go when they are as old: the ledger heard nothing of them.
    """
    before = now - retention_days * _DAY_S
    removed = 0
    for study in ledger.admin.expired(before=before):
        take_out = partial(spool.take_out, study.key, unless_since=before)
        with tolerating_the_disk(study.key):
            removed += _said(study.key, gone=ledger.admin.forget_files(study.id, remove=take_out, now=now))
            # Nobody waits for the ledger while thousands of files are removed.
            spool.drop_taken_out()
    for key in spool.keys():  # noqa: SIM118 - not a mapping
        with tolerating_the_disk(key):
            since = spool.only_own_reports_since(key)
            if since is not None and since < before:
                removed += _said(key, gone=spool.remove(key, unless_since=before))
    return removed


@contextmanager
def tolerating_the_disk(key: str) -> Iterator[None]:
    """Say that a study's folder cannot be read, and keep nobody else waiting."""
    try:
        yield
    except OSError as error:
        log.error("spool not readable", action="spool_unreadable", study=key, why=error.strerror)


def _said(key: str, *, gone: bool) -> bool:
    if gone:
        log.info("spool folder removed", action="spool_removed", study=key)
    return gone

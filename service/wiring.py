"""The composition root: everything a role of the node works with, opened in one place and closed in order."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from service.broker import celery_app
from service.config import Settings
from service.dispatch import Dispatcher
from service.ledger import Ledger, migrate
from service.spool import Spool
from service.study_size import StudySizes

#: Decimal gigabyte, as disks are sold and `min_free_gb` is written.
GB = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Node:
    """What is open. Safe to share between threads; a forked process opens its own."""

    settings: Settings
    ledger: Ledger
    spool: Spool
    dispatch: Dispatcher
    #: Seconds since the epoch, UTC.
    clock: Callable[[], float]


@contextmanager
def open_node(settings: Settings, *, migrated: bool = False, clock: Callable[[], float] = time.time) -> Iterator[Node]:
    """Open spool, ledger and queue; close them afterwards. `migrated` brings the ledger's schema up to date first.

    The broker is not asked: it may come later. Raises Misconfigured, OutOfSpace or Unavailable.
    """
    with ExitStack() as stack:
        sizes = StudySizes(most_objects=settings.study.max_objects, most_bytes=int(settings.study.max_gb * GB))
        spool = Spool(settings.storage.root, min_free_bytes=int(settings.storage.min_free_gb * GB), sizes=sizes)
        spool.prepare()
        if migrated:
            migrate(settings.storage.ledger_url)
        ledger = Ledger.open(settings.storage.ledger_url)
        stack.callback(ledger.close)
        dispatch = Dispatcher(celery_app(settings))
        stack.callback(dispatch.close)
        yield Node(settings=settings, ledger=ledger, spool=spool, dispatch=dispatch, clock=clock)

"""The role `work`: a Celery worker built from the settings inside its own process."""

import logging
import os
import platform

from celery import Celery, signals

from service.broker import celery_app
from service.config import Settings
from service.embedded import require_broker
from service.leash import die_with_parent
from service.logs import log
from service.messages import JobKind
from service.private import only_for_us
from workers.tasks import Opened, register


@only_for_us()
def work(settings: Settings) -> int:
    """Do jobs until SIGTERM (the running ones are finished first); returns the exit code.

    The ledger is opened by each process of the pool at its first job; the broker may come and go. Misconfigured where
    it is the embedded one and nobody has started it: then it will never come.
    """
    require_broker(settings)
    app = worker_app(settings)
    # Gossip and mingle make workers talk to each other; the ledger is what ours have in common.
    worker = app.Worker(
        hostname=f"spondyl-{os.getpid()}@{platform.node()}",
        pool="prefork",
        loglevel=logging.WARNING,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def worker_app(settings: Settings) -> Celery:
    """Return the application with its tasks, and this process prepared to fork a pool for it."""
    app = celery_app(settings)
    opened = Opened(settings)
    register(app, opened)

    def log_is_ours(**_: object) -> None:
        """Celery configures no logging where somebody listens to this signal."""

    def started(**_: object) -> None:
        log.info("worker ready", action="ready", role="work", pid=os.getpid(), kind=[kind.value for kind in JobKind])

    def forked(**_: object) -> None:
        die_with_parent()

    def ended(**_: object) -> None:
        opened.close()

    signals.setup_logging.connect(log_is_ours, weak=False)
    signals.worker_ready.connect(started, weak=False)
    signals.worker_process_init.connect(forked, weak=False)
    signals.worker_process_shutdown.connect(ended, weak=False)
    return app

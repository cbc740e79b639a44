"""The role `work`: a Celery worker built from the settings inside a process of its own, and its keeper."""

import contextlib
import gc
import logging
import multiprocessing
import os
import platform
import signal
import sys
from functools import partial
from multiprocessing.process import BaseProcess

from celery import Celery, signals

from service.broker import celery_app
from service.config import Settings
from service.embedded import require_broker
from service.finders import require_finder
from service.leash import die_with_parent
from service.logs import log
from service.messages import JobKind
from service.private import only_for_us
from service.roll_call import Present, sign_in, sign_out
from service.waiting import waiting_messages
from workers.keeper import Keeper, Stop
from workers.pulse import Pulse, step_of
from workers.tasks import Opened, register


@only_for_us()
def work(settings: Settings) -> int:
    """Do jobs until SIGTERM (the running ones are finished first); returns the exit code.

    The ledger is opened by each process of the pool at its first job; the broker may come and go. Misconfigured where
    it is the embedded one and nobody has started it: then it will never come; or where a finder is configured that is
    not installed here.
    """
    require_finder(settings)
    require_broker(settings)
    # What is imported stays one copy for all that is forked: nobody's collector looks through it, and so writes to it.
    gc.freeze()
    celery_app(settings)  # a broker nobody speaks is found here, not again and again in what is kept
    keeper = Keeper(
        launch=partial(_launch, settings),
        waiting=partial(_look, settings),
        limit_s=settings.queue.time_limit_s,
        stop=Stop.when_told(),
    )
    try:
        return keeper.run()
    finally:
        with contextlib.suppress(OSError):
            sign_out(settings.storage.root, _name())


def _look(settings: Settings) -> int | None:
    """Return how many messages wait, None where there is no broker; the page is told that a worker is there."""
    waiting = waiting_messages(settings)
    here = Present(name=_name(), processes=settings.queue.concurrency, broker=waiting is not None)
    # A disk that is full ends no worker: it is the page that does not see it then.
    with contextlib.suppress(OSError):
        sign_in(settings.storage.root, here)
    return waiting


def _name() -> str:
    return f"{platform.node()}:{os.getpid()}"


def _launch(settings: Settings) -> tuple[BaseProcess, Pulse]:
    """Start a worker as a copy of this process, which has imported all that one needs and connected to nothing."""
    context = multiprocessing.get_context("fork")
    pulse = Pulse()
    process = context.Process(target=_be_worker, args=(settings, pulse, os.getpid()), name="worker")
    process.start()
    return process, pulse


def _be_worker(settings: Settings, pulse: Pulse, keeper: int) -> None:
    """Do jobs until told to stop, or until the broker is lost; raises SystemExit."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    die_with_parent()
    if os.getppid() != keeper:
        sys.exit(1)
    app = worker_app(settings)
    app.steps["worker"].add(step_of(pulse))
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
    sys.exit(int(worker.exitcode or 0))


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

"""The role `listen`: the node's ear, and the steward that settles and reconciles."""

import gc
import random
import threading
from collections.abc import Callable

from service import completing
from service.alerts.watch import LOOK_EVERY_S, Watch
from service.committing import Committing
from service.config import Settings
from service.door import Door
from service.ears import listen_together
from service.embedded import EmbeddedBroker
from service.hearing import Hearing
from service.logs import log
from service.metrics import Metrics
from service.private import only_for_us
from service.proving import Decisions
from service.receive import Listener
from service.reconcile import Reconciler
from service.rules import Rulebook
from service.settle import Settler
from service.slots import Shared
from service.steward import Duty, Steward
from service.stopping import stop_when_told
from service.wiring import Node, open_node

#: How often the counts are saved for the page, seconds.
SAVE_EVERY_S = 2.0


@only_for_us()
def listen(settings: Settings, *, told: threading.Event | None = None) -> int:
    """Receive, settle and reconcile until SIGTERM; returns the exit code: 1 where the steward died of a fault.

    Raises Misconfigured where the address cannot be used or the ledger is not migrated, Unavailable where the ledger
    does not answer.
    """
    told = told or stop_when_told()
    # What was imported stays: the collector need not look at it again and again, nor forked processes copy it.
    gc.freeze()
    if settings.node.processes == 1:
        return _listen(settings, told)
    with open_node(settings):
        pass  # what cannot be opened is said here, once
    return listen_together(settings, lambda given, shared: _listen(given, told, shared), told)


def _listen(settings: Settings, told: threading.Event, shared: Shared | None = None) -> int:
    metrics = Metrics(settings)
    number = shared.number if shared else 0
    with open_node(settings) as node:
        door = Door(node.ledger.switches, node.ledger.callers, node.clock)
        rng = random.SystemRandom()
        decisions = Decisions(ledger=node.ledger, settings=settings, clock=node.clock, rng=rng)
        listener = Listener(
            settings=settings,
            spool=node.spool,
            ledger=node.ledger,
            clock=node.clock,
            metrics=metrics,
            door=door,
            shared=shared,
            hearing=Hearing(decisions),
            committing=Committing(settings=settings, spool=node.spool, ledger=node.ledger.lists),
        )
        steward = steward_of(node, metrics) if number == 0 else None
        listener.start()
        if steward:
            steward.start()
            _look_for_broker(settings)
        log.info("listener ready", action="ready", role="listen", port=listener.port)
        try:
            return _until(told, steward, lambda: _save(metrics, listener.port, node, number))
        finally:
            listener.stop()
            if steward:
                steward.stop()


def steward_of(node: Node, metrics: Metrics) -> Steward:
    """Return the steward of an open node, not started yet."""
    settler = Settler(
        ledger=node.ledger,
        spool=node.spool,
        study=node.settings.study,
        dispatch=node.dispatch,
        rules=Rulebook(node.settings),
    )
    reconciler = Reconciler(ledger=node.ledger, spool=node.spool, settings=node.settings, dispatch=node.dispatch)
    told = Duty(name="alert", every_s=LOOK_EVERY_S, run=Watch(node).run) if node.settings.alerts.any else None
    return Steward(
        settler=settler,
        reconciler=reconciler,
        alerts=told,
        completing=_completing(node, metrics),
        is_still=node.ledger.stillness.holds,
        clock=node.clock,
    )


def _completing(node: Node, metrics: Metrics) -> Duty | None:
    """Return the duty of those who fetch from archives, None where no source has one."""
    if not any(source.archive for source in node.settings.sources):
        return None
    return Duty(
        name="complete", every_s=completing.LOOK_EVERY_S, run=completing.Completer(node=node, metrics=metrics).run
    )


def _look_for_broker(settings: Settings) -> None:
    """Say once where the embedded broker is missing: what is received is kept, and nobody measures it."""
    if settings.queue.embedded and not EmbeddedBroker(settings).alive():
        why = "queue.broker = 'embedded' is started by `spondyl serve` only: run that, or set [queue] broker"
        log.warning("no broker answers, jobs wait in the ledger", action="broker_missing", role="listen", why=why)


def _until(told: threading.Event, steward: Steward | None, save: Callable[[], None]) -> int:
    save()
    while not told.wait(SAVE_EVERY_S):
        save()
        if steward and not steward.alive:
            log.error("steward died", action="steward_died", role="listen")
            return 1
    save()
    return 0


def _save(metrics: Metrics, port: int, node: Node, number: int) -> None:
    """Save the counts; a disk that is full must not stop the node."""
    try:
        metrics.save(port, free_bytes=node.spool.free_bytes(), process=number)
    except OSError as error:
        log.warning("counts not saved", action="metrics_not_saved", why=error.strerror)

"""The role `listen`: the node's ear, and the steward that settles and reconciles."""

import threading
from collections.abc import Callable

from service.config import Settings
from service.embedded import EmbeddedBroker
from service.logs import log
from service.metrics import Metrics
from service.private import only_for_us
from service.receive import Listener
from service.reconcile import Reconciler
from service.settle import Settler
from service.steward import Steward
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
    metrics = Metrics(settings)
    with open_node(settings) as node:
        listener = Listener(settings=settings, spool=node.spool, ledger=node.ledger, clock=node.clock, metrics=metrics)
        steward = steward_of(node)
        listener.start()
        steward.start()
        log.info("listener ready", action="ready", role="listen", port=listener.port)
        _look_for_broker(settings)
        try:
            return _until(told, steward, lambda: _save(metrics, listener.port, node))
        finally:
            listener.stop()
            steward.stop()


def steward_of(node: Node) -> Steward:
    """Return the steward of an open node, not started yet."""
    settler = Settler(ledger=node.ledger, spool=node.spool, study=node.settings.study, dispatch=node.dispatch)
    reconciler = Reconciler(ledger=node.ledger, spool=node.spool, settings=node.settings, dispatch=node.dispatch)
    return Steward(settler=settler, reconciler=reconciler, clock=node.clock)


def _look_for_broker(settings: Settings) -> None:
    """Say once where the embedded broker is missing: what is received is kept, and nobody measures it."""
    if settings.queue.embedded and not EmbeddedBroker(settings).alive():
        why = "queue.broker = 'embedded' is started by `spondyl serve` only: run that, or set [queue] broker"
        log.warning("no broker answers, jobs wait in the ledger", action="broker_missing", role="listen", why=why)


def _until(told: threading.Event, steward: Steward, save: Callable[[], None]) -> int:
    save()
    while not told.wait(SAVE_EVERY_S):
        save()
        if not steward.alive:
            log.error("steward died", action="steward_died", role="listen")
            return 1
    save()
    return 0


def _save(metrics: Metrics, port: int, node: Node) -> None:
    """Save the counts; a disk that is full must not stop the node."""
    try:
        metrics.save(port, free_bytes=node.spool.free_bytes())
    except OSError as error:
        log.warning("counts not saved", action="metrics_not_saved", why=error.strerror)

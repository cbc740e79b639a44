"""Receive: C-ECHO and C-STORE (PS3.4 annexes A and B). Bytes go to the spool as they came; 0x0000 means durable.

association requested -> source admitted, called AE title checked -> contexts negotiated
C-STORE -> identity read and compared with the command -> spool (fsync) -> ledger told -> response
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from pynetdicom import AE, evt
from pynetdicom.association import Association

from service import commitment, peer, sop_classes
from service.acceptor import Acceptor, BoundedHandler, Entity
from service.arriving import RENEW_S, Arriving, LedgerOfArrivals
from service.associations import Associations, titles
from service.associations import Counts as CountsOfAssociations
from service.committing import Committing
from service.config import Settings
from service.door import Door
from service.errors import Misconfigured, Refused, StudyTooLarge
from service.hearing import Hearing, reporters
from service.logs import log
from service.receiving import Announced, Answer
from service.slots import Shared
from service.spool import Spool
from service.storing import Counts as CountsOfObjects
from service.storing import LedgerOfReports, Storing, cause_of
from service.tls import Renewed, server_context
from service.wire import Over

#: PS3.4 table B.2-1.
SUCCESS: Final = 0x0000
#: Error: Cannot understand; in that range, what pynetdicom answers where a handler fails: a fault of ours.
OUR_FAULT: Final = 0xC211
#: PS3.7 annex C: Error Comment (0000,0902) is an LO.
_COMMENT_LENGTH: Final = 64

#: An A-ASSOCIATE-RQ is awaited no longer than this, seconds (the ARTIM timer, PS3.8 9.1.5): who connects to ask for an
#: association asks at once, and each connection that does not costs a thread meanwhile.
_LONGEST_REQUEST_S: Final = 5.0
#: Associations that are open when the node stops have so long to end by themselves, seconds.
_GRACE_S: Final = 2.0


class Counts(CountsOfAssociations, CountsOfObjects, Protocol):
    """What reception counts."""


class LedgerOfReception(Protocol):
    """What reception needs of the ledger."""

    @property
    def arrivals(self) -> LedgerOfArrivals:
        """Hears of arrivals."""

    @property
    def admin(self) -> LedgerOfReports:
        """Knows our reports."""


class Listener:
    """The node's ear: one AE title on one port."""

    def __init__(
        self,
        *,
        settings: Settings,
        spool: Spool,
        ledger: LedgerOfReception,
        clock: Callable[[], float] = time.time,
        metrics: Counts,
        door: Door | None = None,
        shared: Shared | None = None,
        hearing: Hearing | None = None,
        committing: Committing | None = None,
    ) -> None:
        self._settings = settings
        self._door = door
        self._shared = shared
        self._hearing = hearing
        self._committing = committing
        self._metrics = metrics
        self._storing = Storing(settings=settings, spool=spool, reports=ledger.admin, metrics=metrics, door=door)
        self._arriving = Arriving(ledger.arrivals, clock)
        self._associations = Associations(
            settings=settings,
            metrics=metrics,
            arriving=self._arriving,
            door=door,
            shared=shared,
            hearing=hearing,
            require_open=self._storing.require_open,
        )
        self._server: Acceptor | None = None
        self._tls: Renewed | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Listen; Misconfigured where the address cannot be used."""
        peer.silence_pynetdicom()
        node = self._settings.node
        entity = application_entity(self._settings)
        self._tls = Renewed(server_context, node.tls) if node.tls else None
        try:
            server = Acceptor(
                entity,
                (node.bind, node.port),
                node.ae_title,
                entity.supported_contexts,
                tls=self._tls,
                evt_handlers=self._handlers(),
                request_handler=BoundedHandler,
                shared=self._shared.listening if self._shared else None,
            )
        except OSError as error:
            raise Misconfigured(f"node.bind, node.port: cannot listen on {node.bind}:{node.port}: {error}") from error
        server.admits = self._associations.may_connect
        server.registrar = self._associations
        server.receive = self._on_store
        server.max_object = node.max_object_bytes
        server.max_association_s = node.max_association_s
        self._server = server
        self._stopping.clear()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        threading.Thread(target=self._renew_holds, daemon=True).start()
        log.info("listening", action="listening", bind=node.bind, port=self.port, called_ae=node.ae_title)

    def stop(self) -> None:
        """Accept no more associations, give the open ones a moment to end, abort the rest."""
        self._stopping.set()
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        end = time.monotonic() + _GRACE_S
        while server.active_associations and time.monotonic() < end:
            time.sleep(0.02)
        for association in server.active_associations:
            association.abort()
            self._arriving.over(association)

    @property
    def port(self) -> int:
        """The port that is listened on: the system's choice where the configured one is 0."""
        if self._server is None:
            raise RuntimeError("the listener was not started")
        return int(self._server.server_address[1])

    def _handlers(self) -> list[evt.EventHandlerType]:
        hears = [(evt.EVT_N_EVENT_REPORT, self._hearing.on_report)] if self._hearing else []
        hears += [(evt.EVT_N_ACTION, self._committing.on_action)] if self._committing else []
        return [*hears, *self._associations.handlers()]

    def _renew_holds(self) -> None:
        while not self._stopping.wait(RENEW_S):
            self._arriving.renew()
            if self._tls is not None:
                self._tls.context()  # what cannot be used is said before somebody calls
            if self._door is not None:
                self._door.tell()

    def _on_store(self, association: Association, announced: Announced, blocks: Iterator[memoryview]) -> Answer:
        """Return the response to a C-STORE-RQ (PS3.4 B.2.3)."""
        try:
            self._store(association, announced, blocks)
        except Over:
            raise  # there is nobody to answer
        except Refused as refusal:
            cause = cause_of(refusal)
            self._metrics.object_refused(cause, self._associations.known_as(association))
            sender = _sender(association)
            log.warning("object refused", action="object_refused", cause=cause, why=str(refusal), **sender)
            if isinstance(refusal, StudyTooLarge):
                self._arriving.too_large(refusal.key, why=refusal.entry)
            return Answer(status=refusal.status, comment=str(refusal)[:_COMMENT_LENGTH])
        except Exception:  # noqa: BLE001 - whatever goes wrong, the sender gets an answer and the node stays up
            self._metrics.object_refused("our_fault", self._associations.known_as(association))
            sender = _sender(association)
            log.error("object not stored", action="object_refused", cause="our_fault", **sender, exc_info=True)
            return Answer(status=OUR_FAULT, comment="fault of the receiving node; see its log")
        return Answer(status=SUCCESS)

    def _store(self, association: Association, announced: Announced, blocks: Iterator[memoryview]) -> None:
        # Who is not admitted stores nothing, whatever let the association begin.
        source = self._associations.source(association)
        kept = self._storing.store(announced, blocks)
        if kept.own:
            return
        self._metrics.received(source.counted_as)
        self._arriving.arrived(
            association, key=kept.key, study_instance_uid=kept.identity.study_instance_uid, source=source.name
        )


def _sender(association: Association) -> dict[str, str]:
    calling_ae, _, address = titles(association)
    return {"calling_ae": calling_ae, "address": address}


def application_entity(settings: Settings) -> AE:
    """Return what a listener negotiates with: titles, limits, presentation contexts."""
    node = settings.node
    entity = Entity(ae_title=node.ae_title)
    entity.implementation_class_uid = peer.IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = peer.IMPLEMENTATION_VERSION_NAME
    entity.require_called_aet = True
    entity.maximum_associations = node.max_associations
    entity.maximum_pdu_size = node.max_pdu
    entity.network_timeout = entity.dimse_timeout = node.idle_timeout_s
    entity.acse_timeout = min(node.idle_timeout_s, _LONGEST_REQUEST_S)
    entity.add_supported_context(sop_classes.VERIFICATION, list(sop_classes.UNCOMPRESSED))
    if node.storage_commitment or reporters(settings):
        # A destination that reports takes the role of SCP in an association it asks for (PS3.4 J.3.3, PS3.7 D.3.3.4).
        entity.add_supported_context(commitment.PUSH_MODEL, list(commitment.SYNTAXES), scu_role=True, scp_role=True)
    for sop_class in sop_classes.ACCEPTED:
        entity.add_supported_context(sop_class, list(sop_classes.transfer_syntaxes(sop_class)))
    return entity

"""Receive: C-ECHO and C-STORE (PS3.4 annexes A and B). Bytes go to the spool as they came; 0x0000 means durable.

association requested -> source admitted, called AE title checked -> contexts negotiated
C-STORE -> identity read and compared with the command -> spool (fsync) -> ledger told -> response
"""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import create_file_meta, encode_file_meta
from pynetdicom.pdu_primitives import A_ASSOCIATE

from service import peer, sop_classes
from service.acceptor import Acceptor, BoundedHandler, Entity, stop_waiting
from service.arriving import RENEW_S, Arriving, LedgerOfArrivals
from service.callers import UNLISTED, NotAdmitted, admit, may_connect
from service.config import Settings
from service.errors import Misconfigured, Refused, Unavailable
from service.identity import Identity, read_identity
from service.logs import log
from service.sockets import prepare_socket
from service.spool import Spool

#: Manufacturer (0008,0070) and Manufacturer's Model Name (0008,1090) of the reports that we write.
OWN_NAME: Final = "Spondyl"

#: Verification Flag (0040,A493), CS, VERIFIED, in the little endian syntaxes; ours say UNVERIFIED (PS3.3 C.17.2).
_VERIFIED: Final = re.compile(rb"\x40\x00\x93\xa4(?:CS\x08\x00|\x08\x00\x00\x00)VERIFIED")

#: PS3.4 table B.2-1.
SUCCESS: Final = 0x0000
#: Error: Data Set does not match SOP Class.
MISMATCH: Final = 0xA900
#: Error: Cannot understand; in that range, what pynetdicom answers where a handler fails: a fault of ours.
OUR_FAULT: Final = 0xC211
#: PS3.7 annex C: Error Comment (0000,0902) is an LO.
_COMMENT_LENGTH: Final = 64
_CAUSES: Final = {0xA7: "out_of_space", 0xA9: "mismatch", 0xC0: "cannot_understand"}

#: PS3.8 9.3.4, A-ASSOCIATE-RJ: rejected-permanent, by the service user, calling AE title not recognised.
_CALLER_NOT_RECOGNISED: Final = (0x01, 0x01, 0x03)
#: What pynetdicom rejects by itself, by (source, reason) of PS3.8 9.3.4.
_REJECTIONS: Final[Mapping[object, str]] = {(0x01, 0x07): "called_ae_title", (0x03, 0x02): "too_many_associations"}
#: An A-ASSOCIATE-RQ is awaited no longer than this, seconds (the ARTIM timer, PS3.8 9.1.5): who connects to ask for an
#: association asks at once, and each connection that does not costs two threads meanwhile.
_LONGEST_REQUEST_S: Final = 5.0
#: Associations that are open when the node stops have so long to end by themselves, seconds.
_GRACE_S: Final = 2.0


class Counts(Protocol):
    """What reception counts."""

    def received(self, source: str) -> None:
        """Count an object that was stored, by source; "unlisted" where no sources are configured."""

    def association_rejected(self, cause: str) -> None:
        """Count: calling_ae_title, address, called_ae_title, too_many_associations, other."""

    def object_refused(self, cause: str) -> None:
        """Count: out_of_space, mismatch, cannot_understand, our_fault."""

    def context_refused(self, sop_class: str) -> None:
        """Count a presentation context that was refused, by the SOP class's name; "unknown" for all others."""

    def own_report(self) -> None:
        """Count a report of ours that came back."""


class LedgerOfReports(Protocol):
    """The part of the ledger that knows which reports are ours."""

    def is_own_report(self, sop_instance_uid: str) -> bool:
        """Whether we made this SOP instance."""


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
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._ledger = ledger
        self._metrics = metrics
        self._arriving = Arriving(ledger.arrivals, clock)
        self._server: Acceptor | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Listen; Misconfigured where the address cannot be used."""
        peer.silence_pynetdicom()
        node = self._settings.node
        entity = _application_entity(self._settings)
        try:
            server = Acceptor(
                entity,
                (node.bind, node.port),
                node.ae_title,
                entity.supported_contexts,
                ssl_context=peer.server_context(node.tls) if node.tls else None,
                evt_handlers=self._handlers(),
                request_handler=BoundedHandler,
            )
        except OSError as error:
            raise Misconfigured(f"node.bind, node.port: cannot listen on {node.bind}:{node.port}: {error}") from error
        server.admits = self._admits
        self._server = server
        self._stopping.clear()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
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
        idle_s = self._settings.node.idle_timeout_s
        return [
            (evt.EVT_CONN_OPEN, lambda event: prepare_socket(event.assoc, timeout_s=event.assoc.acse_timeout)),
            (evt.EVT_ACCEPTED, lambda event: prepare_socket(event.assoc, timeout_s=idle_s)),
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_REJECTED, self._on_rejected),
            (evt.EVT_ACCEPTED, self._on_accepted),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_RELEASED, self._on_over),
            (evt.EVT_ABORTED, self._on_over),
            (evt.EVT_CONN_CLOSE, self._on_over),
            (evt.EVT_CONN_CLOSE, lambda event: stop_waiting(event.assoc)),
        ]

    def _renew_holds(self) -> None:
        while not self._stopping.wait(RENEW_S):
            self._arriving.renew()

    def _source(self, association: Association) -> str:
        calling_ae, _, address = _titles(association)
        return admit(self._settings.sources, calling_ae=calling_ae, address=address)

    def _admits(self, address: str) -> bool:
        admitted = may_connect(self._settings.sources, address)
        if not admitted:
            self._metrics.association_rejected("address")
            log.warning("connection closed", action="association_rejected", cause="address", address=address)
        return admitted

    def _on_requested(self, event: evt.Event) -> None:
        try:
            self._source(event.assoc)
        except NotAdmitted as refusal:
            self._say_rejected(event.assoc, refusal.cause)
            event.assoc.acse.send_reject(*_CALLER_NOT_RECOGNISED)
            # Waits until the rejection is sent; pynetdicom would shut the connection down at once.
            event.assoc.kill()

    def _on_rejected(self, event: evt.Event) -> None:
        answer = event.assoc.acceptor.primitive
        reason = (answer.result_source, answer.diagnostic) if isinstance(answer, A_ASSOCIATE) else None
        self._say_rejected(event.assoc, _REJECTIONS.get(reason, "other"))

    def _say_rejected(self, association: Association, cause: str) -> None:
        calling_ae, called_ae, address = _titles(association)
        self._metrics.association_rejected(cause)
        log.warning(
            "association rejected",
            action="association_rejected",
            cause=cause,
            calling_ae=calling_ae,
            called_ae=called_ae,
            address=address,
        )

    def _on_accepted(self, event: evt.Event) -> None:
        association = event.assoc
        self._arriving.began(association)
        refused = {context.abstract_syntax: peer.name_of(context) for context in association.rejected_contexts}
        for uid, name in refused.items():
            # A UID that nobody knows has itself as its name; what a caller makes up is no label of a metric.
            self._metrics.context_refused("unknown" if name == uid else name)
        if refused:
            # Many senders propose every SOP class they know; that alone is nothing to act on.
            say = log.info if association.accepted_contexts else log.warning
            say(
                "presentation contexts refused",
                action="context_refused",
                calling_ae=_titles(association)[0],
                sop_class=", ".join(sorted(refused.values())),
                count=len(association.rejected_contexts),
                reason=", ".join(sorted(peer.reasons(association.rejected_contexts))),
            )

    def _on_over(self, event: evt.Event) -> None:
        self._arriving.over(event.assoc)

    def _on_store(self, event: evt.Event) -> Dataset:
        with self._answering(event.assoc) as status:
            self._store(event)
        return status

    @contextlib.contextmanager
    def _answering(self, association: Association) -> Iterator[Dataset]:
        """Give the status of the response (PS3.4 B.2.3): success, unless the block raises."""
        status = Dataset()
        status.Status = SUCCESS
        calling_ae, _, address = _titles(association)
        sender = {"calling_ae": calling_ae, "address": address}
        try:
            yield status
        except Refused as refusal:
            status.Status = refusal.status
            status.ErrorComment = str(refusal)[:_COMMENT_LENGTH]
            cause = _CAUSES.get(refusal.status >> 8, "cannot_understand")
            self._metrics.object_refused(cause)
            log.warning("object refused", action="object_refused", cause=cause, why=str(refusal), **sender)
        except Exception:  # noqa: BLE001 - whatever goes wrong, the sender gets an answer and the node stays up
            status.Status = OUR_FAULT
            status.ErrorComment = "fault of the receiving node; see its log"
            self._metrics.object_refused("our_fault")
            log.error("object not stored", action="object_refused", cause="our_fault", **sender, exc_info=True)

    def _store(self, event: evt.Event) -> None:
        request = event.request
        if not isinstance(request, C_STORE) or request.DataSet is None:
            raise Refused("there is no data set")
        data = request.DataSet.getbuffer()
        syntax = event.context.transfer_syntax
        identity = read_identity(data, syntax)
        _check_against_command(identity, request, event.context.abstract_syntax)
        own = self._is_own(identity)
        stored = self._spool.store(
            study_instance_uid=identity.study_instance_uid,
            sop_instance_uid=identity.sop_instance_uid,
            header=_header(identity, syntax),
            data=data,
            own=own,
        )
        if own:
            self._metrics.own_report()
            if _is_changed(identity, data):
                log.warning("own report came back changed", action="own_report_changed", study=stored.key)
            else:
                log.info("own report came back", action="own_report_ignored", study=stored.key)
            return
        source = self._source(event.assoc)
        self._metrics.received(source if self._settings.sources else UNLISTED)
        self._arriving.arrived(
            event.assoc, key=stored.key, study_instance_uid=identity.study_instance_uid, source=source
        )

    def _is_own(self, identity: Identity) -> bool:
        """Whether this is an object of ours that a PACS routes back to us: the ledger knows its UID.

        The maker's name says less: a tool that lets a reader move the points of our report may keep it. It only
        counts while the ledger cannot be asked, and it tells which of many images may be ours at all.
        """
        has_our_name = identity.manufacturer == OWN_NAME and identity.model == OWN_NAME
        if identity.sop_class_uid not in sop_classes.STRUCTURED_REPORTS and not has_our_name:
            return False
        try:
            return self._ledger.admin.is_own_report(identity.sop_instance_uid)
        except Unavailable as error:
            log.warning("the ledger was not asked", action="ledger_unavailable", why=str(error))
            return has_our_name


def _is_changed(identity: Identity, data: memoryview) -> bool:
    """Whether somebody saved an object of ours under the UID that we gave it: another maker's name, or verified."""
    has_our_name = identity.manufacturer == OWN_NAME and identity.model == OWN_NAME
    return not has_our_name or _VERIFIED.search(data) is not None


def _application_entity(settings: Settings) -> AE:
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
    for sop_class in sop_classes.ACCEPTED:
        entity.add_supported_context(sop_class, list(sop_classes.transfer_syntaxes(sop_class)))
    return entity


def _titles(association: Association) -> tuple[str, str, str]:
    """Return (calling AE title, called AE title, address) of a caller."""
    request = association.requestor.primitive
    address = association.requestor.address_info
    if not isinstance(request, A_ASSOCIATE) or address is None:
        raise TypeError("the association was not requested yet")
    return (request.calling_ae_title or "").strip(), (request.called_ae_title or "").strip(), address.address


def _check_against_command(identity: Identity, request: C_STORE, negotiated: str) -> None:
    """Refuse (0xA900) a data set that is not what the command and the presentation context say."""
    if identity.sop_class_uid != request.AffectedSOPClassUID or identity.sop_class_uid != negotiated:
        raise Refused("SOP Class UID is not the one that was announced", status=MISMATCH)
    if identity.sop_instance_uid != request.AffectedSOPInstanceUID:
        raise Refused("SOP Instance UID is not the one that was announced", status=MISMATCH)


def _header(identity: Identity, transfer_syntax: str) -> bytes:
    """Return preamble, prefix and File Meta Information (PS3.10 7.1) for a data set as it was received."""
    meta = create_file_meta(
        sop_class_uid=UID(identity.sop_class_uid),
        sop_instance_uid=UID(identity.sop_instance_uid),
        transfer_syntax=UID(transfer_syntax),
        implementation_uid=UID(peer.IMPLEMENTATION_CLASS_UID),
        implementation_version=peer.IMPLEMENTATION_VERSION_NAME,
    )
    return bytes(128) + b"DICM" + encode_file_meta(meta)

"""What listening and calling share: our identity, and an association as requestor that loses no response."""

import contextlib
import logging
import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

import service
from service.config_peers import Destination
from service.errors import NotReached, PeerRefused
from service.sockets import LARGEST_SAID, BoundedSocket, prepare_socket
from service.tls import calling_context

#: PS3.7 D.3.3.2: names this implementation, whatever its version; a UUID-derived UID (PS3.5 B.2).
IMPLEMENTATION_CLASS_UID: Final = "2.25.4957196832398543440443649956170599112"
#: At most 16 characters.
IMPLEMENTATION_VERSION_NAME: Final = f"SPONDYL_{service.__version__}"[:16]

#: PS3.8 9.3.4, A-ASSOCIATE-RJ: result.
_REJECTED_PERMANENT: Final = 0x01
#: PS3.8 9.3.3.2: why a presentation context was not accepted.
_CONTEXT_RESULTS: Final = {
    0x01: "user rejection",
    0x02: "no reason given",
    0x03: "SOP class not supported",
    0x04: "transfer syntaxes not supported",
}


def silence_pynetdicom() -> None:
    """Keep data sets out of pynetdicom's log, and hand files to it as they are: it never decodes what it sends."""
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.LOG_HANDLER_LEVEL = "none"
    _config.STORE_SEND_CHUNKED_DATASET = True
    logging.getLogger("pynetdicom").setLevel(logging.WARNING)


class _Caller(AE):
    """pynetdicom's application entity, with our sockets."""

    largest = LARGEST_SAID

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: tuple[ssl.SSLContext, str] | None
    ) -> BoundedSocket:
        bounded = BoundedSocket(assoc, address=address)
        bounded.tls_args = tls_args
        bounded.largest = self.largest
        return bounded


class _Parked(threading.Event):
    """The checkpoint of an association's reactor thread, closed as long as the association is established.

    pynetdicom 3.0.4 reads responses in two threads. Each send_*() closes `Association._reactor_checkpoint` and waits
    for `_is_paused`; but the reactor sets `_is_paused` before *every* pass of the checkpoint, so the flag may be left
    over from the pass that the reactor is just leaving. It then takes our response from the queue ("Received
    unexpected C-STORE service message"), the call waits until it times out, and the association is aborted although
    the peer stored the object: some 0.5 % of all sends (pynetdicom issues 435 and 875; pull request 351 did not cure
    it). Here the checkpoint is closed before the reactor starts, and what opens it between two messages has no effect:
    the reactor stays parked and there is one reader. Once the association has ended it runs on, and stops.
    """

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association

    def set(self) -> None:
        """Open, unless the association is established."""
        if not self._association.is_established:
            super().set()

    def let_go(self) -> None:
        """Open: whatever the peer sent last is the reactor's to answer."""
        super().set()


class _OneReader(Association):
    """An association whose reactor is parked, and that says so.

    pynetdicom answers an N-EVENT-REPORT in a thread of its own, which says afterwards that the reactor runs: the next
    call, a release among them, would wait for ever.
    """

    @property
    def _is_paused(self) -> bool:
        return True

    @_is_paused.setter
    def _is_paused(self, _: bool) -> None:
        pass


def _park_reactor(event: evt.Event) -> None:
    # Runs in the calling thread, before the reactor thread is started.
    event.assoc.__class__ = _OneReader
    event.assoc._reactor_checkpoint = _Parked(event.assoc)  # noqa: SLF001 - there is no public way; see _Parked


def call(
    destination: Destination,
    contexts: list[PresentationContext],
    *,
    calling_ae: str,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    largest: int = LARGEST_SAID,
) -> Association:
    """Open an association; PeerRefused where it is refused for good, NotReached where trying again may help.

    `roles`: where this side is not the user of a service (PS3.7 D.3.3.4). `largest`: of a data set that the peer sends,
    bytes; who sends more is hung up on.
    """
    silence_pynetdicom()
    limit_s = destination.timeout_s
    ae = _Caller(ae_title=calling_ae)
    ae.largest = largest
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = limit_s
    tls = (calling_context(destination.tls), destination.host) if destination.tls else None
    try:
        association = ae.associate(
            destination.host,
            destination.port,
            contexts=contexts,
            ae_title=destination.ae_title,
            tls_args=tls,
            ext_neg=list(roles),
            evt_handlers=[
                (evt.EVT_CONN_OPEN, lambda event: prepare_socket(event.assoc, timeout_s=limit_s)),
                (evt.EVT_ESTABLISHED, _park_reactor),
            ],
        )
    except (OSError, UnicodeError) as error:
        raise NotReached(f"{destination.name}: no address is known for {destination.host!r}") from error
    if not association.is_established:
        _raise_refusal(destination, association)
    return association


def _raise_refusal(destination: Destination, association: Association) -> None:
    # pynetdicom 3.0.4 asks for the association in one thread, and only then looks in the other whether it is connected:
    # a peer that has rejected it and hung up by then passes for one that was never reached (some 2 % of all rejections
    # on a busy machine). Its answer lies in the queue, unread.
    answer = association.acceptor.primitive or association.dul.receive_pdu()
    if isinstance(answer, A_ASSOCIATE) and answer.result:
        why = f"{destination.name} rejected the association: {answer.result_str}, {answer.reason_str}"
        raise PeerRefused(why) if answer.result == _REJECTED_PERMANENT else NotReached(why)
    if association.rejected_contexts:
        refused = ", ".join(sorted(refusals(association.rejected_contexts)))
        raise PeerRefused(f"{destination.name} accepted no presentation context: {refused}")
    over = "over TLS " if destination.tls else ""
    raise NotReached(f"{destination.name} does not answer, or hangs up, {over}at {destination.host}:{destination.port}")


def refusals(contexts: Iterable[PresentationContext]) -> set[str]:
    """Return in words what was not accepted: SOP class and why."""
    return {f"{name_of(context)}: {reason}" for context in contexts for reason in reasons([context])}


def reasons(contexts: Iterable[PresentationContext]) -> set[str]:
    """Return in words why presentation contexts were not accepted (PS3.8 9.3.3.2)."""
    return {_CONTEXT_RESULTS.get(context.result or 0, "no reason given") for context in contexts}


def name_of(context: PresentationContext) -> str:
    """Return the name of a presentation context's SOP class, the UID itself where it is not a known one."""
    return context.abstract_syntax.name if context.abstract_syntax else "unnamed"


def is_open(association: Association) -> bool:
    """Whether the peer still holds its end: no release, abort or closed connection waits to be read."""
    return association.is_established and association.dul.is_alive() and association.dul.peek_next_pdu() is None


def hang_up(association: Association) -> None:
    """End an association in the way that its state asks for; never raises."""
    checkpoint = association._reactor_checkpoint  # noqa: SLF001 - see _Parked
    if is_open(association):
        association.release()
    elif isinstance(checkpoint, _Parked):
        checkpoint.let_go()
        association.join(timeout=1.0)
        if association.is_established:
            association.abort()


@contextlib.contextmanager
def calling(
    destination: Destination,
    contexts: list[PresentationContext],
    *,
    calling_ae: str,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    largest: int = LARGEST_SAID,
) -> Iterator[Association]:
    """Hold an association open for the length of a block."""
    association = call(destination, contexts, calling_ae=calling_ae, roles=roles, largest=largest)
    try:
        yield association
    finally:
        hang_up(association)

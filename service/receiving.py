"""An association that somebody else opened, in one thread: pynetdicom negotiates and serves, objects go past it.

A-ASSOCIATE, A-RELEASE and A-ABORT are pynetdicom's ACSE; C-ECHO and every service but storage are its service classes,
with its handlers. Of a C-STORE-RQ only the command is read here; its data set goes block by block to the receiver, and
the response out as soon as that has answered.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import C_CANCEL, DimseServiceType
from pynetdicom.pdu_primitives import A_ASSOCIATE, P_DATA

from service.command_set import C_STORE_RQ, N_ACTION_RQ, store_response
from service.logs import log
from service.p_data import Message, Messages, Released
from service.upper_layer import INVALID_PARAMETER, MALFORMED, UNEXPECTED_PARAMETER, TooLarge, UpperLayer, Violation
from service.wire import Left, Over, Overdue, Silent, Wire

#: What the data set of a message other than C-STORE may have, bytes. It is decoded here, which takes a hundred times
#: its size where it is full of empty items; a report on one of our requests names one object.
_DATA_SET_LIMIT: Final = 64 * 1024
#: A request for the storage commitment of 10,000 objects, by UIDs of 64 characters, has less.
_ACTION_LIMIT: Final = 2 * 1024 * 1024
#: PS3.8 9.3.8, A-ABORT by the service provider: reason not specified.
_NOT_SPECIFIED: Final = 0x00
#: PS3.7 E.1, Command Field: of a response.
_IS_RESPONSE: Final = 0x8000
#: How an association ends that is not released, as the log says it.
_CAUSES: Final[Mapping[type[Over], str]] = {
    Violation: "violation",
    TooLarge: "pdu_too_large",
    Silent: "silent",
    Overdue: "overdue",
    Left: "left",
}
#: As above, of one that asked for a service that its presentation context does not have: pynetdicom aborts it.
_NOT_SERVED: Final = "not_served"
#: PS3.8 9.3.1: what a P-DATA-TF PDU has around its one fragment, bytes.
_AROUND: Final = 6


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What a C-STORE-RQ and its presentation context say of the object that follows; nothing of it is checked."""

    sop_class_uid: str
    sop_instance_uid: str
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The response to a C-STORE-RQ (PS3.4 B.2.3): status and Error Comment (0000,0902)."""

    status: int
    comment: str = ""


#: Takes an object from an association. A block is valid until the next is asked for; blocks that are not asked for are
#: passed over.
Receiver = Callable[[Association, Announced, Iterator[memoryview]], Answer]


class ReceivingAssociation(Association):
    """An association whose thread reads, stores and answers; a data set is read up to `max_object` bytes."""

    dul: UpperLayer

    def __init__(self, entity: AE, *, wire: Wire, receive: Receiver, max_object: int) -> None:
        super().__init__(entity, "acceptor")
        self.dul = UpperLayer(self)
        self.dul.wire = wire
        self._wire = wire
        self._receive = receive
        self._max_object = max_object
        #: What a handler leaves to be done once its request is answered.
        self.afterwards: list[Callable[[], None]] = []
        #: Called once somebody has asked for an association, or has left before.
        self.no_longer_waits: Callable[[], None] = lambda: None
        #: Called with the cause once it has ended without a release, whoever ended it.
        self.enter_aborted: Callable[[str], None] = lambda _: None

    def run_reactor(self) -> None:
        """Serve the association from its request to its end; whatever happens, the connection is closed afterwards."""
        spoken = False
        try:
            self._serve()
            spoken = True
        except Released:
            self.acse.send_release(is_response=True)
            self.is_released = spoken = True
            self._ended(evt.EVT_RELEASED)
        except (Violation, Silent) as broken:
            self.dul.abort(broken.reason if isinstance(broken, Violation) else _NOT_SPECIFIED)
            spoken = True
            self._aborted(broken)
        except (Left, TooLarge) as left:
            spoken = self._sent_abort
            self._aborted(left)
        finally:
            self.is_established = False
            self.no_longer_waits()
            self._wire.end(spoken=spoken)
            address = self.requestor.address_info
            evt.trigger(self, evt.EVT_CONN_CLOSE, {"address": address.as_tuple if address else None})

    def _serve(self) -> None:
        self._wire.wait_at_most(self.acse_timeout or 0)
        self.requestor.primitive = self.dul.read_request()
        self.no_longer_waits()
        evt.trigger(self, evt.EVT_REQUESTED, {})
        if self.is_aborted:
            return
        if not self.is_rejected:
            self._negotiate()
        self.dul.answer()
        idle_s = self.network_timeout or 0
        self._wire.wait_at_most(idle_s)
        messages = Messages(
            self.dul, contexts=self._accepted_cx.keys(), max_pdu=self.ae.maximum_pdu_size, idle_s=idle_s
        )
        while self.is_established:
            message = messages.next()
            if message.command.field == C_STORE_RQ:
                self._store(message, self._data_set(messages, message))
            else:
                self._serve_other(message, self._data_set(messages, message))

    def _negotiate(self) -> None:
        try:
            self.acse.negotiate_association()
        except MALFORMED as error:
            raise Violation(INVALID_PARAMETER) from error

    @staticmethod
    def _data_set(messages: Messages, message: Message) -> Iterator[memoryview]:
        return messages.data_set(message) if message.command.has_data_set else iter(())

    def _store(self, message: Message, blocks: Iterator[memoryview]) -> None:
        command = message.command
        context = self._accepted_cx[message.context_id]
        announced = Announced(
            sop_class_uid=command.sop_class_uid,
            sop_instance_uid=command.sop_instance_uid,
            abstract_syntax=str(context.abstract_syntax),
            transfer_syntax=str(context.transfer_syntax[0]),
        )
        answer = self._receive(self, announced, blocks)
        # The sender reads no response before it has sent all of it; one that never ends is not waited for.
        passed_over = 0
        for block in blocks:
            passed_over += len(block)
            if passed_over > self._max_object:
                raise Violation(_NOT_SPECIFIED)
        self._say(message.context_id, store_response(command, status=answer.status, comment=answer.comment))

    def _say(self, context_id: int, command: bytes) -> None:
        """Send a command without a data set, in fragments as small as the peer wants them."""
        # PS3.8 D.1.1: 0 is no limit.
        room = max((self.requestor.maximum_length or len(command) + _AROUND) - _AROUND, 1)
        pdus = []
        for start in range(0, len(command), room):
            fragment = command[start : start + room]
            control = 0x03 if start + room >= len(command) else 0x01
            value = (len(fragment) + 2).to_bytes(4, "big") + bytes((context_id, control)) + fragment
            pdus.append(b"\x04\x00" + len(value).to_bytes(4, "big") + value)
        self._wire.send(b"".join(pdus))

    def _serve_other(self, message: Message, blocks: Iterator[memoryview]) -> None:
        """Have pynetdicom serve a message with its service classes and handlers."""
        data = bytearray()
        most = _ACTION_LIMIT if message.command.field == N_ACTION_RQ else _DATA_SET_LIMIT
        for block in blocks:
            data += block
            if len(data) > most:
                raise Violation(_NOT_SPECIFIED)
        fragments = [[message.context_id, b"\x03" + message.encoded]]
        if message.command.has_data_set:
            fragments.append([message.context_id, b"\x02" + bytes(data)])
        values = P_DATA()
        # pynetdicom asks for lists, and says tuples.
        values.presentation_data_value_list = fragments  # type: ignore[assignment]
        decoded = DIMSEMessage()
        try:
            decoded.decode_msg(values, self)
            request = decoded.message_to_primitive()
        except MALFORMED as error:
            raise Violation(INVALID_PARAMETER) from error
        if isinstance(request, C_CANCEL):
            return  # nothing is served that takes long enough to be cancelled
        evt.trigger(self, evt.EVT_DIMSE_RECV, {"message": decoded})
        if message.command.field & _IS_RESPONSE:
            return  # to what was done afterwards; whatever it says, the peer has heard of it
        self._serve_in_its_context(message, request)

    def _serve_in_its_context(self, message: Message, request: DimseServiceType) -> None:
        """Serve a request; then do what that left to be done."""
        context = self._accepted_cx[message.context_id]
        if message.command.has_data_set and _class_of(request) != context.abstract_syntax:
            # pynetdicom would serve it by its own UID, in the transfer syntax of whatever context it came in.
            raise Violation(UNEXPECTED_PARAMETER)
        self._serve_request(request, message.context_id)
        while self.afterwards and self.is_established:
            self.afterwards.pop(0)()

    def _abort_blocking(self, block: bool = True) -> None:  # noqa: ARG002 - as in pynetdicom: this one never waits
        """Abort as the service user, from any thread."""
        if self._sent_abort or self.is_released:
            return
        self._sent_abort = True
        self.acse.send_abort(0x00)
        self._ended(evt.EVT_ABORTED)
        self._kill = True
        if threading.current_thread() is self:
            self._say_aborted(_NOT_SERVED)
        else:
            self._wire.stop_reading()

    def _aborted(self, why: Over) -> None:
        if self.is_aborted:
            return
        self._say_aborted(_CAUSES[type(why)])
        if isinstance(self.requestor.primitive, A_ASSOCIATE):
            self.is_aborted = True
            self._ended(evt.EVT_ABORTED)

    def _say_aborted(self, cause: str) -> None:
        request, address = self.requestor.primitive, self.requestor.address_info
        # Whoever has not asked for an association is a port scanner or a probe: there are many, and nothing is lost.
        say = log.warning if isinstance(request, A_ASSOCIATE) else log.debug
        say(
            "association aborted",
            action="association_aborted",
            cause=cause,
            calling_ae=(request.calling_ae_title or "") if isinstance(request, A_ASSOCIATE) else "",
            address=address.address if address else "",
        )
        self.enter_aborted(cause)

    def _ended(self, event: evt.NotificationEvent) -> None:
        self.is_established = False
        evt.trigger(self, event, {})


def _class_of(request: DimseServiceType) -> UID | None:
    """Return the SOP class of a request: Requested where it has one, else Affected (PS3.7 9.3, 10.3)."""
    named: UID | None = getattr(request, "RequestedSOPClassUID", None) or getattr(request, "AffectedSOPClassUID", None)
    return named

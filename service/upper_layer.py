"""pynetdicom's upper layer without its thread: what is said is sent at once, and reading is left to the association.

pynetdicom 3.0.4 gives each association a second thread that looks at the socket and at a queue a thousand times a
second, and hands every PDU over (docs/decisions/0021-receive-loop.md). This one takes its place: pynetdicom's ACSE,
DIMSE and service classes send through it, and their classes still encode and decode every PDU but P-DATA-TF.
"""

import struct
from typing import Final, NamedTuple

from pynetdicom import evt
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, A_RELEASE_RP, P_DATA_TF
from pynetdicom.pdu_primitives import A_ABORT, A_ASSOCIATE, A_P_ABORT, A_RELEASE, P_DATA

from service.wire import Left, Over, Wire

#: PS3.8 9.3: the types of PDU that an acceptor may be sent.
ASSOCIATE_RQ: Final = 0x01
DATA_TF: Final = 0x04
RELEASE_RQ: Final = 0x05
ABORT: Final = 0x07
_TYPES: Final = frozenset({ASSOCIATE_RQ, 0x02, 0x03, DATA_TF, RELEASE_RQ, 0x06, ABORT})

#: PS3.8 9.3.8, A-ABORT by the service provider: reason.
UNRECOGNIZED_PDU: Final = 0x01
UNEXPECTED_PDU: Final = 0x02
UNEXPECTED_PARAMETER: Final = 0x05
INVALID_PARAMETER: Final = 0x06

#: An A-ASSOCIATE PDU may be larger than the P-DATA-TF PDUs that are negotiated in it, bytes: 128 presentation contexts
#: (PS3.8 9.3.2.2) with every transfer syntax there is take less than this.
ASSOCIATE_LIMIT: Final = 512 * 1024
#: A-RELEASE-RQ and A-ABORT (PS3.8 9.3.6, 9.3.8) have four bytes; so much is forgiven.
_SHORT_LIMIT: Final = 1024
_HEADER: Final = struct.Struct(">BxL")
#: What pynetdicom's decoders raise on bytes that are no PDU or command set; test_upper_layer_fuzz looks for others.
MALFORMED: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
    struct.error,
)


class Violation(Over):
    """The peer broke the protocol (PS3.8 9.2): the association is aborted for `reason`, of PS3.8 9.3.8."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class TooLarge(Over):
    """A PDU announces more bytes than any we would take; the connection is closed before they are read."""


class Header(NamedTuple):
    """What a PDU begins with."""

    kind: int
    length: int


class UpperLayer(DULServiceProvider):
    """The upper layer of one association, as far as pynetdicom's other parts use it. There is no thread."""

    #: Set before the association begins.
    wire: Wire
    #: The answer to the A-ASSOCIATE-RQ, which `answer` sends.
    _answer: bytes = b""

    def is_alive(self) -> bool:
        """Whether its thread runs: it has none."""
        return False

    def stop_dul(self) -> bool:
        """Stop its thread."""
        return True

    def receive_pdu(self, wait: bool = False, timeout: float | None = None) -> None:  # noqa: ARG002 - as in pynetdicom
        """Return what was received and not yet served: nothing, the association serves at once."""
        return

    def peek_next_pdu(self) -> None:
        """Return what would be served next: nothing, see `receive_pdu`."""
        return

    def send_pdu(self, primitive: A_ASSOCIATE | A_RELEASE | A_ABORT | A_P_ABORT | P_DATA) -> None:
        """Encode and send; where the peer has gone, the next read says so.

        The answer to a request is kept back: handlers of EVT_REJECTED and EVT_ACCEPTED hear of it before the peer.
        """
        if not isinstance(primitive, P_DATA):
            evt.trigger(self.assoc, evt.EVT_ACSE_SENT, {"primitive": primitive})
        encoded = _pdu(primitive).encode()
        if isinstance(primitive, A_ASSOCIATE):
            self._answer = encoded
        else:
            self._send(encoded, last_word=not isinstance(primitive, P_DATA))

    def answer(self) -> None:
        """Send the answer to the A-ASSOCIATE-RQ."""
        self._send(self._answer)

    def read_header(self, limit: int) -> Header:
        """Read what a PDU begins with; TooLarge, Violation where it is none that we would take. `limit` is for data."""
        kind, length = _HEADER.unpack(self.wire.read(_HEADER.size))
        if length > (limit if kind == DATA_TF else ASSOCIATE_LIMIT if kind == ASSOCIATE_RQ else _SHORT_LIMIT):
            raise TooLarge
        if kind not in _TYPES:
            raise Violation(UNRECOGNIZED_PDU)
        return Header(kind, length)

    def read_request(self) -> A_ASSOCIATE:
        """Read an A-ASSOCIATE-RQ; Violation where anything else comes or it cannot be decoded, TooLarge."""
        header = self.read_header(limit=_SHORT_LIMIT)
        body = self.wire.read(header.length)
        if header.kind == ABORT:
            raise Left
        if header.kind != ASSOCIATE_RQ:
            raise Violation(UNEXPECTED_PDU)
        request = A_ASSOCIATE_RQ()
        try:
            request.decode(_HEADER.pack(*header) + body)
            return request.to_primitive()
        except MALFORMED as error:
            raise Violation(INVALID_PARAMETER) from error

    def abort(self, reason: int) -> None:
        """Send an A-ABORT of the service provider (PS3.8 9.3.8); nothing where the peer has gone."""
        pdu = A_ABORT_RQ()
        pdu.source = 0x02
        pdu.reason_diagnostic = reason
        self._send(pdu.encode(), last_word=True)

    # pynetdicom's takes a PDU; nobody calls it here.
    def _send(self, encoded: bytes, *, last_word: bool = False) -> None:  # type: ignore[override]
        try:
            self.wire.send(encoded, last_word=last_word)
        except Left as left:
            self.wire.stop_reading(type(left))


def _pdu(
    primitive: A_ASSOCIATE | A_RELEASE | A_ABORT | A_P_ABORT | P_DATA,
) -> A_ASSOCIATE_AC | A_ASSOCIATE_RJ | A_RELEASE_RP | A_ABORT_RQ | P_DATA_TF:
    """Return the PDU of what an acceptor says."""
    match primitive:
        case A_ASSOCIATE():
            return A_ASSOCIATE_AC(primitive) if primitive.result == 0 else A_ASSOCIATE_RJ(primitive)
        case A_RELEASE():
            return A_RELEASE_RP(primitive)
        case P_DATA():
            return P_DATA_TF(primitive)
        case _:
            return A_ABORT_RQ(primitive)

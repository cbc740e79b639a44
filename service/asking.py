"""Ask a destination whether it has an object: storage commitment as user (PS3.4 annex J), C-FIND (PS3.4 annex C).

What is asked here goes over an association of its own: a peer that answers a question late, or never, must not disturb
what is stored over the one that is kept open.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset
from pynetdicom import build_context, evt
from pynetdicom.association import Association
from pynetdicom.pdu import P_DATA_TF

from service import commitment, peer, sop_classes
from service.commitment import Reference, Report
from service.config_peers import Destination
from service.errors import NotNow, PeerRefused, Unavailable

#: PS3.4 C.6.2: Study Root Query/Retrieve Information Model, FIND.
FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
#: So long a report is awaited on the association that asked for it, seconds. Most peers open one of their own.
WAIT_S: Final = 2.0
_TICK_S: Final = 0.05

#: PS3.7 annex C, of an N-ACTION: another try meets it again.
_PERMANENT: Final = frozenset(
    {
        0x0112,  # no such SOP instance: the well-known one is not known
        0x0118,  # no such SOP class
        0x0119,  # class-instance conflict
        0x0122,  # SOP class not supported
        0x0123,  # no such action
        0x0124,  # not authorised
        0x0211,  # unrecognised operation
    }
)
#: PS3.4 table C.4-1: a match follows; there are no more.
_PENDING: Final = frozenset({0xFF00, 0xFF01})
_SUCCESS: Final = 0x0000
#: Identifier does not match SOP class; 0xCxxx is unable to process, which passes at many peers.
_NOT_UNDERSTOOD: Final = 0xA900


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an object belongs, by its UIDs."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


def commit(
    destination: Destination,
    reference: Reference,
    transaction_uid: str,
    *,
    calling_ae: str,
    awaited: Callable[[], bool],
) -> Report | None:
    """Request storage commitment of an object; return the report where it comes at once on the same association.

    None where it is still to come on another one, or was heard there already: `awaited` says whether anybody still
    waits. Raises PeerRefused, NotNow or Unavailable.
    """
    heard: list[Report] = []
    answered = threading.Event()
    with peer.calling(destination, [commitment.context()], calling_ae=calling_ae) as association:
        association.bind(evt.EVT_N_EVENT_REPORT, _on_report, [heard])
        association.bind(evt.EVT_PDU_SENT, _on_sent, [heard, answered])
        _request(association, destination, reference, transaction_uid)
        end = time.monotonic() + WAIT_S
        while not heard and time.monotonic() < end and peer.is_open(association) and awaited():
            time.sleep(_TICK_S)
        if heard:
            # pynetdicom answers in a thread of its own: a release that overtook it would leave the peer without.
            answered.wait(WAIT_S)
    return next((report for report in heard if report.transaction_uid == transaction_uid), None)


def _request(association: Association, destination: Destination, reference: Reference, transaction_uid: str) -> None:
    information = commitment.action_information(transaction_uid, [reference])
    kind = commitment.REQUEST, commitment.PUSH_MODEL, commitment.PUSH_MODEL_INSTANCE
    try:
        answer, _ = association.send_n_action(information, *kind)
    except RuntimeError as error:
        raise Unavailable(f"{destination.name} ended the association") from error
    status: int | None = answer.get("Status")
    if status is None:
        raise Unavailable(f"{destination.name} gave no answer to a request for storage commitment")
    if status != _SUCCESS:
        why = f"{destination.name} answered a request for storage commitment with status 0x{status:04X}"
        raise PeerRefused(why) if status in _PERMANENT else NotNow(why)


def _on_report(event: evt.Event, heard: list[Report]) -> tuple[int, Dataset | None]:
    heard.append(commitment.read_event(event.event_information))
    return _SUCCESS, None


def _on_sent(event: evt.Event, heard: list[Report], answered: threading.Event) -> None:
    # The request went before: what is sent after a report is the answer to it.
    if heard and isinstance(event.pdu, P_DATA_TF):
        answered.set()


def find(destination: Destination, place: Place, *, calling_ae: str) -> bool:
    """Ask by C-FIND whether an object is there, at IMAGE level. Raises PeerRefused, NotNow or Unavailable."""
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "IMAGE"
    wanted.StudyInstanceUID = place.study_instance_uid
    wanted.SeriesInstanceUID = place.series_instance_uid
    wanted.SOPInstanceUID = place.sop_instance_uid
    contexts = [build_context(FIND, list(sop_classes.UNCOMPRESSED[:2]))]
    with peer.calling(destination, contexts, calling_ae=calling_ae) as association:
        try:
            return _is_among(association, destination, wanted)
        except RuntimeError as error:
            raise Unavailable(f"{destination.name} ended the association") from error


def _is_among(association: Association, destination: Destination, wanted: Dataset) -> bool:
    found = False
    end = time.monotonic() + destination.timeout_s
    for answer, identifier in association.send_c_find(wanted, FIND):
        status: int | None = answer.get("Status")
        if status is None:
            raise Unavailable(f"{destination.name} gave no answer to a C-FIND")
        if status in _PENDING:
            # A peer that does not know a key returns every object of the series: only the one that was sent counts.
            found |= identifier is not None and identifier.get("SOPInstanceUID") == wanted.SOPInstanceUID
            if time.monotonic() > end:
                association.abort()
                raise NotNow(f"{destination.name} lists objects without an end to a C-FIND for one")
        elif status != _SUCCESS:
            why = f"{destination.name} answered a C-FIND with status 0x{status:04X}"
            raise PeerRefused(why) if status in {_NOT_UNDERSTOOD, 0x0122, 0x0124} else NotNow(why)
    return found

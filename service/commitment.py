"""Storage commitment, the push model, as data sets (PS3.4 annex J): what is asked, and what is reported.

A report is a peer's text: of its UIDs nothing is believed that was not asked for, and the reason of a failure is a
number.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

from service import sop_classes
from service.elements import Elements
from service.errors import Refused

#: PS3.4 J.3.5: Storage Commitment Push Model SOP Class, and its well-known instance.
PUSH_MODEL: Final = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
#: What it is spoken in. Not deflated: what a request is inflated to is known only once it is.
SYNTAXES: Final = sop_classes.UNCOMPRESSED[:2]
#: Transaction UID (0008,1195).
_TRANSACTION: Final = 0x0008_1195
#: PS3.4 table J.3-1: the one action, request storage commitment.
REQUEST: Final = 1
#: PS3.4 table J.3-2: event types.
ALL_STORED: Final = 1
SOME_FAILED: Final = 2

#: PS3.3 C.14.1.1, Failure Reason (0008,1197), and PS3.4 J.3.3.1.1.
NO_SUCH_OBJECT: Final = 0x0112
RESOURCE_LIMITATION: Final = 0x0213
DUPLICATE_TRANSACTION: Final = 0x0131
PROCESSING_FAILURE: Final = 0x0110
CLASS_NOT_SUPPORTED: Final = 0x0122
CLASS_INSTANCE_CONFLICT: Final = 0x0119
REASONS: Final = {
    PROCESSING_FAILURE: "processing failure",
    NO_SUCH_OBJECT: "no such object instance",
    RESOURCE_LIMITATION: "resource limitation",
    CLASS_NOT_SUPPORTED: "referenced SOP class not supported",
    CLASS_INSTANCE_CONFLICT: "class/instance conflict",
    DUPLICATE_TRANSACTION: "duplicate transaction UID",
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An object by its SOP Class UID and SOP Instance UID."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an N-EVENT-REPORT says of one transaction."""

    transaction_uid: str
    #: SOP Instance UIDs of what is committed to.
    committed: frozenset[str]
    #: By SOP Instance UID what is not, with the Failure Reason; 0 where none is given.
    failed: dict[str, int]


def context() -> PresentationContext:
    """Return the presentation context of the push model."""
    return build_context(PUSH_MODEL, list(SYNTAXES))


def action_information(transaction_uid: str, references: Iterable[Reference]) -> Dataset:
    """Return the Action Information of a request (PS3.4 table J.3-1)."""
    ds = Dataset()
    ds.TransactionUID = transaction_uid
    ds.ReferencedSOPSequence = Sequence([_item(each) for each in references])
    return ds


def event_information(
    transaction_uid: str, *, committed: Iterable[Reference], failed: Iterable[tuple[Reference, int]]
) -> Dataset:
    """Return the Event Information of a report (PS3.4 table J.3-2)."""
    ds = Dataset()
    ds.TransactionUID = transaction_uid
    if items := [_item(each) for each in committed]:
        ds.ReferencedSOPSequence = Sequence(items)
    if items := [_failed_item(each, reason) for each, reason in failed]:
        ds.FailedSOPSequence = Sequence(items)
    return ds


def read_event(information: Dataset) -> Report:
    """Read the Event Information of a report; what is missing there is missing here."""
    return Report(
        transaction_uid=_text(information, "TransactionUID"),
        committed=frozenset(_text(item, "ReferencedSOPInstanceUID") for item in _items(information, "ReferencedSOP")),
        failed={
            _text(item, "ReferencedSOPInstanceUID"): _number(item, "FailureReason")
            for item in _items(information, "FailedSOP")
        },
    )


def transaction_of(information: BytesIO | None, transfer_syntax: str) -> str:
    """Return the Transaction UID of Event or Action Information as it came, of which nothing else is read; "": none."""
    encoded = information.getvalue() if information else b""
    try:
        found = dict(Elements(encoded, transfer_syntax, wanted={_TRANSACTION}, last=_TRANSACTION))
    except (struct.error, zlib.error, Refused):
        return ""
    return found.get(_TRANSACTION, b"").decode("ascii", "replace").strip("\0 ")


def read_request(information: Dataset) -> tuple[str, list[Reference]]:
    """Return (Transaction UID, references) of the Action Information of a request; "" where there is no UID."""
    found = [
        Reference(
            sop_class_uid=_text(item, "ReferencedSOPClassUID"), sop_instance_uid=_text(item, "ReferencedSOPInstanceUID")
        )
        for item in _items(information, "ReferencedSOP")
    ]
    return _text(information, "TransactionUID"), found


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return item


def _failed_item(reference: Reference, reason: int) -> Dataset:
    item = _item(reference)
    item.FailureReason = reason
    return item


def _items(ds: Dataset, name: str) -> list[Dataset]:
    value = ds.get(f"{name}Sequence")
    return list(value) if isinstance(value, Sequence) else []


def _text(ds: Dataset, keyword: str) -> str:
    value = ds.get(keyword)
    return str(value).strip() if isinstance(value, str) else ""


def _number(ds: Dataset, keyword: str) -> int:
    value = ds.get(keyword)
    return value if isinstance(value, int) else 0

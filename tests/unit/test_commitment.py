"""The data sets of storage commitment: written as the standard says, read whatever a peer makes of them."""

from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom.dsutils import encode

from service.commitment import (
    Reference,
    Report,
    action_information,
    event_information,
    read_event,
    read_request,
    transaction_of,
)

A = Reference(sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34", sop_instance_uid="1.2.1")
B = Reference(sop_class_uid="1.2.840.10008.5.1.4.1.1.11.1", sop_instance_uid="1.2.2")


def test_a_request_is_read_as_it_was_written() -> None:
    """Transaction UID and Referenced SOP Sequence (PS3.4 table J.3-1)."""
    assert ("1.9", [A, B]) == read_request(action_information("1.9", [A, B]))


def test_a_report_is_read_as_it_was_written() -> None:
    """What is committed to, and what is not, with its reason (PS3.4 table J.3-2); an empty list is left out."""
    made = event_information("1.9", committed=[A], failed=[(B, 0x0112)])
    assert Report(transaction_uid="1.9", committed=frozenset({"1.2.1"}), failed={"1.2.2": 0x0112}) == read_event(made)
    assert "FailedSOPSequence" not in event_information("1.9", committed=[A], failed=[])


@pytest.mark.parametrize(
    ("syntax", "implicit", "little"),
    [("1.2.840.10008.1.2", True, True), ("1.2.840.10008.1.2.1", False, True), ("1.2.840.10008.1.2.2", False, False)],
)
def test_the_transaction_is_found_in_what_came(syntax: str, implicit: bool, little: bool) -> None:
    """Of a report as it is encoded, in each transfer syntax that is offered; none where there is none."""
    made = event_information("1.9.1", committed=[A], failed=[])
    encoded = encode(made, implicit, little)
    assert encoded is not None
    assert transaction_of(BytesIO(encoded), syntax) == "1.9.1"
    assert transaction_of(BytesIO(encoded[:5]), syntax) == transaction_of(None, syntax) == ""


def test_what_is_missing_in_a_report_is_missing() -> None:
    """No transaction, no lists, items without UID or reason: nothing is committed to by them."""
    assert Report(transaction_uid="", committed=frozenset(), failed={}) == read_event(Dataset())
    odd = Dataset()
    odd.TransactionUID = ["1.9", "1.8"]
    odd.ReferencedSOPSequence = Sequence([Dataset()])
    failed = Dataset()
    failed.ReferencedSOPInstanceUID = "1.2.2"
    odd.FailedSOPSequence = Sequence([failed])
    assert Report(transaction_uid="", committed=frozenset({""}), failed={"1.2.2": 0}) == read_event(odd)

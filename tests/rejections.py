"""Rejection notes for tests."""

from datetime import UTC, datetime
from typing import Any, Final

from pydicom.dataset import Dataset
from report_samples import STUDY, ct_slice

from sr_templates.evidence import Instance
from sr_templates.rejection_note import Rejection, build_rejection_note

#: A report, a presentation state, a summary page and a sagittal section: SOP class by SOP instance.
REJECTED: Final = {
    f"{STUDY}.8.{number}": f"1.2.840.10008.5.1.4.1.1.{suffix}"
    for number, suffix in enumerate(("88.34", "11.1", "7", "2"), start=1)
}


def rejection(**changes: Any) -> Rejection:
    """Return the order for a note."""
    instances = [
        Instance(
            study_instance_uid=STUDY,
            series_instance_uid=f"{STUDY}.8.0.{number}",
            sop_class_uid=sop_class,
            sop_instance_uid=uid,
        )
        for number, (uid, sop_class) in enumerate(REJECTED.items())
    ]
    plain: dict[str, Any] = {
        "rejected": instances,
        "title": "quality",
        "why": "",
        "at": datetime(2026, 3, 5, 12, 30, tzinfo=UTC),
        "number": 1,
    }
    return Rejection(**plain | changes)


def rejection_note(**changes: Any) -> Dataset:
    """Return a note on objects of the sample study."""
    return build_rejection_note(rejection(**changes), ct_slice(1), software="spondyl 1.2.3")

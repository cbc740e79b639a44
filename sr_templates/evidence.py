"""Objects that an object of ours refers to, in the hierarchy study, series, instance (PS3.3 C.17.2.1)."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.dataset import Dataset

from sr_templates import headers


@dataclass(frozen=True, kw_only=True)
class Instance:
    """The UIDs that a reference takes."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def instance_of(source: Dataset) -> Instance:
    """Return the UIDs of an object by its header."""
    return Instance(
        study_instance_uid=headers.text(source, "StudyInstanceUID"),
        series_instance_uid=headers.text(source, "SeriesInstanceUID"),
        sop_class_uid=headers.text(source, "SOPClassUID"),
        sop_instance_uid=headers.text(source, "SOPInstanceUID"),
    )


def hierarchical(instances: Iterable[Instance]) -> list[Dataset]:
    """Return the items of a Hierarchical SOP Instance Reference, in the order given (PS3.3 table C.17-3)."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for one in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.sop_class_uid, one.sop_instance_uid
        studies.setdefault(one.study_instance_uid, {}).setdefault(one.series_instance_uid, []).append(item)
    return [_study(uid, series) for uid, series in studies.items()]


def _study(study_instance_uid: str, series: dict[str, list[Dataset]]) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = study_instance_uid
    item.ReferencedSeriesSequence = []
    for uid, references in series.items():
        one = Dataset()
        one.SeriesInstanceUID = uid
        one.ReferencedSOPSequence = references
        item.ReferencedSeriesSequence.append(one)
    return item

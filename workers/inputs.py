"""The files of one study, sorted by what they can tell: segmentations, reports, images."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    SegmentationStorage,
)

from service.errors import SpondylError

#: Label Map Segmentation Storage (PS3.4 B.5); pydicom 3.0 does not name it.
LABEL_MAP_SEGMENTATION: Final = "1.2.840.10008.5.1.4.1.1.66.7"
SEGMENTATIONS: Final = frozenset({str(SegmentationStorage), LABEL_MAP_SEGMENTATION})
REPORTS: Final = frozenset({str(EnhancedSRStorage), str(ComprehensiveSRStorage), str(Comprehensive3DSRStorage)})

#: Dates of an object, the most telling first (PS3.3 C.12.1, C.7.6.1, C.7.3.1, C.7.2.1); the first that is there counts.
_DATES: Final = (
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("ContentDate", "ContentTime"),
    ("AcquisitionDate", "AcquisitionTime"),
    ("SeriesDate", "SeriesTime"),
    ("StudyDate", "StudyTime"),
)
#: Stands for "no object has a date"; it only has to be the same every time.
_NO_DATE: Final = datetime(1900, 1, 1, tzinfo=UTC)


class NotOneStudy(SpondylError):
    """These files are not one DICOM study."""

    who = "the caller"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The objects of one study, headers only; `files` leads back to the whole object by its SOP Instance UID."""

    study_instance_uid: str
    headers: tuple[Dataset, ...]
    files: Mapping[str, Path]
    #: What is no readable DICOM object, by name.
    unreadable: tuple[Path, ...] = ()

    def of_classes(self, sop_classes: frozenset[str]) -> list[Dataset]:
        """Return the headers of these SOP classes, ordered by SOP Instance UID."""
        return [header for header in self.headers if header.get("SOPClassUID") in sop_classes]

    def header(self, sop_instance_uid: str) -> Dataset | None:
        """Return the header of one object, None where it was not received."""
        return next((h for h in self.headers if h.get("SOPInstanceUID") == sop_instance_uid), None)

    def whole(self, header: Dataset) -> Dataset:
        """Read an object again with its bulk data."""
        return pydicom.dcmread(self.files[header.SOPInstanceUID])


def read_inputs(files: Iterable[Path]) -> Inputs:
    """Read the headers of `files`.

    Files that are no DICOM are kept aside by name. Raises NotOneStudy where the rest is empty, spans several
    studies, or lacks the UIDs that a report must refer to.
    """
    headers: dict[str, Dataset] = {}
    paths: dict[str, Path] = {}
    unreadable: list[Path] = []
    for path in files:
        header = _header(path)
        if header is None:
            unreadable.append(path)
            continue
        uid = _text(header, "SOPInstanceUID")
        if not uid or not _text(header, "StudyInstanceUID") or not _text(header, "SOPClassUID"):
            raise NotOneStudy(f"{path.name}: Study Instance UID, SOP Instance UID or SOP Class UID is missing or empty")
        headers[uid], paths[uid] = header, path
    return Inputs(
        study_instance_uid=_one_study(headers.values(), unreadable),
        headers=tuple(headers[uid] for uid in sorted(headers)),
        files=paths,
        unreadable=tuple(unreadable),
    )


def newest_date(headers: Sequence[Dataset]) -> datetime:
    """Return the newest date among the objects, as UTC: the same inputs always have the same one.

    A header without any date does not count; without any date at all it is 1900-01-01.
    """
    return max((date for header in headers if (date := _date(header)) is not None), default=_NO_DATE)


def _header(path: Path) -> Dataset | None:
    try:
        with warnings.catch_warnings():
            # pydicom's warnings quote values, which may be a patient's.
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, EOFError, ValueError, KeyError, AttributeError, TypeError, NotImplementedError):
        # What pydicom raises for a truncated or damaged header is not one family.
        return None


def _one_study(headers: Iterable[Dataset], unreadable: Sequence[Path]) -> str:
    studies = sorted({str(header.StudyInstanceUID) for header in headers})
    if len(studies) == 1:
        return studies[0]
    if studies:
        raise NotOneStudy(f"expected the files of one study, found {len(studies)}: {', '.join(studies)}")
    named = f": {unreadable[0].name} is not one" if unreadable else ""
    raise NotOneStudy(f"expected DICOM files, found none{named}")


def _text(header: Dataset, keyword: str) -> str:
    return str(header.get(keyword) or "").strip()


def _date(header: Dataset) -> datetime | None:
    for date, time in _DATES:
        clock = _text(header, time).split(".")[0].ljust(6, "0")
        try:
            return datetime.strptime(_text(header, date) + clock[:6], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:  # absent, or not as PS3.5 6.2 wants it
            continue
    return None

"""The files of one study, sorted by what they can tell: segmentations, reports, images."""

import os
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Final

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    ColorSoftcopyPresentationStateStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    ExtensibleSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    PseudoColorSoftcopyPresentationStateStorage,
    RTStructureSetStorage,
    SegmentationStorage,
    SpatialFiducialsStorage,
)

from service.errors import SpondylError
from sr_templates.headers import DAMAGE, offset, text
from sr_templates.identity import is_own
from sr_templates.slices import frame_of_reference
from workers.patient import identity_of, is_same_patient

#: Label Map Segmentation Storage (PS3.4 B.5); pydicom 3.0 does not name it.
LABEL_MAP_SEGMENTATION: Final = "1.2.840.10008.5.1.4.1.1.66.7"
SEGMENTATIONS: Final = frozenset({str(SegmentationStorage), LABEL_MAP_SEGMENTATION})
#: Presentation states of images; those of volumes place their graphics in a view, not in an image.
PRESENTATIONS: Final = frozenset(
    {
        str(GrayscaleSoftcopyPresentationStateStorage),
        str(ColorSoftcopyPresentationStateStorage),
        str(PseudoColorSoftcopyPresentationStateStorage),
    }
)
FIDUCIALS: Final = frozenset({str(SpatialFiducialsStorage)})
STRUCTURE_SETS: Final = frozenset({str(RTStructureSetStorage)})
REPORTS: Final = frozenset(
    {str(EnhancedSRStorage), str(ComprehensiveSRStorage), str(Comprehensive3DSRStorage), str(ExtensibleSRStorage)}
)

#: Dates of an object, the most telling first (PS3.3 C.12.1, C.7.6.1, C.7.3.1, C.7.2.1); the first that is there counts.
_DATES: Final = (
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("ContentDate", "ContentTime"),
    ("AcquisitionDate", "AcquisitionTime"),
    ("SeriesDate", "SeriesTime"),
    ("StudyDate", "StudyTime"),
)
#: Stands for "no object has a date"; it only has to be the same every time.
_NO_DATE: Final = datetime(1900, 1, 1)  # noqa: DTZ001 - no clock is meant
#: UIDs that a report must refer to.
_NEEDED: Final = {
    "StudyInstanceUID": "Study Instance UID",
    "SOPInstanceUID": "SOP Instance UID",
    "SOPClassUID": "SOP Class UID",
}


class _Measured(BufferedReader):
    """A file that is never asked for more than it holds.

    A damaged length claims up to 4 GB, and a read makes room for all of it before it looks what is there.
    """

    def __init__(self, file: FileIO) -> None:
        super().__init__(file)
        self._size = os.fstat(file.fileno()).st_size

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes."""
        return super().read(size if size is None or size < self._size else self._size)


class NotOneStudy(SpondylError):
    """These files are not one DICOM study."""

    who = "whoever supplied the files"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The objects of one study, headers only; `files` leads back to the whole object by its SOP Instance UID."""

    study_instance_uid: str
    headers: tuple[Dataset, ...]
    files: Mapping[str, Path]
    #: What is no readable DICOM object, by name.
    unreadable: tuple[Path, ...] = ()
    #: Headers of our reports on other studies of the same patient.
    other_reports: tuple[Dataset, ...] = ()
    #: Headers of sections that we computed of this study and that were not received: points may lie on them, no more.
    sections: tuple[Dataset, ...] = ()

    def of_classes(self, sop_classes: frozenset[str]) -> list[Dataset]:
        """Return the headers of these SOP classes, ordered by SOP Instance UID."""
        return [header for header in self.headers if text(header, "SOPClassUID") in sop_classes]

    def header(self, sop_instance_uid: str) -> Dataset | None:
        """Return the header of one object, None where it was not received."""
        return next((h for h in self.headers if text(h, "SOPInstanceUID") == sop_instance_uid), None)

    def whole(self, header: Dataset) -> Dataset:
        """Read an object again with its bulk data; where that is damaged, its header is all there is."""
        return _read(self.files[text(header, "SOPInstanceUID")]) or header


def read_inputs(files: Iterable[Path], *, sections: Iterable[Path] = ()) -> Inputs:
    """Read the headers of `files`, and of `sections` that we made of the study before; of one UID the last one counts.

    Files that are no DICOM are kept aside by name, and what we made of other studies of the same patient. Raises
    NotOneStudy where the rest is empty, spans several studies, or lacks the UIDs that a report must refer to.
    """
    headers: dict[str, Dataset] = {}
    paths: dict[str, Path] = {}
    unreadable: list[Path] = []
    for path in files:
        header = _read(path, stop_before_pixels=True)
        if header is None:
            unreadable.append(path)
            continue
        if wrong := [name for keyword, name in _NEEDED.items() if not _is_one(text(header, keyword))]:
            raise NotOneStudy(f"{path.name}: missing, empty or several: {', '.join(wrong)}")
        uid = text(header, "SOPInstanceUID")
        headers[uid], paths[uid] = header, path
    found = [headers[uid] for uid in sorted(headers)]
    others = _made_of_other_studies(found)
    own = [header for header in found if not any(header is other for other in others)]
    study = _one_study(own, unreadable)
    made = {uid: one for path in sections if (one := _section(path, study)) and (uid := text(one, "SOPInstanceUID"))}
    return Inputs(
        study_instance_uid=study,
        headers=tuple(own),
        files=paths,
        unreadable=tuple(unreadable),
        other_reports=tuple(other for other in others if text(other, "SOPClassUID") in REPORTS),
        sections=tuple(made[uid] for uid in sorted(made.keys() - paths.keys())),
    )


def newest_date(headers: Sequence[Dataset]) -> datetime:
    """Return the newest date among the objects: the same inputs always have the same one.

    It has the Timezone Offset From UTC of its object; where that states none it has none, and is what the object's
    clock showed (such clocks are compared as if they were UTC). A header without any date does not count; without any
    date at all it is 1900-01-01.
    """
    dates = [date for header in headers if (date := _date(header)) is not None]
    return max(dates, key=lambda date: date if date.tzinfo else date.replace(tzinfo=UTC), default=_NO_DATE)


def _read(path: Path, *, stop_before_pixels: bool = False) -> Dataset | None:
    try:
        with warnings.catch_warnings():
            # pydicom's warnings quote values, which may be a patient's.
            warnings.simplefilter("ignore")
            with _Measured(FileIO(path)) as file:
                return pydicom.dcmread(file, stop_before_pixels=stop_before_pixels)
    except (*DAMAGE, InvalidDicomError, zlib.error):
        # What pydicom raises for a truncated or damaged file is not one family.
        return None
    except OSError as error:
        # Also pydicom's word for a sequence that ends too early; the disk's own errors have a number.
        if error.errno is not None:
            raise
        return None


def _section(path: Path, study_instance_uid: str) -> Dataset | None:
    """Return the header of a section of ours; None where the file is another object of ours, or gone."""
    header = _read(path, stop_before_pixels=True)
    if header is None or text(header, "StudyInstanceUID") != study_instance_uid:
        return None
    return header if _is_ours(header) and "Rows" in header and frame_of_reference(header) else None


def _is_one(uid: str) -> bool:
    return bool(uid.strip()) and "\\" not in uid


def _made_of_other_studies(headers: Sequence[Dataset]) -> list[Dataset]:
    """Return what we made of other studies of the patient whose one study the rest is; [] where that is not so."""
    rest = [header for header in headers if not _is_ours(header)]
    studies = {text(header, "StudyInstanceUID") for header in rest}
    others = [header for header in headers if _is_ours(header) and text(header, "StudyInstanceUID") not in studies]
    stated = {identity_of(header) for header in rest} if others else set()
    same = (any(is_same_patient(identity_of(other), one) for one in stated) for other in others)
    return others if len(studies) == 1 and all(same) else []


def _is_ours(header: Dataset) -> bool:
    return is_own(text(header, "Manufacturer"), text(header, "ManufacturerModelName"))


def _one_study(headers: Iterable[Dataset], unreadable: Sequence[Path]) -> str:
    studies = sorted({text(header, "StudyInstanceUID") for header in headers})
    if len(studies) == 1:
        return studies[0]
    if studies:
        raise NotOneStudy(f"expected the files of one study, found {len(studies)}: {', '.join(studies)}")
    named = f": {unreadable[0].name} is not one" if unreadable else ""
    raise NotOneStudy(f"expected DICOM files, found none{named}")


def _date(header: Dataset) -> datetime | None:
    for date, time in _DATES:
        clock = text(header, time).strip().split(".")[0].ljust(6, "0")
        try:
            moment = datetime.strptime(text(header, date).strip() + clock[:6], "%Y%m%d%H%M%S")  # noqa: DTZ007 - below
        except ValueError:  # absent, or not as PS3.5 6.2 wants it
            continue
        return moment.replace(tzinfo=offset(header))
    return None

"""The last step of every object: UIDs from what it says. The same bytes have the same UID, any others another one.

An archive keeps the first object of a UID and silently drops a second one, so a UID must not name two contents. No list
of what an object depends on is complete; its own bytes are.
"""

import hashlib
from typing import Final

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID

from sr_templates import uids
from sr_templates.objects import ObjectKind

#: Stands for both UIDs of an object until it is sealed, where a constructor asks for them.
UNSEALED: Final = "2.25.0"
#: What the objects of a series share: General Series, General Equipment and Frame of Reference (PS3.3 C.7.3.1, C.7.5.1,
#: C.7.4.1).
_SHARED: Final = (
    "Modality",
    "SeriesNumber",
    "SeriesDescription",
    "BodyPartExamined",
    "PatientPosition",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "InstitutionName",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
)


def seal(made: Dataset, kind: ObjectKind, *, uid_root: str) -> Dataset:
    """Return `made`, finished but for its Series and SOP Instance UID, with both; nothing may change it afterwards.

    The series follows from the study and from what its objects share, the instance from all its other bytes.
    """
    study, shared = str(made.StudyInstanceUID), {keyword: str(made.get(keyword, "")) for keyword in _SHARED}
    made.SeriesInstanceUID = uids.series_uid(uid_root, study_instance_uid=study, kind=kind, shared=shared)
    made.SOPInstanceUID = UNSEALED
    made.SOPInstanceUID = uids.derived_uid(uid_root, kind, hashlib.sha256(_written(made)).hexdigest())
    made.file_meta.MediaStorageSOPInstanceUID = UID(made.SOPInstanceUID)
    return made


def _written(made: Dataset) -> bytes:
    """Return the elements as they stand in the file (Explicit VR Little Endian), without preamble and file meta."""
    with DicomBytesIO() as file:
        file.is_little_endian, file.is_implicit_VR = True, False
        write_dataset(file, made)
        return file.getvalue()

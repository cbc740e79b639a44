"""The last step of every object: UIDs from what it says. The same bytes have the same UID, any others another one.

An archive keeps the first object of a UID and silently drops a second one, so a UID must not name two contents. No list
of what an object depends on is complete; its own bytes are.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from sr_templates import uids

#: Stands for the SOP Instance UID of an object until it is sealed.
_UNSEALED: Final = "2.25.0"
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


def seal(made: Dataset, kind: str, *, uid_root: str) -> Dataset:
    """Return `made`, finished but for its Series and SOP Instance UID, with both; nothing may change it afterwards.

    The series follows from the study and from what its objects share, the instance from all its other bytes.
    """
    study, shared = str(made.StudyInstanceUID), {keyword: str(made.get(keyword, "")) for keyword in _SHARED}
    made.SeriesInstanceUID = uids.series_uid(uid_root, study_instance_uid=study, kind=kind, shared=shared)
    made.SOPInstanceUID = _UNSEALED
    made.SOPInstanceUID = uids.derived_uid(uid_root, kind, digest(made))
    made.file_meta.MediaStorageSOPInstanceUID = UID(made.SOPInstanceUID)
    return made


def digest(made: Dataset) -> str:
    """Return the SHA-256 of all elements as they will stand in the file: tag, VR, value; no preamble, no file meta.

    It takes half of the time that writing them takes. Values are written out by `repr`, which escapes what could be
    taken for the end of one.
    """
    found = hashlib.sha256()
    for part in _parts(made):
        found.update(part)
    return found.hexdigest()


def _parts(item: Dataset) -> Iterator[bytes]:
    for stored in item.elements():
        # What was copied without being read is read now, so that it does not count whether somebody has.
        element = item[stored.tag] if stored.is_raw else stored
        yield b"%08x%s" % (element.tag, str(element.VR).encode())
        value: Any = element.value
        if element.VR == "SQ":
            for below in value:
                yield b"("
                yield from _parts(below)
            yield b")"
        elif isinstance(value, bytes):
            yield b"%d:" % len(value)
            yield value
        elif element.VR == "FL" and value is not None:
            # What single precision does not hold is not in the file.
            yield np.asarray(value, dtype="<f4").tobytes()
        else:
            yield repr(value).encode()
        yield b"\n"

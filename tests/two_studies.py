"""Studies of one patient at different dates: a sagittal slice each, and landmarks for it, in closed form."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydicom.dataset import Dataset
from report_samples import STUDY, ct_slice

EARLIER: Final = f"{STUDY}.7"
Heights = Mapping[str, tuple[float, float, float]]
#: T12 to L2, 40 mm apart: anterior, middle, posterior height, mm.
SOUND: Final[Heights] = {"T12": (24.0, 23.5, 25.0), "L1": (25.0, 24.5, 26.0), "L2": (26.0, 25.5, 27.0)}
#: L1 has lost 6 mm in front.
LOWER: Final[Heights] = {**SOUND, "L1": (19.0, 24.5, 26.0)}


def slice_of(uid: str, date: str, **changes: Any) -> Dataset:
    """Return the sagittal slice of a study of the one patient."""
    image = ct_slice(1)
    image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = uid, f"{uid}.2", f"{uid}.2.1"
    image.FrameOfReferenceUID, image.StudyDate, image.PatientPosition = f"{uid}.9", date, "HFS"
    image.SliceThickness, image.PhotometricInterpretation = 3.0, "MONOCHROME2"
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    return image


def document(uid: str, heights: Heights, **changes: Any) -> bytes:
    """Return landmarks of vertebrae 34 mm deep, on the slice of a study."""
    vertebrae = []
    for place, (level, own) in enumerate(heights.items()):
        points = {}
        for letter, y, height in zip("AMP", (-17.0, 0.0, 17.0), own, strict=True):
            for end, side in (("S", 1), ("I", -1)):
                points[f"{letter}{end}"] = [3.0, y, 40.0 - 40.0 * place + side * height / 2]
        vertebrae.append({"level": level, "points": points})
    landmarks = {
        "schema": "spondyl.landmarks/1",
        "study_instance_uid": uid,
        "sop_instance_uid": f"{uid}.2.1",
        "space": "patient",
        "source": "manual",
        "vertebrae": vertebrae,
    }
    return json.dumps({**landmarks, **changes}).encode()

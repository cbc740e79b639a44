"""A test report: a study of a patient that never was goes the whole way to one destination, and nowhere else.

The image is made here, its points are handed in, and from then on it is a study like any other: settled, measured,
looked at by the gate, delivered, proven. What the PACS gets says "SPONDYL TEST" as patient and as series.
"""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from service.landmarks import supply
from service.ledger import StudyRow
from service.operations import Actor
from service.rules import TESTS as SOURCE
from service.spool import study_key
from service.wiring import Node

#: What stands in the PACS, as patient and as series.
MARK: Final = "SPONDYL TEST"
_PATIENT_NAME, _PATIENT_ID = "SPONDYL^TEST", "SPONDYL-TEST"
_ROWS, _COLUMNS = 256, 200
#: Bodies 34 mm deep, 40 mm apart: level, then anterior, middle, posterior height, mm. All but L1 are even.
_VERTEBRAE: Final = (("T12", 24.0, 24.0, 24.0), ("L1", 20.0, 23.0, 25.0), ("L2", 26.0, 26.0, 26.0))
_DEPTH_MM, _APART_MM = 34.0, 40.0
#: Preamble, prefix and the group length element, in bytes (PS3.10 7.1).
_BEFORE_META: Final = 144


def begin(node: Node, destination: str, *, by: Actor) -> StudyRow:
    """Send a test report on its way to a destination; return its study, which tells what becomes of it.

    Raises Misconfigured where no destination has this name, OutOfSpace, Unavailable.
    """
    to = node.settings.destination(destination)
    uid = f"2.25.{uuid.uuid4().int}"
    image, key = _image(uid, datetime.fromtimestamp(node.clock(), UTC)), study_key(uid)
    header, data = _file_of(image)
    node.spool.store(study_instance_uid=uid, sop_instance_uid=image.SOPInstanceUID, header=header, data=data)
    # Held until its points are there: settled without them it would end as not analysable.
    arrive = partial(node.ledger.arrivals.note, key=key, study_instance_uid=uid, source=f"{SOURCE}{to.name}")
    arrive(now=node.clock(), held_until=node.clock() + node.settings.study.max_wait_s)
    supply(node, key, _landmarks(uid), check=_no_check)
    node.ledger.admin.settle_now(key, now=node.clock(), actor=by.name)
    node.ledger.audit.note(actor=by.name, address=by.address, what="test_report", detail=to.name, now=node.clock())
    return node.ledger.admin.study(key).study


def node_for(node: Node, source: str) -> Node:
    """Return the node as a study of this source sees it: one of a test has one destination, and its report alone.

    Raises Misconfigured where that destination was removed.
    """
    if not source.startswith(SOURCE):
        return node
    to = node.settings.destination(source.removeprefix(SOURCE)).model_copy(update={"send": ("sr",)})
    report = node.settings.report.model_copy(update={"sr_series_description": MARK})
    return replace(node, settings=node.settings.model_copy(update={"destinations": (to,), "report": report}))


def _no_check(document: bytes, **_: object) -> None:
    """Take the points as they are: they are our own, and the worker reads them as strictly as any."""


def _image(uid: str, now: datetime) -> Dataset:
    """Return one sagittal CT slice of nothing: columns go posterior, rows inferior, 1 mm apart."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, f"{uid}.2.1"
    made.StudyInstanceUID, made.SeriesInstanceUID, made.FrameOfReferenceUID = uid, f"{uid}.2", f"{uid}.9"
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = _PATIENT_NAME, _PATIENT_ID, "", ""
    made.StudyDate, made.StudyTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    made.StudyID, made.AccessionNumber, made.ReferringPhysicianName = "TEST", "", ""
    made.StudyDescription = made.SeriesDescription = MARK
    made.Modality, made.Manufacturer, made.ImageType = "CT", MARK, ["DERIVED", "SECONDARY", "AXIAL"]
    made.SeriesNumber, made.InstanceNumber, made.PatientPosition = 1, 1, "HFS"
    made.Rows, made.Columns, made.PixelSpacing, made.SliceThickness = _ROWS, _COLUMNS, [1.0, 1.0], 3.0
    made.ImageOrientationPatient = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]
    made.ImagePositionPatient = [0.0, -_COLUMNS / 2, _ROWS / 2]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    made.RescaleIntercept, made.RescaleSlope = 0, 1
    made.PixelData = bytes(2 * _ROWS * _COLUMNS)
    return made


def _landmarks(uid: str) -> bytes:
    """Return the points, schema `spondyl.landmarks/1`."""
    vertebrae = []
    for place, (level, *heights) in enumerate(_VERTEBRAE):
        points = {}
        for letter, y, height in zip("AMP", (-_DEPTH_MM / 2, 0.0, _DEPTH_MM / 2), heights, strict=True):
            middle = _APART_MM * (1 - place)
            points[f"{letter}S"], points[f"{letter}I"] = [0.0, y, middle + height / 2], [0.0, y, middle - height / 2]
        vertebrae.append({"level": level, "points": points})
    document: dict[str, object] = {"schema": "spondyl.landmarks/1", "study_instance_uid": uid}
    document |= {
        "sop_instance_uid": f"{uid}.2.1",
        "space": "patient",
        "source": "manual",
        "observer": MARK,
        "vertebrae": vertebrae,
    }
    return json.dumps(document).encode()


def _file_of(image: Dataset) -> tuple[bytes, bytes]:
    """Return an image as header (preamble and File Meta Information) and data, as the listener keeps it."""
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    dcmwrite(out, image, enforce_file_format=True)
    whole = out.getvalue()
    # The value of the group length element counts what follows it.
    split = _BEFORE_META + int.from_bytes(whole[_BEFORE_META - 4 : _BEFORE_META], "little")
    return whole[:split], whole[split:]

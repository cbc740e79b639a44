"""Studies that lie in a spool, and landmarks documents for them, as files of the real forms."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from report_samples import STUDY, ct_slice, patient_points

from service.spool import Spool, study_key

KEY: Final = study_key(STUDY)
#: The slice that the sample documents name.
IMAGE: Final = f"{STUDY}.2.1"


def file_of(dataset: Dataset) -> bytes:
    """Return a data set as a DICOM file (PS3.10)."""
    out = BytesIO()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def write(folder: Path, *datasets: Dataset) -> list[Path]:
    """Write objects as files of their own."""
    folder.mkdir(exist_ok=True)
    for dataset in datasets:
        if not hasattr(dataset, "file_meta"):
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
    return sorted(folder.iterdir())


def store(spool: Spool, file: bytes) -> None:
    """Keep a file as the listener does: header and data set apart."""
    dataset = pydicom.dcmread(BytesIO(file), stop_before_pixels=True)
    # Preamble and prefix are 132 bytes, the group length element 12; its value counts what follows (PS3.10 7.1).
    split = 144 + dataset.file_meta.FileMetaInformationGroupLength
    spool.store(
        study_instance_uid=dataset.StudyInstanceUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        header=file[:split],
        data=file[split:],
    )


def store_slice(spool: Spool, number: int = 1, **changes: Any) -> None:
    """Keep one sagittal CT slice of the sample study."""
    dataset = ct_slice(number)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    store(spool, file_of(dataset))


def landmarks(**changes: Any) -> bytes:
    """Return a reviewed document: L1 with Ha = 24, Hm = 21, Hp = 25 mm on the slice IMAGE."""
    document = {
        "schema": "spondyl.landmarks/1",
        "study_instance_uid": STUDY,
        "sop_instance_uid": IMAGE,
        "space": "patient",
        "source": "reviewed",
        "observer": "Reader One",
        "vertebrae": [{"level": "L1", "points": patient_points(0.0)}],
    }
    return json.dumps({key: value for key, value in {**document, **changes}.items() if value != "absent"}).encode()

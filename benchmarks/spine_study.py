"""A study as a PACS sends it: axial CT of T1 to L5 with a Segmentation of its 17 vertebrae, made once, sent many times.

The same study under other UIDs and another Patient ID is another study: both are as long, so the bytes are exchanged.
"""

from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from label_map import AFFINE, GRID, SPACING_MM, SPINE, labels, segment
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

#: What the UIDs of the template begin with; another study has another number, of four digits as well.
_ROOT, _FIRST = "2.25.7701", 1000
#: Hounsfield units of what is no bone and of what is, and their noise.
_SOFT, _BONE, _NOISE = 45, 250, 12


def study_uid(number: int = 0) -> str:
    """Return the Study Instance UID of one of the studies."""
    return f"{_ROOT}.{_FIRST + number}.1"


def make_template(folder: Path, slices: int) -> list[Path]:
    """Write so many axial slices of 512 x 512 over 600 mm, and the masks (BINARY, uncompressed, a frame a mask)."""
    folder.mkdir(parents=True)
    places = np.minimum(np.round(np.linspace(0, GRID[0] - 1, slices)).astype(int), GRID[0] - 1)
    masks = labels()[places]
    rng = np.random.default_rng(0)
    noise = np.rint(rng.standard_normal(GRID[1:]) * _NOISE).astype(np.int16)
    headers = []
    for number in range(slices):
        image = _slice(number, GRID[0] * SPACING_MM[0] / slices)
        headers.append(Dataset(image))
        headers[-1].file_meta = image.file_meta
        pixels = np.where(masks[number] > 0, _BONE, _SOFT).astype(np.int16) + np.roll(noise, number * 7)
        image.add_new("PixelData", "OW", pixels.astype("<i2").tobytes())
        image.save_as(folder / f"ct{number:04}.dcm", enforce_file_format=True)
    _segmentation(headers, masks).save_as(folder / "seg.dcm")
    return sorted(folder.iterdir())


def make_another(template: Sequence[Path], folder: Path, number: int) -> list[Path]:
    """Write the same study of another patient."""
    folder.mkdir(parents=True)
    for path in template:
        content = path.read_bytes()
        for word in (f"{_ROOT}.%d.", "BENCH%d"):
            content = content.replace((word % _FIRST).encode(), (word % (_FIRST + number)).encode())
        (folder / path.name).write_bytes(content)
    return sorted(folder.iterdir())


def _uid(*what: object) -> str:
    return ".".join([f"{_ROOT}.{_FIRST}", *map(str, what)])


def _slice(place: int, thickness_mm: float) -> Dataset:
    """Return the header of one axial slice."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet, ds.ImageType = "ISO_IR 192", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, _uid(3, place + 1)
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study_uid(), _uid(2), _uid(4)
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20260105"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "101500"
    ds.AccessionNumber, ds.ReferringPhysicianName, ds.StudyID = "", "", "1"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Bench^Mark", f"BENCH{_FIRST}", "19600101", ""
    ds.Modality, ds.Manufacturer, ds.BodyPartExamined, ds.PatientPosition = "CT", "Phantom", "SPINE", "HFS"
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber, ds.PositionReferenceIndicator = 1, place + 1, 1, ""
    ds.Rows, ds.Columns, ds.PixelSpacing, ds.KVP = *GRID[1:], list(SPACING_MM[1:]), 120
    ds.SliceThickness = thickness_mm
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "HU"
    ds.ImagePositionPatient = [0.0, 0.0, float(round(AFFINE[2, 0] * place * thickness_mm / SPACING_MM[0], 6))]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    return ds


def _segmentation(images: list[Dataset], masks: npt.NDArray[np.uint8]) -> hd.seg.Segmentation:
    return hd.seg.Segmentation(
        source_images=images,
        pixel_array=masks,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment(number, level) for number, level in enumerate(SPINE, start=1)],
        series_instance_uid=_uid(5),
        series_number=2,
        sop_instance_uid=_uid(6),
        instance_number=1,
        manufacturer="Phantom",
        manufacturer_model_name="Analytic vertebrae",
        software_versions="1",
        device_serial_number="1",
    )

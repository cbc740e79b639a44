"""A phantom study as DICOM: sagittal CT images and a segmentation of the vertebrae, of a patient that never was."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pydicom.valuerep import DA, DT, TM
from scipy import ndimage

from sr_templates.levels import LEVELS
from workers.phantom.column import column
from workers.phantom.vertebra import Array, Vertebra
from workers.phantom.voxels import occupancy

#: Slices, rows, columns, and their distances in mm: sagittal images of a spine CT.
_GRID: Final = (60, 340, 180)
_SPACING_MM: Final = (2.0, 1.0, 1.0)
#: Room above and in front of the column, mm.
_ABOVE_MM, _BEFORE_MM = 42.0, 75.0
#: Hounsfield units.
_AIR, _FAT, _SOFT, _SPONGY, _CORTICAL = -1000.0, -100.0, 45.0, 130.0, 420.0
_NOISE_HU: Final = 12.0
_HALF_FULL: Final = 0.5
#: Where the back's skin lies behind the column, and how thick the fat below it is, mm.
_SKIN_MM, _FAT_MM = 85.0, 12.0
_DATE, _TIME = "20260105", "101500"
#: Without one, two phantoms with one Patient ID are not surely one patient.
_BIRTH_DATE: Final = "19600101"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:spondyl:phantom")


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Whom the study is made out to, and what its UIDs grow from: the same values give the same UIDs."""

    name: str
    identifier: str
    seed: int

    def uid(self, *what: object) -> str:
        """Return the UID of one thing of this study: UUID-derived, PS3.5 B.2."""
        words = "/".join(str(word) for word in (self.identifier, self.name, self.seed, *what))
        return f"2.25.{uuid.uuid5(_NAMESPACE, words).int}"


def make_study(out: Path, *, patient_name: str, patient_id: str, seed: int) -> None:
    """Write the study to `out`: CT/IM001.dcm ... and SEG/seg.dcm.

    The vertebrae are those of workers.phantom.column.column(), whose true points and heights are known. `seed` drives
    the noise and the UIDs; `patient_name` is family^given (PS3.5 6.2.1). Raises OSError where `out` cannot be written.
    """
    patient = Patient(name=patient_name, identifier=patient_id, seed=seed)
    vertebrae = column()
    affine = _affine(vertebrae)
    filled, labels = _filled(vertebrae, affine)
    pixels = _hounsfield(filled, np.random.default_rng(seed))
    images = [_image(patient, place, pixels[place], affine) for place in range(_GRID[0])]
    for folder in ("CT", "SEG"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, start=1):
        image.save_as(out / "CT" / f"IM{number:03}.dcm", enforce_file_format=True)
    _segmentation(patient, images, labels, vertebrae).save_as(out / "SEG" / "seg.dcm")


def _affine(vertebrae: tuple[Vertebra, ...]) -> Array:
    """Return the map from (slice, row, column) to LPS mm: slices towards the left, rows down, columns backwards."""
    top = float(np.ceil(vertebrae[0].centre[2] + _ABOVE_MM))
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([[_SPACING_MM[0], 0, 0], [0, 0, -_SPACING_MM[1]], [0, _SPACING_MM[2], 0]])
    affine[:3, 3] = (-(_GRID[0] - 1) * _SPACING_MM[0] / 2, -_BEFORE_MM, top)
    return affine


def _filled(vertebrae: tuple[Vertebra, ...], affine: Array) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Return how much of each voxel is bone, 0 to 1, and which vertebra, counted from 1, fills half of it or more."""
    filled, labels = np.zeros(_GRID, dtype=np.float32), np.zeros(_GRID, dtype=np.uint8)
    for number, vertebra in enumerate(vertebrae, start=1):
        part = occupancy(vertebra, affine, _GRID)
        labels[(part >= _HALF_FULL) & (part > filled)] = number
        filled = np.maximum(filled, part)
    return filled, labels


def _hounsfield(bone: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Return the CT numbers: spongy bone within a cortex, in soft tissue, with fat and air behind the back."""
    behind = np.arange(_GRID[2]) * _SPACING_MM[2] - _BEFORE_MM
    tissue = np.select([behind > _SKIN_MM, behind > _SKIN_MM - _FAT_MM], [_AIR, _FAT], _SOFT).astype(np.float32)
    smooth = ndimage.gaussian_filter(bone, 0.7)
    edge = 4 * smooth * (1 - smooth)
    hu = tissue + bone * (_SPONGY - tissue) + edge * bone * (_CORTICAL - _SPONGY)
    hu += rng.standard_normal(_GRID, dtype=np.float32) * _NOISE_HU
    return np.asarray(np.clip(np.rint(hu), -1024, 3071), dtype=np.int16)


def _image(patient: Patient, place: int, pixels: npt.NDArray[np.int16], affine: Array) -> Dataset:
    """Return one sagittal CT image (PS3.3 A.3)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = patient.uid("image", place)
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = _DATE
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = _TIME
    ds.AccessionNumber = ""
    ds.Modality, ds.BodyPartExamined = "CT", "SPINE"
    ds.Manufacturer = "Phantom"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "Phantom spine"
    ds.SeriesDescription = "Sagittal, computed"
    ds.PatientName, ds.PatientID = patient.name, patient.identifier
    ds.PatientBirthDate, ds.PatientSex = _BIRTH_DATE, ""
    ds.SliceThickness, ds.KVP = _SPACING_MM[0], None
    ds.PatientPosition = "HFS"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = patient.uid("study"), patient.uid("series", "CT")
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", 1, place + 1
    ds.AcquisitionNumber = None
    ds.ImagePositionPatient = [float(value) for value in affine[:3] @ (place, 0, 0, 1)]
    ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = patient.uid("frame of reference"), ""
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns, ds.PixelSpacing = *pixels.shape, list(_SPACING_MM[1:])
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.WindowCenter, ds.WindowWidth = 300, 1500
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "HU"
    ds.PixelData = pixels.astype("<i2").tobytes()
    return ds


def _segmentation(
    patient: Patient, images: list[Dataset], labels: npt.NDArray[np.uint8], vertebrae: tuple[Vertebra, ...]
) -> Segmentation:
    """Return the masks as Segmentation Storage, BINARY; a segment's type is the vertebra's code (CID 7603)."""
    seg = Segmentation(
        source_images=images,
        pixel_array=labels,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(n, vertebra.level) for n, vertebra in enumerate(vertebrae, start=1)],
        series_instance_uid=patient.uid("series", "SEG"),
        series_number=2,
        sop_instance_uid=patient.uid("segmentation"),
        instance_number=1,
        manufacturer="Phantom",
        manufacturer_model_name="Analytic vertebrae",
        software_versions="1",
        device_serial_number="1",
        content_description="Vertebrae of known dimensions",
    )
    seg.DimensionOrganizationSequence[0].DimensionOrganizationUID = patient.uid("dimensions")
    for item in seg.DimensionIndexSequence:
        item.DimensionOrganizationUID = patient.uid("dimensions")
    for item in seg.ContributingEquipmentSequence:
        item.ContributionDateTime = DT(_DATE + _TIME)
    seg.ContentDate = seg.SeriesDate = seg.InstanceCreationDate = DA(_DATE)
    seg.ContentTime = seg.SeriesTime = seg.InstanceCreationTime = TM(_TIME)
    return seg


def _segment(number: int, level: str) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=f"vertebrae_{level}",
        segmented_property_category=codes.cid7150.AnatomicalStructure,
        segmented_property_type=Code(str(LEVELS[level].vertebra), "SCT", f"{level} vertebra"),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name="Analytic vertebrae", family=codes.DCM.ArtificialIntelligence, version="1"
        ),
    )

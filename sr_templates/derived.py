"""A flat sagittal section computed from slices, as a CT or MR image that a report can refer to in columns and rows.

A single-frame CT or MR Image, since every viewer places these in the patient. A secondary capture has no plane that
viewers honour, and the enhanced classes are not taken by all PACS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage

from sr_templates import codes, headers
from sr_templates.context import ReportContext
from sr_templates.envelope import LEGIBLE, Derivation, add_derivation, envelope
from sr_templates.findings import StudyFindings
from sr_templates.objects import ObjectKind
from sr_templates.seal import seal
from sr_templates.shown import BONE_WINDOW_HU
from sr_templates.slices import Array, frame_of_reference, slices_of

_Stored = npt.NDArray[np.int16] | npt.NDArray[np.uint16]
#: Thickness of the section, mm: its pixels are means over it, and points within it lie in the image. Sagittal MR of the
#: spine is commonly that thick, so a point is no farther from its image than on an acquired one.
SLAB_MM: Final = 4.0
#: What CT has outside its slices, Hounsfield units: below air, said as Pixel Padding Value.
_PADDING_HU: Final = -2000
#: Largest value of an MR section, whose units are its own.
_MR_TOP: Final = 4095
#: What an MR image must say of its sequence (PS3.3 C.8.3.1), taken over; the first two are type 1.
_MR_NEEDED: Final = {"ScanningSequence": "RM", "SequenceVariant": "NONE"}
_MR_EMPTY: Final = ("ScanOptions", "MRAcquisitionType", "RepetitionTime", "EchoTime", "EchoTrainLength")


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """A flat section: values (rows, columns), NaN outside the slices, and where it lies.

    `axes`: (2, 3) unit vectors along which columns and rows increase; `origin`: centre of the first pixel; LPS mm.
    """

    values: npt.NDArray[np.float32]
    axes: Array
    origin: Array
    pixel_mm: float
    #: What it was not computed from though it should have been, as a clause; "" where it lacks nothing.
    lacking: str = ""


def build_sagittal(
    section: Section, findings: StudyFindings, context: ReportContext, *, sources: Sequence[Dataset], number: int = 1
) -> Dataset:
    """Return a section of CT or MR slices as an image; `sources` are the headers of the slices that went into it.

    Raises ValueError where the sources are neither CT nor MR, or the evidence is missing or of another study.
    """
    modality = headers.text(sources[0], "Modality").strip() if sources else ""
    if modality not in {"CT", "MR"}:
        raise ValueError(f"expected slices of CT or MR, found {modality or 'none'}")
    is_ct = modality == "CT"
    stored = _hounsfield(section.values) if is_ct else _scaled(section.values)
    made = envelope(
        ObjectKind.SAGITTAL,
        CTImageStorage if is_ct else MRImageStorage,
        findings,
        context,
        number=number,
    )
    made.Modality = modality
    made.PatientPosition = headers.fitting(sources[0], "PatientPosition")
    _add_plane(made, section, sources[0])
    add_derivation(made, _derivation(section, sources))
    if is_ct:
        _add_ct(made, stored)
    else:
        _add_mr(made, stored, sources[0])
    return seal(made, ObjectKind.SAGITTAL, uid_root=context.uid_root)


def _derivation(section: Section, sources: Sequence[Dataset]) -> Derivation:
    lacking = f"; {section.lacking}" if section.lacking else ""
    normal = np.cross(*section.axes)
    planes = [plane for source in sources for plane in slices_of(source)]
    return Derivation(
        description=f"Flat sagittal section through measured points, mean over {SLAB_MM:g} mm{lacking}; "
        "unverified, for review",
        sources=tuple(sources),
        code=codes.MULTIPLANAR,
        is_steep=bool(planes) and max(abs(float(plane.normal @ normal)) for plane in planes) <= LEGIBLE,
    )


def _place(section: Section) -> tuple[list[str], list[str]]:
    """Return Image Orientation and Image Position (Patient) as they are written."""
    return [_decimal(value) for value in section.axes.ravel()], [_decimal(value) for value in section.origin]


def _hounsfield(values: npt.NDArray[np.float32]) -> _Stored:
    filled = np.rint(np.nan_to_num(values, nan=_PADDING_HU))
    return filled.clip(_PADDING_HU, np.iinfo(np.int16).max).astype("<i2")


def _scaled(values: npt.NDArray[np.float32]) -> _Stored:
    """Return values from 0 to 4095 over the range that they have; 0 outside the slices."""
    seen = values[np.isfinite(values)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    share = (np.nan_to_num(values, nan=low) - low) / (high - low if high > low else 1.0)
    return np.asarray(np.rint(share * _MR_TOP), dtype="<u2")


def _add_plane(made: Dataset, section: Section, source: Dataset) -> None:
    """Add Frame of Reference and Image Plane (PS3.3 C.7.4.1, C.7.6.2)."""
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = frame_of_reference(source), ""
    made.PixelSpacing = [_decimal(section.pixel_mm)] * 2
    made.ImageOrientationPatient, made.ImagePositionPatient = _place(section)
    made.SliceThickness = SLAB_MM
    made.AcquisitionNumber = None


def _add_ct(made: Dataset, stored: _Stored) -> None:
    """Add CT Image (PS3.3 C.8.2.1): Hounsfield units."""
    made.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    made.KVP = None
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = 0, 1, "HU"
    made.WindowCenter, made.WindowWidth = BONE_WINDOW_HU
    _add_pixels(made, stored, bits=16, is_signed=True)
    made.PixelPaddingValue = _PADDING_HU


def _add_mr(made: Dataset, stored: _Stored, source: Dataset) -> None:
    """Add MR Image (PS3.3 C.8.3.1), in units of its own."""
    made.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    for keyword, unknown in _MR_NEEDED.items():
        setattr(made, keyword, headers.fitting(source, keyword) or unknown)
    for keyword in _MR_EMPTY:
        setattr(made, keyword, headers.fitting(source, keyword))
    if "IR" in headers.text(source, "ScanningSequence").split("\\"):
        # Type 2C, of inversion recovery only.
        made.InversionTime = headers.fitting(source, "InversionTime")
    made.WindowCenter, made.WindowWidth = (_MR_TOP + 1) / 2, _MR_TOP + 1
    _add_pixels(made, stored, bits=12, is_signed=False)


def _add_pixels(made: Dataset, stored: _Stored, *, bits: int, is_signed: bool) -> None:
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = stored.shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, bits, bits - 1, int(is_signed)
    made.PixelData = stored.tobytes()
    made["PixelData"].VR = "OW"


def _decimal(value: float) -> str:
    """Return a number as a Decimal String (PS3.5 6.2): 16 characters at most, a hundred-thousandth of a millimetre."""
    return f"{value:.8f}"[:16]

"""The slices of an image: where each lies in the patient, and how far apart its pixels are."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from sr_templates import headers

Array = npt.NDArray[np.float64]
#: How far a direction cosine's length or right angle may be off by rounding.
_ROUNDING: Final = 0.02
#: Functional groups that state geometry (PS3.3 C.7.6.16.2, C.8.19.6.4).
_GEOMETRY: Final = (
    "PixelMeasuresSequence",
    "PlaneOrientationSequence",
    "PlanePositionSequence",
    "FramePixelDataPropertiesSequence",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """One plane of an image, or of one frame of a multi-frame image (PS3.3 C.7.6.2.1.1, C.7.6.16)."""

    image: Dataset
    #: (3, 3) unit vectors, LPS: along which columns increase, along which rows increase, and the normal.
    axes: Array
    #: (3,) centre of the first pixel, LPS mm.
    origin: Array
    #: Distance between columns and between rows, mm; None where it is not stated.
    pixel_mm: tuple[float, float] | None
    #: Slice Thickness, mm; None where it is not stated.
    thickness_mm: float | None
    #: Number of the frame, from 1; 1 also where the image has one only.
    frame: int = 1

    @property
    def normal(self) -> Array:
        """Unit vector at right angles to the plane, LPS."""
        normal: Array = self.axes[2]
        return normal


def slices_of(image: Dataset) -> list[Slice]:
    """Return every plane of `image` that states where it lies; [] for a localizer, which only shows the way."""
    if is_localizer(image):
        return []
    found = (_slice(image, frame) for frame in range(1, _frames(image) + 1))
    return [one for one in found if one is not None]


def slice_of(image: Dataset, frame: int) -> Slice | None:
    """Return the plane of one frame, counted from 1; None where there is no such frame, or it does not say where."""
    return _slice(image, frame) if 1 <= frame <= _frames(image) and not is_localizer(image) else None


def is_localizer(image: Dataset) -> bool:
    """Whether an image only shows the way: Image Type, value 3 (PS3.3 C.8.2.1.1.1, C.8.3.1.1.1)."""
    return "LOCALIZER" in headers.text(image, "ImageType").upper().split("\\")


def frame_of_reference(source: Dataset) -> str:
    """Return the Frame of Reference UID of an object, "" where it states none, or several."""
    uid = headers.text(source, "FrameOfReferenceUID").strip()
    return "" if "\\" in uid else uid


def geometry(image: Dataset, frame: int) -> list[Dataset]:
    """Return what states the geometry of a frame, counted from 1: its own functional groups, the shared, the image.

    PS3.3 C.7.6.16 has it in functional groups only; what an older header left at the top of an image is stale.
    """
    per_frame = headers.items(image, "PerFrameFunctionalGroupsSequence")[frame - 1 : frame]
    groups = [
        item
        for group in (*per_frame, *headers.items(image, "SharedFunctionalGroupsSequence"))
        for keyword in _GEOMETRY
        for item in headers.items(group, keyword)
    ]
    return [*groups, image]


def cosines(parts: Sequence[Dataset]) -> list[float]:
    """Return the first Image Orientation (Patient) of `parts` that is one, as two LPS unit vectors; else []."""
    found = (headers.numbers(part, "ImageOrientationPatient") for part in parts)
    six = next((six for six in found if _are_directions(six)), [])
    return [value / hypot(*vector) for vector in (six[:3], six[3:]) for value in vector]


def _frames(image: Dataset) -> int:
    return max(1, len(headers.items(image, "PerFrameFunctionalGroupsSequence")))


def _slice(image: Dataset, frame: int) -> Slice | None:
    parts = geometry(image, frame)
    six, origin = cosines(parts), _numbers(parts, "ImagePositionPatient", 3)
    if not six or not origin:
        return None
    row, column = np.array(six[:3]), np.array(six[3:])
    normal = np.cross(row, column)
    spacing = _numbers(parts, "PixelSpacing", 2)
    return Slice(
        image=image,
        axes=np.stack([row, column, normal / np.linalg.norm(normal)]),
        origin=np.array(origin),
        pixel_mm=(spacing[1], spacing[0]) if spacing and min(spacing) > 0 else None,
        thickness_mm=next(iter(_numbers(parts, "SliceThickness", 1)), None),
        frame=frame,
    )


def _are_directions(six: Sequence[float]) -> bool:
    """Whether these are two unit vectors at right angles to each other, give or take a writer's rounding."""
    if len(six) != 6:  # noqa: PLR2004 - two LPS vectors
        return False
    lengths = hypot(*six[:3]), hypot(*six[3:])
    askew = sum(a * b for a, b in zip(six[:3], six[3:], strict=True))
    return all(abs(length - 1) < _ROUNDING for length in lengths) and abs(askew) < _ROUNDING


def _numbers(parts: list[Dataset], keyword: str, count: int) -> list[float]:
    """Return the first value of an attribute that has so many numbers; [] where none has."""
    found = (headers.numbers(part, keyword) for part in parts)
    return next((numbers for numbers in found if len(numbers) == count), [])

"""The slices of an image: where each lies in the patient, and how far apart its pixels are."""

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from sr_templates import headers
from workers.landmarks.image_plane import cosines, geometry, is_localizer
from workers.landmarks.volumes import Array


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

    @property
    def normal(self) -> Array:
        """Unit vector at right angles to the plane, LPS."""
        normal: Array = self.axes[2]
        return normal


def slices_of(image: Dataset) -> list[Slice]:
    """Return every plane of `image` that states where it lies; [] for a localizer, which only shows the way."""
    if is_localizer(image):
        return []
    frames = max(1, len(headers.items(image, "PerFrameFunctionalGroupsSequence")))
    found = (_slice(image, geometry(image, frame)) for frame in range(1, frames + 1))
    return [one for one in found if one is not None]


def frame_of_reference(source: Dataset) -> str:
    """Return the Frame of Reference UID of an object, "" where it states none, or several."""
    uid = headers.text(source, "FrameOfReferenceUID").strip()
    return "" if "\\" in uid else uid


def _slice(image: Dataset, parts: list[Dataset]) -> Slice | None:
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
    )


def _numbers(parts: list[Dataset], keyword: str, count: int) -> list[float]:
    """Return the first value of an attribute that has so many numbers; [] where none has."""
    found = (headers.numbers(part, keyword) for part in parts)
    return next((numbers for numbers in found if len(numbers) == count), [])

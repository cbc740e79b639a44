"""RT Structure Sets for tests: regions drawn round the pixels of a mask, on planes of any direction."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.uid import CTImageStorage, RTStructureSetStorage

from workers.landmarks.volumes import Volume

Array = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.bool_]

FRAME = "2.25.900"
SERIES = "2.25.901"


def item(**attributes: object) -> Dataset:
    """Return an item of a sequence."""
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def outlines(pixels: Pixels) -> Iterator[Array]:
    """Yield the closed lines (n, 2), row and column, along the edges of the pixels; centres have whole numbers."""
    padded = np.pad(pixels, 1)
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, column in np.argwhere(padded).tolist():
        sides = (
            ((-1, 0), (0, 0), (0, 1)),
            ((0, 1), (0, 1), (1, 1)),
            ((1, 0), (1, 1), (1, 0)),
            ((0, -1), (1, 0), (0, 0)),
        )
        for (down, right), start, end in sides:
            if not padded[row + down, column + right]:
                following.setdefault((row + start[0], column + start[1]), []).append((row + end[0], column + end[1]))
    while following:
        first = next(iter(following))
        corner, line = first, [first]
        while (corner := _pop(following, corner)) != first:
            line.append(corner)
        yield np.array(line, dtype=float) - 1.5


def _pop(following: dict[tuple[int, int], list[tuple[int, int]]], corner: tuple[int, int]) -> tuple[int, int]:
    ends = following[corner]
    end = ends.pop()
    if not ends:
        del following[corner]
    return end


def contours(volume: Volume, planes: Sequence[int] | None = None) -> list[Array]:
    """Return the closed lines (n, 3), LPS mm, round the mask in each plane, or in some of them."""
    lines = [
        (float(plane), line)
        for plane in (range(volume.mask.shape[0]) if planes is None else planes)
        for line in outlines(volume.mask[plane])
    ]
    return [volume.to_patient(np.column_stack([np.full(len(line), plane), line])) for plane, line in lines]


def region(number: int, name: str, lines: Sequence[Array], *, kind: str = "CLOSED_PLANAR") -> tuple[Dataset, Dataset]:
    """Return the items of the Structure Set ROI Sequence and of the ROI Contour Sequence."""
    drawn = [
        item(
            ContourGeometricType=kind,
            NumberOfContourPoints=len(line),
            ContourData=[f"{value:.3f}" for value in line.ravel()],
        )
        for line in lines
    ]
    roi = item(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=FRAME)
    return roi, item(ReferencedROINumber=number, ContourSequence=drawn)


def structure_set(regions: Mapping[str, Sequence[Array]], *, kind: str = "CLOSED_PLANAR") -> Dataset:
    """Return a structure set of regions by name, each a list of closed lines."""
    parts = [region(number, name, lines, kind=kind) for number, (name, lines) in enumerate(regions.items(), start=1)]
    return item(
        SOPClassUID=RTStructureSetStorage,
        SOPInstanceUID="2.25.902",
        StudyInstanceUID="2.25.903",
        SeriesInstanceUID="2.25.904",
        StructureSetROISequence=[roi for roi, _ in parts],
        ROIContourSequence=[drawn for _, drawn in parts],
        RTROIObservationsSequence=[],
    )


def images(affine: Array, shape: tuple[int, int, int]) -> list[Dataset]:
    """Return the headers of the images of a volume: `affine` maps (slice, row, column) to LPS mm."""
    row_mm, column_mm = np.linalg.norm(affine[:3, 1]), np.linalg.norm(affine[:3, 2])
    orientation = [*(affine[:3, 2] / column_mm), *(affine[:3, 1] / row_mm)]
    return [
        item(
            SOPClassUID=CTImageStorage,
            SOPInstanceUID=f"2.25.1000.{place}",
            SeriesInstanceUID=SERIES,
            FrameOfReferenceUID=FRAME,
            ImagePositionPatient=[float(value) for value in affine[:3] @ (place, 0, 0, 1)],
            ImageOrientationPatient=[float(value) for value in orientation],
            PixelSpacing=[float(row_mm), float(column_mm)],
            Rows=shape[1],
            Columns=shape[2],
        )
        for place in range(shape[0])
    ]

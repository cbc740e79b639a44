"""Studies with pixels whose values are known in closed form, as the pictures' tests need them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from report_samples import STARTED, ct_slice, dx_lateral, findings

from sr_templates.context import ReportContext
from sr_templates.findings import Landmarks, Point, Space, StudyFindings
from workers.inputs import Inputs, read_inputs

Array = npt.NDArray[np.float64]


def ramp(points: Array) -> Array:
    """Return the value of (..., 3) points, LPS mm: trilinear sampling gives it back exactly."""
    return 3.0 * points[..., 0] + 2.0 * points[..., 1] - points[..., 2]


def with_pixels(image: Dataset, values: npt.NDArray[np.generic], **changes: Any) -> Dataset:
    """Return an image with these stored values, (rows, columns), 16 bits, ready to be written."""
    image.Rows, image.Columns = values.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    is_signed = bool(values.min() < 0)
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, int(is_signed)
    image.PixelData = values.astype("<i2" if is_signed else "<u2").tobytes()
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return image


def ct(number: int, value: Callable[[Array], Array] = ramp, *, x_mm: float | None = None, **changes: Any) -> Dataset:
    """Return a sagittal CT slice, 3 mm thick, at x = 3 `number` mm or elsewhere; pixels are `value` of their places."""
    image = ct_slice(number)
    x = 3.0 * number if x_mm is None else x_mm
    image.ImagePositionPatient = [x, -100.0, 128.0]
    rows, columns = np.mgrid[0 : int(image.Rows), 0 : int(image.Columns)]
    places = np.stack([np.full(rows.shape, x), columns - 100.0, 128.0 - rows], axis=-1)
    return with_pixels(image, np.rint(value(places)), SliceThickness=3.0, **changes)


def film(**changes: Any) -> Dataset:
    """Return a radiograph of 1100 rows and 1000 columns that brightens from left to right: the value is the column."""
    image = dx_lateral()
    values = np.tile(np.arange(1000), (1100, 1))
    return with_pixels(image, values, WindowCenter=500.0, WindowWidth=1000.0, BurnedInAnnotation="NO", **changes)


def written(folder: Path, *images: Dataset) -> Inputs:
    """Write images as files and read them as a study."""
    folder.mkdir(exist_ok=True)
    for image in images:
        image.save_as(folder / f"{image.SOPInstanceUID}.dcm", enforce_file_format=True)
    return read_inputs(sorted(folder.iterdir()))


def context_of(inputs: Inputs, **changes: Any) -> ReportContext:
    """Return the context of a study all of whose objects are images."""
    return ReportContext(images=inputs.headers, started_at=STARTED, **changes)


def moved(found: StudyFindings, move: Callable[[str, Mapping[str, Point]], Mapping[str, Point]]) -> StudyFindings:
    """Return the findings with the points of each measured vertebra elsewhere; their numbers stay."""
    vertebrae = []
    for one in found.vertebrae:
        measured = one.measured
        if measured is not None:
            landmarks = replace(measured.landmarks, points=move(one.level, measured.landmarks.points))
            measured = replace(measured, landmarks=landmarks)
        vertebrae.append(replace(one, measured=measured))
    return replace(found, vertebrae=tuple(vertebrae))


def only(found: StudyFindings, levels: Sequence[str]) -> StudyFindings:
    """Return the findings of these levels."""
    return replace(found, vertebrae=tuple(one for one in found.vertebrae if one.level in levels))


def on_film(**points: Mapping[str, Point]) -> StudyFindings:
    """Return findings of one radiograph: T12, and L1 below it, where the sample has them, or at these points."""
    found = only(findings("image"), ("T12", "L1"))
    return moved(found, points.get)


def turned(level: str, points: Mapping[str, Point]) -> Mapping[str, Point]:
    """Return the points of a vertebra of the sample turned about the column's axis, each level by 15 degrees more."""
    angle = np.radians(15.0 * (1 + ("T12", "L1", "L6").index(level)))
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return {name: tuple(float(value) for value in turn @ np.array(point)) for name, point in points.items()}


def landmarks(found: StudyFindings, level: str) -> Landmarks:
    """Return the points that a vertebra was measured at."""
    (measured,) = (one.measured for one in found.vertebrae if one.level == level)
    assert measured is not None
    assert measured.landmarks.space in Space
    return measured.landmarks

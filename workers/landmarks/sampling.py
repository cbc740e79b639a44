"""How finely the images that points lie on are sampled along the vertebral axis: docs/morphometry 3.4.

The spacing that counts is sqrt(sum((spacing_i S_i)^2)), S being the unit vector of the axis.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import hypot
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.findings import Landmarks, Space
from sr_templates.slices import Slice, slices_of
from workers.landmarks.points import ImagePlane, VertebraLandmarks
from workers.landmarks.volumes import Array, step_mm
from workers.morphometry.uncertainty import FULL_SAMPLING_MM

#: Cosine between the normals of slices of one stack, at least.
_PARALLEL: Final = 0.999


def sampled(vertebrae: Sequence[VertebraLandmarks], images: Sequence[Dataset]) -> list[VertebraLandmarks]:
    """Return the vertebrae with the sampling of the images they lie on, where it is known.

    `images` are those that patient points may lie on: of the same frame of reference.
    """
    if all(vertebra.axial_spacing_mm is not None for vertebra in vertebrae if vertebra.landmarks is not None):
        return list(vertebrae)
    slices = [one for image in images for one in slices_of(image)]
    return [
        vertebra
        if vertebra.landmarks is None or vertebra.axial_spacing_mm is not None
        else replace(vertebra, axial_spacing_mm=_spacing_mm(vertebra.landmarks, vertebra.plane, slices))
        for vertebra in vertebrae
    ]


def _spacing_mm(landmarks: Landmarks, plane: ImagePlane | None, slices: Sequence[Slice]) -> float | None:
    points = {name: np.array(point, dtype=np.float64) for name, point in landmarks.points.items()}
    axis = points["AS"] + points["PS"] - points["AI"] - points["PI"]
    if landmarks.space is Space.IMAGE:
        return _in_image(axis, plane)
    length = np.linalg.norm(axis)
    return _in_stack(np.stack(list(points.values())), axis / length, slices) if slices and length > 0 else None


def _in_image(axis: Array, plane: ImagePlane | None) -> float | None:
    """Return the spacing of the pixels of a section; that of a radiograph only where its pixels are coarse too."""
    if plane is None or plane.scale is None:
        return None
    pixel = np.array([plane.scale.column_mm, plane.scale.row_mm])
    length = hypot(*(axis * pixel))
    if length == 0:
        return None
    spacing = hypot(*(axis * pixel / length * pixel))
    return spacing if plane.is_section or spacing > FULL_SAMPLING_MM else None


def _in_stack(points: Array, axis: Array, slices: Sequence[Slice]) -> float | None:
    """Return the spacing of the stack that most of the points are nearest to; of two such, the coarser one's."""
    normals, origins = (np.array(parts) for parts in zip(*((one.normal, one.origin) for one in slices), strict=True))
    nearest = np.argmin(np.abs(points @ normals.T - np.sum(normals * origins, axis=1)), axis=1)
    stacks = [[other for other in slices if _same_stack(other, slices[number])] for number in np.unique(nearest)]
    shares = [sum(slices[number] in stack for number in nearest) for stack in stacks]
    found = [
        _stack_spacing_mm(stack, axis) for stack, share in zip(stacks, shares, strict=True) if share == max(shares)
    ]
    known = [spacing for spacing in found if spacing is not None]
    return max(known) if len(known) == len(found) else None


def _same_stack(one: Slice, other: Slice) -> bool:
    series = {headers.text(slice_.image, "SeriesInstanceUID") for slice_ in (one, other)}
    return len(series) == 1 and abs(float(one.normal @ other.normal)) > _PARALLEL


def _stack_spacing_mm(stack: Sequence[Slice], axis: Array) -> float | None:
    """Return the spacing along `axis`; a slice that stands alone is as thick as it says, if it says so."""
    first = stack[0]
    if first.pixel_mm is None:
        return None
    depths = np.sort(np.array([one.origin for one in stack]) @ first.normal)
    step = step_mm(depths) or first.thickness_mm or 0.0
    spacing = np.array([*first.pixel_mm, step])
    return float(np.linalg.norm(spacing * (first.axes @ axis)))

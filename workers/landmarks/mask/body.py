"""The vertebral body in the midsagittal plane, apart from the posterior elements; which side is anterior.

No erosion and no opening: they shrink the body by a millimetre a face (docs/morphometry 3.1).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from workers.landmarks.mask.field import Field
from workers.landmarks.mask.frame import Frame
from workers.landmarks.volumes import Array, Mask

#: Offsets of the parallel sagittal planes that are measured, mm.
OFFSETS_MM: Final = (-3.0, -1.5, 0.0, 1.5, 3.0)
#: Distance between samples in a plane, mm.
STEP_MM: Final = 0.5
#: How far from the centre the body may reach: left, posterior, superior, mm.
REACH_MM: Final = np.array([5.0, 36.0, 32.0])
#: How far the posterior elements are looked for, mm.
_FAR_MM: Final = 80.0
#: Area of bone behind the canal, summed over the planes, that shows where posterior is, mm2.
_LEAST_AREA_MM2: Final = 60.0
#: Reach to the one side minus reach to the other from which body and posterior elements are taken for joined, mm.
_JOINED_MM: Final = 15.0
#: Share of the depth, from either end, at which the width of the body is compared, and by how much it must differ.
_NEAR_END: Final = 0.15
_LEAST_LEAD: Final = 0.05
#: Distance between samples of an occupancy, mm, and the occupancy of an edge.
_COARSE_STEP_MM: Final = 1.0
_HALF_FULL: Final = 0.5
#: The body passes this near to the origin, which is the centre of the largest ball inside it, mm.
_NEAR_MM: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Section:
    """The body in one sagittal plane: signed distance, mm, over (superior, posterior) sample positions, mm.

    Everything but the body is negative.
    """

    across: Array
    up: Array
    values: Array


def section(field: Field, frame: Frame, offset_mm: float) -> Section | None:
    """Return the body in the plane `offset_mm` to the left of the midsagittal one; None where there is none."""
    across, up = _samples(REACH_MM[1], STEP_MM), _samples(REACH_MM[2], STEP_MM)
    values = _plane(field, frame, offset_mm, across, up)
    part = _part_at_origin(values > 0, across, up)
    return Section(across=across, up=up, values=np.where(part, values, -np.abs(values))) if part.any() else None


def posterior_sign(field: Field, frame: Frame) -> int:
    """Return +1 where the posterior elements lie on the frame's posterior side, -1 opposite, 0 where none is seen.

    `field` is an occupancy, 0 to 1. The canal parts them from the body; where they are joined, the body reaches much
    farther to one side of the largest ball than to the other.
    """
    across, up = _samples(_FAR_MM, _COARSE_STEP_MM), _samples(_FAR_MM / 2, _COARSE_STEP_MM)
    behind = reach = 0.0
    for offset in (OFFSETS_MM[0], 0.0, OFFSETS_MM[-1]):
        filled = _plane(field, frame, offset, across, up) > _HALF_FULL
        body = _part_at_origin(filled, across, up)
        others = (filled & ~body).sum(axis=0) * _COARSE_STEP_MM**2
        behind += float(np.sign(across) @ others)
        ends = across[body.any(axis=0)]
        reach += float(ends[0] + ends[-1]) / 3 if ends.size else 0.0
    if abs(behind) > _LEAST_AREA_MM2:
        return int(np.sign(behind))
    return int(np.sign(reach)) if abs(reach) > _JOINED_MM else 0


def outline_sign(field: Field, frame: Frame) -> int:
    """Return +1 where the body is wider at the frame's posterior end, -1 where at the other, 0 where alike.

    A vertebral body is round in front and flat behind. `field` is the occupancy of a body without posterior elements.
    """
    across = _samples(REACH_MM[1], _COARSE_STEP_MM)
    left, posterior = np.meshgrid(across, across)
    points = np.stack([left, posterior, np.zeros_like(left)], axis=-1)
    widths = (field.at(frame.to_patient(points)) > _HALF_FULL).sum(axis=1)
    widths = widths[np.flatnonzero(widths)[0] : np.flatnonzero(widths)[-1] + 1] if widths.any() else np.ones(1)
    end = round(_NEAR_END * len(widths))
    lead = float(widths[-1 - end] - widths[end]) / widths.max()
    return int(np.sign(lead)) if abs(lead) > _LEAST_LEAD else 0


def _samples(reach_mm: float, step_mm: float) -> Array:
    return np.arange(-reach_mm, reach_mm + step_mm / 2, step_mm)


def _plane(field: Field, frame: Frame, offset_mm: float, across: Array, up: Array) -> Array:
    """Return the field over a plane parallel to the midsagittal plane: (superior, posterior)."""
    to_grid = np.linalg.inv(field.affine[:3, :3])
    corner, posterior, superior = (
        to_grid @ direction
        for direction in (frame.origin - field.affine[:3, 3] + offset_mm * frame.left, frame.posterior, frame.superior)
    )
    rows = (corner[:, None] + superior[:, None] * up)[:, :, None]
    return field.at_index(rows + (posterior[:, None] * across)[:, None, :]).astype(np.float64)


def _part_at_origin(filled: Mask, across: Array, up: Array) -> Mask:
    """Return the connected part that is nearest to the origin; nothing where none is within reach."""
    labels, _ = ndimage.label(filled)
    distance = np.where(filled, np.hypot(across, up[:, None]), np.inf)
    nearest = np.unravel_index(int(distance.argmin()), distance.shape)
    if distance[nearest] > _NEAR_MM:
        return np.zeros_like(filled)
    return np.asarray(labels == labels[nearest])

"""What is checked of a body once its points are known: cut off, shaped as its plane says, sampled how finely."""

from typing import Final

import numpy as np

from workers.landmarks.mask.field import Field
from workers.landmarks.mask.frame import Frame, angle_deg
from workers.landmarks.mask.plane import AGREE_DEG
from workers.landmarks.volumes import Array, Volume

#: A body is cut off where it meets the edge within so much of the midsagittal plane, mm, or within one voxel.
_NEAR_PLANE_MM: Final = 3.0
#: Room around the six points in which the edge must not lie, mm.
_ROOM_MM: Final = 2.0
#: Area of contact with a face from which a body may be cut through, mm2; a process has less.
_BODY_AREA_MM2: Final = 250.0
#: Cosine to patient x from which a voxel axis counts as lateral.
_LATERAL: Final = 0.7
#: Middle height over the larger of the others above which points are not those of a body.
_BULGE: Final = 1.25
#: Variance along one axis over that along the next from which the shape of the body tells its lateral axis.
_ELONGATED: Final = 1.5


def cut_off(volume: Volume, frame: Frame, points: Array) -> bool:
    """Whether the mask meets the edge of the volume at the body; `points` are (6, 2) posterior, superior mm."""
    reach = max(_NEAR_PLANE_MM, float(volume.spacing_mm.max()))
    low, high = points.min(axis=0) - _ROOM_MM, points.max(axis=0) + _ROOM_MM
    for index in (index for axis in range(3) for index in _edges(volume, axis)):
        local = frame.to_local(volume.to_patient(index))
        within = (local[:, 1:] > low) & (local[:, 1:] < high)
        if (within.all(axis=1) & (np.abs(local[:, 0]) < reach)).any():
            return True
    return False


def cut_through(volume: Volume) -> bool:
    """Whether so much of the mask meets a face of the volume, other than a lateral one, that a body may be missing."""
    lateral = np.abs(volume.affine[0, :3]) / volume.spacing_mm > _LATERAL
    areas = [
        len(index) * float(np.prod(np.delete(volume.spacing_mm, axis)))
        for axis in np.flatnonzero(~lateral)
        for index in _edges(volume, int(axis))
    ]
    return max(areas, default=0.0) > _BODY_AREA_MM2


def _edges(volume: Volume, axis: int) -> list[Array]:
    """Return the indices (n, 3) of the filled voxels in each face of the crop that is a face of the whole volume."""
    found = []
    for place, beyond in ((0, volume.low[axis]), (volume.mask.shape[axis] - 1, volume.high[axis])):
        if beyond == 0:
            face = np.argwhere(volume.mask.take(place, axis=axis))
            found.append(np.insert(face, axis, place, axis=1).astype(np.float64))
    return found


def misshapen(points: Array) -> bool:
    """Whether (6, 2) points bulge in the middle as no body does: they then stand on something else."""
    anterior, middle, posterior = np.linalg.norm(points[:3] - points[3:], axis=1)
    return bool(middle > _BULGE * max(anterior, posterior))


def shape_disagrees(field: Field, frame: Frame, points: Array) -> bool:
    """Whether the lateral axis of the body's shape is more than 10 degrees from the plane's normal.

    The axis is the first principal axis of the part of the occupancy within the six points' box; it tells nothing
    where the body is about as deep, or as high, as it is wide.
    """
    positions, weights = field.voxels(0.5)
    local = frame.to_local(positions)
    within = ((local[:, 1:] > points.min(axis=0)) & (local[:, 1:] < points.max(axis=0))).all(axis=1)
    if within.sum() <= len(points):
        return False
    spread, axes = np.linalg.eigh(np.cov(local[within].T, aweights=weights[within]))
    return bool(spread[2] > _ELONGATED * spread[1] and angle_deg(axes[:, 2], np.array([1.0, 0.0, 0.0])) > AGREE_DEG)


def axial_spacing_mm(volume: Volume, frame: Frame) -> float:
    """Return the sampling distance along the vertebral axis, sqrt(sum((spacing_i S_i)^2)): docs/morphometry 3.4."""
    directions = volume.affine[:3, :3] / volume.spacing_mm
    return float(np.linalg.norm(volume.spacing_mm * (directions.T @ frame.superior)))

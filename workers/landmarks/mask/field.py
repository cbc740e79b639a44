"""Masks as continuous fields in the patient: signed distance for edges, smoothed occupancy for shape."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from workers.landmarks.mask.frame import Frame
from workers.landmarks.volumes import Array, Volume

#: Voxels of background laid around a mask, so that an edge at the crop is an edge.
_PAD: Final = 2
#: Side of a voxel of the coarse field, mm.
_COARSE_MM: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Field:
    """A scalar over a regular grid; `affine` (4, 4) maps an index to LPS mm. Outside the grid it is `outside`."""

    values: npt.NDArray[np.float32]
    affine: Array
    outside: float

    def at(self, points: Array) -> Array:
        """Return the trilinearly interpolated value at (..., 3) LPS mm."""
        index = (points - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T
        return self.at_index(index.reshape(-1, 3).T).astype(np.float64).reshape(points.shape[:-1])

    def at_index(self, index: Array) -> npt.NDArray[np.float32]:
        """Return the trilinearly interpolated value at (3, n) indices of the grid."""
        found = ndimage.map_coordinates(self.values, index, order=1, mode="constant", cval=self.outside)
        return np.asarray(found)

    def voxels(self, threshold: float) -> tuple[Array, Array]:
        """Return the positions (n, 3) in LPS mm and the values (n,) of the voxels above `threshold`."""
        index = np.argwhere(self.values > threshold)
        positions = index @ self.affine[:3, :3].T + self.affine[:3, 3]
        return positions, self.values[tuple(index.T)].astype(np.float64)


def occupancy(volume: Volume) -> Field:
    """Return how much of each coarse voxel the mask fills, 0 to 1, slightly smoothed."""
    block = np.maximum(1, np.rint(_COARSE_MM / volume.spacing_mm)).astype(int)
    size = -(-np.array(volume.mask.shape) // block)
    padded = np.zeros(size * block, dtype=np.float32)
    padded[tuple(slice(0, n) for n in volume.mask.shape)] = volume.mask
    mean = padded.reshape(size[0], block[0], size[1], block[1], size[2], block[2]).mean(axis=(1, 3, 5))
    affine = volume.affine.copy()
    affine[:3, :3] *= block
    affine[:3, 3] += volume.affine[:3, :3] @ ((block - 1) / 2)
    spread = _COARSE_MM / 2 / np.linalg.norm(affine[:3, :3], axis=0)
    values = ndimage.gaussian_filter(np.pad(mean, _PAD), np.minimum(spread, 1.0))
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, _PAD)
    return Field(values=values, affine=affine, outside=0.0)


def signed_distance(volume: Volume, frame: Frame, reach_mm: Array) -> Field:
    """Return the signed distance to the mask's edge, mm, positive inside, near the frame's origin.

    Shape-based interpolation: between thick slices the edge moves smoothly. Only the voxels within `reach_mm` (left,
    posterior, superior) of the origin are computed.
    """
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    corners = volume.to_index(frame.to_patient(signs * reach_mm))
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, volume.mask.shape)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, low, volume.mask.shape)
    mask = np.pad(volume.mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], _PAD)
    spacing = volume.spacing_mm
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (low - _PAD)
    return Field(values=(inside - outside).astype(np.float32), affine=affine, outside=-float(reach_mm.max()))

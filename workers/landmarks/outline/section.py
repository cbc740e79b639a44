"""An outline sampled as the section that the six points are found in: one definition of them for masks and outlines."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from workers.landmarks.mask.body import Section
from workers.landmarks.outline.frame import PlaneFrame
from workers.landmarks.outline.polygon import along
from workers.landmarks.volumes import Array, Mask

#: Distance between samples, nominal mm: finer than in a volume, since an outline has no voxels.
STEP: Final = 0.25
#: How far from the origin the body may reach: posterior, superior, nominal mm (as docs/morphometry 3.2 in mm).
REACH: Final = (36.0, 32.0)
#: Arc between the points to which distances are taken, nominal mm.
_ARC: Final = 0.05
#: Samples along the longer side of the grid on which the middle of the body is looked for.
_COARSE: Final = 128
#: The body passes this near to the origin, nominal mm.
_NEAR: Final = 5.0


def sample(rings: Sequence[Array], frame: PlaneFrame) -> Section | None:
    """Return the part at the origin of what closed lines (n, 2) enclose, by even and odd; None where there is none.

    The distance is signed, nominal mm, and exact next to the edge; farther off it stays at one step.
    """
    across, up = (np.arange(-reach, reach + STEP / 2, STEP) for reach in REACH)
    local = [frame.to_local(ring) for ring in rings]
    filled = _at_origin(enclosed(local, across, up), across, up)
    if not filled.any():
        return None
    grown, shrunk = ndimage.binary_dilation(filled), ndimage.binary_erosion(filled, border_value=1)
    rows, columns = np.nonzero(grown & ~shrunk)
    edge = cKDTree(np.concatenate([along(ring, _ARC) for ring in local]))
    distance, _ = edge.query(np.column_stack([across[columns], up[rows]]))
    values = np.where(filled, STEP, -STEP)
    values[rows, columns] = np.where(filled[rows, columns], distance, -distance)
    return Section(across=across, up=up, values=values)


def enclosed(rings: Sequence[Array], across: Array, up: Array) -> Mask:
    """Return which samples (up, across) lie inside an odd number of `rings`."""
    below = np.zeros((len(up) + 1, len(across)), dtype=np.int64)
    for ring in rings:
        ends = np.roll(ring, -1, axis=0)
        left, right = np.minimum(ring[:, 0], ends[:, 0]), np.maximum(ring[:, 0], ends[:, 0])
        first, last = np.searchsorted(across, left), np.searchsorted(across, right)
        edge = np.repeat(np.arange(len(ring)), last - first)
        column = np.arange(len(edge)) - np.repeat(np.cumsum(last - first) - (last - first), last - first) + first[edge]
        rise, run = (ends - ring)[edge, 1], (ends - ring)[edge, 0]
        height = ring[edge, 1] + (across[column] - ring[edge, 0]) * rise / run
        np.add.at(below, (np.searchsorted(up, height), column), 1)
    return np.asarray(np.cumsum(below, axis=0)[:-1] % 2 == 1)


def centre_and_radius(rings: Sequence[Array]) -> tuple[Array, float]:
    """Return the middle (2,) and the radius of the largest circle inside: it lies in the body, the thickest part."""
    points = np.concatenate(rings)
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    step = float(size.max()) / _COARSE
    x, y = (start + step * (np.arange(int(extent / step) + 1) + 0.5) for start, extent in zip(low, size, strict=True))
    depth = ndimage.distance_transform_edt(np.pad(enclosed(rings, x, y), 1), sampling=step)[1:-1, 1:-1]
    rows, columns = np.nonzero(depth > depth.max() - step / 2)
    return np.array([x[columns].mean(), y[rows].mean()]), float(depth.max())


def _at_origin(filled: Mask, across: Array, up: Array) -> Mask:
    """Return the connected part nearest to the origin; nothing where none is near."""
    labels, _ = ndimage.label(filled)
    distance = np.where(filled, np.hypot(across, up[:, None]), np.inf)
    nearest = np.unravel_index(int(distance.argmin()), distance.shape)
    return np.asarray((labels == labels[nearest]) & (distance[nearest] <= _NEAR) & filled)

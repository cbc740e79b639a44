"""From points to a vertebra's own plane: u from anterior to posterior, v to superior. PURE.

Everything after this works on (6, 2) arrays in this plane, rows in the order of POINT_NAMES, in mm, or in pixels
where the image has no spacing. Rotating, moving or mirroring the input leaves them unchanged.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from sr_templates.findings import POINT_NAMES, Landmarks, Point, Space
from workers.landmarks.points import ImagePlane

Array = npt.NDArray[np.float64]

#: Rows of POINT_NAMES.
AS, MS, PS, AI, MI, PI = range(6)
CORNERS: Final = (AS, PS, AI, PI)


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """A plane in the space its points came in (image, (2,) vectors; patient, (3,) LPS vectors); same unit as there."""

    origin: Array
    #: Unit vector, u: from the anterior to the posterior wall.
    posterior: Array
    #: Unit vector, v: at right angles to u, to the side of the superior endplate.
    superior: Array

    def to_plane(self, points: Array) -> Array:
        """Project (..., 2 or 3) points of the space on the plane: (..., 2)."""
        plane: Array = (points - self.origin) @ np.array((self.posterior, self.superior)).T
        return plane

    def to_space(self, points: Array) -> Array:
        """Return where (..., 2) points of the plane lie in the space: (..., 2 or 3)."""
        space: Array = self.origin + points @ np.array((self.posterior, self.superior))
        return space


@dataclass(frozen=True, kw_only=True, eq=False)
class Body:
    """The points of a vertebral body in its own plane, (6, 2) float; MS and MI are NaN where there are none."""

    points: Array
    frame: Frame
    #: Largest distance of a point from the plane, mm; 0 for image points.
    off_plane_mm: float

    @property
    def depth(self) -> float:
        """Distance between the middles of the anterior and the posterior wall."""
        u = self.points[:, 0].tolist()
        return float(u[PS] + u[PI] - u[AS] - u[AI]) / 2


def place(
    landmarks: Landmarks, *, plane: ImagePlane | None = None, normal: tuple[float, float, float] | None = None
) -> Body:
    """Return the body that the landmarks outline; ValueError for image points without their image (`plane`).

    Image points are scaled by their pixel's width and height; without a scale the pixel is the unit, and pixels are
    taken for square. Patient points are projected on the midsagittal plane: at right angles to `normal` (LPS), else
    the best plane through the points.
    """
    given = coordinates(landmarks.points)
    if landmarks.space is Space.PATIENT:
        return _body(given, _best_normal(given) if normal is None else _unit(np.array(normal, dtype=np.float64)))
    if plane is None:
        raise ValueError("image points need their image: its size, spacing and directions")
    return _body(given * _pixel(plane), None)


def coordinates(points: Mapping[str, Point]) -> Array:
    """Return the points as a (6, 2 or 3) array in the order of POINT_NAMES, NaN where there is none."""
    absent = (math.nan,) * len(points["AS"])
    return np.array([points.get(name, absent) for name in POINT_NAMES], dtype=np.float64)


def _pixel(plane: ImagePlane) -> tuple[float, float]:
    """Width and height of a pixel: (column, row) points are multiplied by (column spacing, row spacing)."""
    return (1.0, 1.0) if plane.scale is None else (plane.scale.column_mm, plane.scale.row_mm)


def _best_normal(points: Array) -> Array:
    """Direction in which the points spread least: the last right singular vector of the centred points."""
    there = points[np.isfinite(points[:, 0])]
    normal: Array = np.linalg.svd(there - there.mean(axis=0))[2][2]
    return normal


def _body(points: Array, normal: Array | None) -> Body:
    superior_end, inferior_end = points[AS] + points[PS], points[AI] + points[PI]
    posterior = points[PS] + points[PI] - points[AS] - points[AI]
    superior = superior_end - inferior_end
    if normal is None:
        posterior = _unit(posterior)
        across = np.array((-posterior[1], posterior[0]))
    else:
        posterior = _unit(posterior - (posterior @ normal) * normal)
        across = _cross(normal, posterior)
    frame = Frame(
        origin=(superior_end + inferior_end) / 4,
        posterior=posterior,
        superior=across if across @ superior >= 0 else -across,
    )
    return Body(points=frame.to_plane(points), frame=frame, off_plane_mm=_off_plane(points, normal))


def _off_plane(points: Array, normal: Array | None) -> float:
    """Largest distance from the plane through the median, so that one stray point shows its whole distance."""
    if normal is None:
        return 0.0
    distances: list[float] = [distance for distance in (points @ normal).tolist() if not math.isnan(distance)]
    middle = median(distances)
    return max(abs(distance - middle) for distance in distances)


def _unit(vector: Array) -> Array:
    length = math.hypot(*vector)
    return vector / length if length else vector


def _cross(a: Array, b: Array) -> Array:
    return np.array((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))

"""An analytic vertebra: a body between two endplates, and posterior elements around a canal. PURE.

Local coordinates are left, posterior, superior in mm about the centre of the body. The shape is symmetric about
left = 0, which is its midsagittal plane, so the six points and all heights are known exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Inside = npt.NDArray[np.bool_]

#: How round the front of the body is: exponent of a superellipse; 2 is an ellipse, larger is squarer.
_ROUNDNESS: Final = 2.5


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Dimensions in mm. Heights are those of the three pairs of points; `waist_mm` is how far the walls are hollow."""

    anterior_mm: float
    middle_mm: float
    posterior_mm: float
    depth_mm: float
    width_mm: float
    waist_mm: float = 1.5
    #: Length of a claw osteophyte at the anterior superior rim; 0 is none.
    osteophyte_mm: float = 0.0
    #: Radius of a Schmorl node in the superior endplate, behind its middle; 0 is none.
    schmorl_mm: float = 0.0
    posterior_elements: bool = True

    @property
    def points(self) -> dict[str, Array]:
        """The six true points, local mm."""
        half = self.depth_mm / 2
        rows = (("A", -half, self.anterior_mm), ("M", 0.0, self.middle_mm), ("P", half, self.posterior_mm))
        return {
            f"{position}{end}": np.array([0.0, depth, sign * height / 2])
            for end, sign in (("S", 1.0), ("I", -1.0))
            for position, depth, height in rows
        }

    def half_height(self, left: Array, posterior: Array) -> Array:
        """Return half the height of the body over a point of its base."""
        along = 2 * posterior / self.depth_mm
        across = 2 * left / self.width_mm
        chord = self.anterior_mm + (self.posterior_mm - self.anterior_mm) * (along + 1) / 2
        hollow = (self.anterior_mm + self.posterior_mm) / 2 - self.middle_mm
        bowl = np.clip(1 - along**2, 0, None) * np.clip(1 - across**2, 0, None)
        return np.asarray((chord - hollow * bowl) / 2)

    def body(self, local: Array) -> Inside:
        """Return whether (..., 3) local points lie in the body."""
        left, posterior, superior = np.moveaxis(local, -1, 0)
        half = self.half_height(left, posterior)
        across = np.abs(2 * left / self.width_mm)
        waist = self.waist_mm * np.clip(1 - (superior / np.maximum(half, 1e-6)) ** 2, 0, None)
        front = self.depth_mm * (0.5 - np.clip(1 - across**_ROUNDNESS, 0, None) ** (1 / _ROUNDNESS)) + waist
        rear = self.depth_mm / 2 - waist / 2
        inside = (across < 1) & (np.abs(superior) <= half) & (posterior >= front) & (posterior <= rear)
        return np.asarray((inside | self._osteophyte(local)) & ~self._schmorl(local))

    def _osteophyte(self, local: Array) -> Inside:
        """Return whether points lie in a claw that grows out of the anterior superior rim and thins to its tip."""
        if not self.osteophyte_mm:
            return np.zeros(local.shape[:-1], dtype=np.bool_)
        left, posterior, superior = np.moveaxis(local, -1, 0)
        out = -self.depth_mm / 2 - posterior
        rim = self.anterior_mm / 2
        return np.asarray(
            (np.abs(left) < self.width_mm / 5)
            & (np.abs(out - self.osteophyte_mm / 2) < self.osteophyte_mm / 2)
            & (superior < rim + 0.15 * np.clip(out, 0, None))
            & (superior > rim - 5.0 + 0.6 * np.clip(out, 0, None))
        )

    def _schmorl(self, local: Array) -> Inside:
        centre = np.array([0.0, 0.22 * self.depth_mm, 0.0])
        centre[2] = self.half_height(centre[0], centre[1])
        return np.asarray(np.linalg.norm(local - centre, axis=-1) < self.schmorl_mm)


@dataclass(frozen=True, kw_only=True)
class Knob:
    """A rounded box of bone: part of the posterior elements."""

    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    #: Turned about the superior axis, then about the left axis, degrees.
    yaw_deg: float = 0.0
    slope_deg: float = 0.0

    @property
    def axes(self) -> Array:
        """Rows are the box's own axes, local coordinates."""
        yaw, slope = np.radians([self.yaw_deg, self.slope_deg])
        turn = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        lean = np.array([[1, 0, 0], [0, np.cos(slope), np.sin(slope)], [0, -np.sin(slope), np.cos(slope)]])
        return np.asarray(lean @ turn)

    def inside(self, local: Array) -> Inside:
        """Return whether (..., 3) local points lie in the box."""
        scaled = (local - np.array(self.centre)) @ self.axes.T / np.array(self.half)
        return np.asarray((scaled**4).sum(axis=-1) < 1)


def posterior_elements(shape: Shape) -> Iterator[Knob]:
    """Yield pedicles, laminae, articular and transverse processes and the spinous process around a 16 mm deep canal."""
    wall, height = shape.depth_mm / 2, (shape.anterior_mm + shape.posterior_mm) / 2
    scale = shape.width_mm / 45
    yield Knob(centre=(0, wall + 33, -0.25 * height), half=(3.5, 14, 0.3 * height), slope_deg=-15)
    for side in (-1.0, 1.0):
        yield Knob(centre=(side * 14 * scale, wall + 7, 0.15 * height), half=(4.5, 10, 0.26 * height))
        yield Knob(centre=(side * 7.5, wall + 19.5, -0.05 * height), half=(9.5, 3, 0.36 * height), yaw_deg=-side * 22)
        yield Knob(centre=(side * 29 * scale, wall + 12, 0.1 * height), half=(14 * scale, 4, 4.5))
        yield Knob(centre=(side * 15 * scale, wall + 14, height / 2 + 1), half=(4.5, 4.5, 9))
        yield Knob(centre=(side * 11 * scale, wall + 20, -height / 2 - 3), half=(4.5, 4, 10))


@dataclass(frozen=True, kw_only=True)
class Vertebra:
    """A shape in the patient, LPS mm: rows of `axes` are its left, posterior and superior; `centre` is its origin."""

    level: str
    shape: Shape
    centre: Array
    axes: Array = field(default_factory=lambda: np.eye(3))

    @property
    def points(self) -> dict[str, Array]:
        """The six true points, LPS mm."""
        return {name: self.to_patient(point) for name, point in self.shape.points.items()}

    def to_patient(self, local: Array) -> Array:
        """Map (..., 3) local mm to LPS mm."""
        return np.asarray(self.centre + local @ self.axes)

    def to_local(self, points: Array) -> Array:
        """Map (..., 3) LPS mm to local mm."""
        return np.asarray((points - self.centre) @ self.axes.T)

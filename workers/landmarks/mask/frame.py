"""The vertebra's own frame: left, posterior, superior, about a point in the midsagittal plane. LPS mm."""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from workers.landmarks.volumes import Array


def unit(vector: Array) -> Array:
    """Return `vector` at length one."""
    return np.asarray(vector / math.sqrt(vector @ vector))


def angle_deg(first: Array, second: Array) -> float:
    """Return the angle between two lines, 0 to 90 degrees."""
    cosine = abs(float(unit(first) @ unit(second)))
    return float(np.degrees(np.arccos(min(1.0, cosine))))


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Origin and three orthonormal LPS directions, right-handed: left x posterior = superior."""

    origin: Array
    left: Array
    posterior: Array
    superior: Array

    @classmethod
    def about(cls, origin: Array, left: Array, superior: Array) -> Self:
        """Build a frame whose midsagittal plane has the normal `left`; `superior` is made orthogonal to it."""
        normal = unit(left)
        up = unit(superior - (superior @ normal) * normal)
        return cls(origin=origin, left=normal, posterior=np.cross(up, normal), superior=up)

    @property
    def axes(self) -> Array:
        """Rows left, posterior, superior: (3, 3)."""
        return np.stack([self.left, self.posterior, self.superior])

    def to_patient(self, local: Array) -> Array:
        """Map (..., 3) left, posterior, superior mm to LPS mm."""
        return np.asarray(self.origin + local @ self.axes)

    def to_local(self, points: Array) -> Array:
        """Map (..., 3) LPS mm to left, posterior, superior mm."""
        return np.asarray((points - self.origin) @ self.axes.T)

    def tilted(self, angle_rad: float) -> Self:
        """Turn within the midsagittal plane, positive from posterior towards superior."""
        cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
        return replace(
            self,
            posterior=cosine * self.posterior + sine * self.superior,
            superior=cosine * self.superior - sine * self.posterior,
        )

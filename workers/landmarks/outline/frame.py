"""A vertebra's own frame in the plane of a radiograph: posterior, superior, and how large its body is.

Millimetres play no part in placing the points: the body is measured at one nominal size, so that the points are the
same whatever the magnification, and where there is no spacing at all.
"""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from workers.landmarks.outline.polygon import rectangle_axis
from workers.landmarks.volumes import Array

#: Depth at which a body is measured, nominal mm: a lumbar one's, as the bounds in mm of docs/morphometry 3.2 are.
NOMINAL_DEPTH: Final = 34.0
#: Cosine between a direction and the axis it stands for, below which it could as well stand for the other one.
_LEAST_ALONG: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class PlaneFrame:
    """Origin and two unit directions at right angles in a plane with square units; `unit` of them is a nominal mm."""

    origin: Array
    posterior: Array
    superior: Array
    unit: float

    @classmethod
    def seeds(cls, points: Array, centre: Array, anterior: Array, superior: Array, size: float) -> list[Self]:
        """Lay frames where a body may be, as far as `anterior` is told by them.

        In the middle of the smallest rectangle around `points`, as a body without anything that hangs on it lies; then
        about `centre`, along that rectangle and along `superior`: a rectangle around a whole vertebra is not along its
        endplates. `size` is a first guess at the body's depth.
        """
        axis = rectangle_axis(points)
        sides = (axis, -axis, _across(axis), -_across(axis))
        along = max(sides, key=lambda side: float(side @ superior))
        base = np.stack([along, _across(along)])
        local = points @ base.T
        middle = (local.min(axis=0) + local.max(axis=0)) / 2 @ base
        frames = []
        for origin, up in ((middle, along), (centre, along), (centre, superior / np.hypot(*superior))):
            forward = float(_across(up) @ anterior) / float(np.hypot(*anterior))
            if abs(forward) >= _LEAST_ALONG:
                posterior = -np.sign(forward) * _across(up)
                frames.append(cls(origin=origin, posterior=posterior, superior=up, unit=size / NOMINAL_DEPTH))
        return frames

    def to_local(self, points: Array) -> Array:
        """Map (..., 2) points of the plane to posterior, superior, nominal mm."""
        return np.asarray((points - self.origin) @ np.stack([self.posterior, self.superior], axis=1) / self.unit)

    def to_plane(self, local: Array) -> Array:
        """Map (..., 2) posterior, superior, nominal mm to points of the plane."""
        return np.asarray(self.origin + local @ np.stack([self.posterior, self.superior]) * self.unit)

    def fitted(self, centre: Array, depth: float, turn_rad: float) -> Self:
        """Return the frame about a local centre, for a body so deep, turned from posterior towards superior."""
        cosine, sine = np.cos(turn_rad), np.sin(turn_rad)
        return replace(
            self,
            origin=self.to_plane(centre),
            posterior=cosine * self.posterior + sine * self.superior,
            superior=cosine * self.superior - sine * self.posterior,
            unit=self.unit * depth / NOMINAL_DEPTH,
        )


def _across(direction: Array) -> Array:
    return np.array([-direction[1], direction[0]])

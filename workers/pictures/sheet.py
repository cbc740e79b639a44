"""The sheet through the midsagittal points of a spine, and the flat sagittal plane that it hangs over.

A scoliotic spine leaves every plane. The sheet is bent in one direction only, from left to right: a pixel of the
picture is a point of the flat plane, moved along the plane's normal onto the sheet. So every body's points lie in the
picture where they stand in the sagittal view, kyphosis and lordosis keep their shape, and a straight spine gives a flat
picture. A body that leans by an angle t against the flat plane is drawn shorter by the factor cos t: 2 % at 12 degrees.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from sr_templates.findings import Point

Array = npt.NDArray[np.float64]

#: Around a body, so that the area vector of the outline points along columns x rows.
_OUTLINE: Final = ("AS", "MS", "PS", "PI", "MI", "AI")
#: The smallest area vector that a plane is believed from, mm2: that of a body of 3 mm x 3 mm.
_LEAST_AREA_MM2: Final = 9.0
#: How far the patient's superior axis may lie out of the plane, cosine; beyond it the bodies themselves say what is up.
_MOST_OUT: Final = 0.7
#: Steepest slope of a body's own plane against the flat one: 45 degrees; beyond it points are no sagittal section.
_STEEPEST: Final = 1.0
#: Distance from a body at which its plane counts as much as beside it, mm: keeps the weights finite.
_NEAR_MM: Final = 0.5
#: Power of a body's distance in its weight. With the common -2 far bodies count too much together: the tangents of a
#: curved spine all leave it on the same side.
_POWER: Final = -4
_SUPERIOR: Final = (0.0, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Body:
    """One body over the flat plane: its outline (n, 2), mm, and its own plane: offset, and slope across and down."""

    outline: Array
    middle: Array
    plane: Array

    def off(self, flat: Array) -> Array:
        """Return how far its plane lies off the flat one at (n, 2) places, mm."""
        found: Array = self.plane[0] + (flat - self.middle) @ self.plane[1:]
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """The flat plane, and how far the sheet lies off it.

    Flat coordinates are (across, down) in mm from `origin`: across goes posterior, down goes inferior.
    """

    #: (3,) mean of all points, LPS mm.
    origin: Array
    #: (3, 3) unit vectors, LPS: across, down, and the normal of the flat plane (towards the patient's right).
    axes: Array
    bodies: tuple[_Body, ...]

    @classmethod
    def through(cls, vertebrae: Sequence[Mapping[str, Point]]) -> Self | None:
        """Return the sheet through the points of each vertebra, LPS mm; None where they span no sagittal plane."""
        outlines = [np.array([points[name] for name in _OUTLINE if name in points]) for points in vertebrae]
        if not outlines:
            return None
        area = np.sum([_area_vector(outline) for outline in outlines], axis=0)
        size = float(np.linalg.norm(area))
        if size < _LEAST_AREA_MM2:
            return None
        normal = area / size
        up = np.array(_SUPERIOR)
        own = np.sum([_upwards(points) for points in vertebrae], axis=0)
        if abs(normal @ up) > _MOST_OUT or own @ up <= 0:
            up = own
        up = up - (up @ normal) * normal
        down = -up / np.linalg.norm(up)
        axes = np.stack([np.cross(down, normal), down, normal])
        origin = np.concatenate(outlines).mean(axis=0)
        bodies = tuple(_body((outline - origin) @ axes.T) for outline in outlines)
        return cls(origin=origin, axes=axes, bodies=bodies)

    def flat(self, points: Array) -> Array:
        """Return (n, 3) LPS points as across, down, and distance from the flat plane, mm."""
        found: Array = (np.asarray(points, dtype=float) - self.origin) @ self.axes.T
        return found

    def off(self, flat: Array) -> Array:
        """Return (n,) how far the sheet lies off the flat plane at (n, 2) places, mm.

        On a body it is the body's own plane; elsewhere the planes of all bodies, each with a weight that falls with the
        distance from its outline (Shepard 1968).
        """
        gaps = np.stack([np.maximum(_gap(flat, body.outline), _NEAR_MM) for body in self.bodies])
        weights = gaps**_POWER
        # What stands on a body is that body's, also where the outline of the next one is near.
        weights[:, (gaps <= _NEAR_MM).any(axis=0)] *= gaps[:, (gaps <= _NEAR_MM).any(axis=0)] <= _NEAR_MM
        planes = np.stack([body.off(flat) for body in self.bodies])
        found: Array = (weights * planes).sum(axis=0) / weights.sum(axis=0)
        return found

    def to_patient(self, flat: Array, off: Array) -> Array:
        """Return LPS mm of (n, 2) places, (n,) mm off the flat plane."""
        found: Array = self.origin + np.column_stack([flat, off]) @ self.axes
        return found


def _area_vector(outline: Array) -> Array:
    """Return the vector at right angles to an outline whose length is its area (Newell)."""
    found: Array = np.cross(outline, np.roll(outline, -1, axis=0)).sum(axis=0) / 2
    return found


def _upwards(points: Mapping[str, Point]) -> Array:
    """Return the vector from the inferior to the superior corners."""
    found: Array = np.mean([np.subtract(points[f"{end}S"], points[f"{end}I"]) for end in "AP"], axis=0)
    return found


def _body(flat: Array) -> _Body:
    """Return a body from its outline (n, 3) over the flat plane, with the plane that fits it best."""
    middle = flat[:, :2].mean(axis=0)
    columns = np.column_stack([np.ones(len(flat)), flat[:, :2] - middle])
    plane = np.linalg.lstsq(columns, flat[:, 2], rcond=None)[0]
    steep = float(np.hypot(*plane[1:]))
    plane[1:] *= min(1.0, _STEEPEST / steep) if steep else 1.0
    return _Body(outline=flat[:, :2], middle=middle, plane=plane)


def _gap(places: Array, outline: Array) -> Array:
    """Return (n,) distances of (n, 2) places from a closed outline, mm; 0 inside (even-odd rule)."""
    inside = np.zeros(len(places), dtype=np.bool_)
    nearest = np.full(len(places), np.inf)
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        along = end - start
        length = float(along @ along)
        share = np.clip((places - start) @ along / length, 0, 1) if length else np.zeros(len(places))
        nearest = np.minimum(nearest, np.linalg.norm(places - (start + share[:, None] * along), axis=1))
        crosses = (start[1] > places[:, 1]) != (end[1] > places[:, 1])
        if along[1]:
            inside ^= crosses & (places[:, 0] < start[0] + (places[:, 1] - start[1]) * along[0] / along[1])
    return np.where(inside, 0.0, nearest)

"""Vertebrae as a lateral radiograph shows them: outlines and masks of known dimensions, placed on an image.

Local coordinates are posterior and superior, mm, about the centre of the body.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float64]
Inside = npt.NDArray[np.bool_]
Heights = tuple[float, float, float]

#: Bodies of every shape: anterior, middle and posterior height, mm.
SHAPES: dict[str, Heights] = {
    "even": (26.0, 25.0, 26.0),
    "anterior_wedge": (18.0, 22.0, 26.0),
    "posterior_wedge": (27.0, 24.5, 21.0),
    "biconcave": (26.0, 17.0, 26.0),
    "crush": (13.0, 12.5, 14.0),
}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A body from the side, with hollow walls, an osteophyte at the anterior superior rim, a node in the endplate."""

    heights: Heights = SHAPES["even"]
    depth: float = 34.0
    waist: float = 1.5
    #: Length of the osteophyte and radius of the Schmorl node, mm; 0 is none.
    osteophyte: float = 0.0
    schmorl: float = 0.0
    posterior_elements: bool = False

    @property
    def points(self) -> Array:
        """The six true points, (6, 2), in the order AS MS PS AI MI PI."""
        superior = np.column_stack([(-self.depth / 2, 0.0, self.depth / 2), np.array(self.heights) / 2])
        return np.concatenate([superior, superior * (1, -1)])

    @property
    def reach(self) -> Array:
        """How far from the centre it reaches, posterior and superior, mm."""
        high = max(self.heights) / 2
        return np.array([self.depth / 2 + (48.0 if self.posterior_elements else 8.0), high + 14.0])

    def outline(self, count: int = 160) -> Array:
        """Return about `count` vertices around the body, without posterior elements."""
        across = np.linspace(-self.depth / 2, self.depth / 2, max(3, count * 3 // 10))
        up = np.linspace(1, -1, max(3, count // 5))[1:-1]
        end = self._half(across)
        superior = np.maximum(end - self._node(across), -end)
        rear = np.column_stack([self.depth / 2 - self.waist / 2 * (1 - up**2), end[-1] * up])
        front = np.column_stack([-self.depth / 2 + self.waist * (1 - up**2), end[0] * up])[::-1]
        return np.concatenate(
            [
                np.column_stack([across, superior]),
                rear,
                np.column_stack([across, -end])[::-1],
                front,
                self._claw(),
            ]
        )

    def inside(self, local: Array) -> Inside:
        """Return whether (..., 2) local points are shadowed by the vertebra."""
        behind, above = np.moveaxis(local, -1, 0)
        half = self._half(np.clip(behind, -self.depth / 2, self.depth / 2))
        bulge = np.clip(1 - (above / half) ** 2, 0, None) * self.waist
        walls = (behind >= -self.depth / 2 + bulge) & (behind <= self.depth / 2 - bulge / 2)
        found = walls & (above >= -half) & (above <= half - self._node(behind))
        if self.osteophyte:
            found |= _in_polygon(self._claw_outline(), local)
        for knob in self._knobs() if self.posterior_elements else ():
            found |= knob(local)
        return np.asarray(found)

    def _half(self, behind: Array) -> Array:
        anterior, middle, posterior = self.heights
        share = 2 * behind / self.depth
        chord = anterior + (posterior - anterior) * (share + 1) / 2
        return np.asarray((chord - ((anterior + posterior) / 2 - middle) * (1 - share**2)) / 2)

    def _node(self, behind: Array) -> Array:
        """Return how deep the node lies in the superior endplate, behind its middle."""
        off = behind - 0.22 * self.depth
        return np.sqrt(np.clip(self.schmorl**2 - off**2, 0, None))

    def _claw(self) -> Array:
        """Return the osteophyte's edge from the anterior wall over its tip to the rim; none where there is none."""
        return self._claw_outline()[1:-1] if self.osteophyte else np.empty((0, 2))

    def _claw_outline(self) -> Array:
        wall, rim, length = -self.depth / 2, self.heights[0] / 2, self.osteophyte
        below = wall + self.waist * (1 - (1 - 5 / rim) ** 2)
        return np.array(
            [
                (below, rim - 5),
                (wall - length, rim - 5 + 0.6 * length),
                (wall - length, rim + 0.1 * length),
                (wall, rim),
            ]
        )

    def _knobs(self) -> Iterator[Callable[[Array], Inside]]:
        """Yield pedicles, laminae, articular processes and the spinous process, one behind the other in the shadow."""
        wall, height = self.depth / 2, (self.heights[0] + self.heights[2]) / 2
        yield _knob((wall + 7, 0.15 * height), (10, 0.26 * height), 0)
        yield _knob((wall + 19.5, -0.05 * height), (5, 0.36 * height), 0)
        yield _knob((wall + 33, -0.25 * height), (14, 0.3 * height), -15)
        yield _knob((wall + 14, height / 2 + 1), (4.5, 9), 0)
        yield _knob((wall + 20, -height / 2 - 3), (4, 10), 0)


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Where and how a body stands on an image: (column, row) = at + turned local mm over the size of a pixel."""

    at: tuple[float, float] = (200.0, 200.0)
    #: Width and height of a pixel, mm.
    pixel: tuple[float, float] = (0.5, 0.5)
    tilt_deg: float = 0.0
    #: Whether anterior is on the right.
    faces_right: bool = False

    @property
    def _axes(self) -> Array:
        tilt = np.radians(self.tilt_deg)
        turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
        return np.asarray(turn @ np.diag([-1.0 if self.faces_right else 1.0, -1.0]))

    def to_image(self, local: Array) -> Array:
        """Map (..., 2) local mm to (column, row)."""
        return np.asarray(np.array(self.at) + local @ self._axes / np.array(self.pixel))

    def to_local(self, image: Array) -> Array:
        """Map (..., 2) (column, row) to local mm."""
        return np.asarray((image - np.array(self.at)) * np.array(self.pixel) @ np.linalg.inv(self._axes))

    def shadow(self, profile: Profile, shape: tuple[int, int], samples: int = 3) -> Array:
        """Return the share (rows, columns) of each pixel that the vertebra fills; pixels inside are taken for whole."""
        corners = profile.reach * np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])
        reach = np.abs(corners @ self._axes / np.array(self.pixel)).max(axis=0) + 2
        low = np.clip(np.floor(np.array(self.at) - reach), 0, shape[::-1]).astype(int)
        high = np.clip(np.ceil(np.array(self.at) + reach), low, shape[::-1]).astype(int)
        columns, rows = (np.arange(a, b) + 0.5 for a, b in zip(low, high, strict=True))
        middles = np.stack(np.meshgrid(columns, rows), axis=-1)
        inside = profile.inside(self.to_local(middles))
        edge = ndimage.maximum_filter(inside, 3) != ndimage.minimum_filter(inside, 3)
        steps = (np.arange(samples) + 0.5) / samples - 0.5
        offsets = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        found = inside.astype(np.float64)
        found[edge] = np.mean([profile.inside(self.to_local(middles[edge] + offset)) for offset in offsets], axis=0)
        share = np.zeros(shape)
        share[low[1] : high[1], low[0] : high[0]] = found
        return share


def _knob(centre: tuple[float, float], half: tuple[float, float], slope_deg: float) -> Callable[[Array], Inside]:
    """Return a rounded box."""
    slope = np.radians(slope_deg)
    turn = np.array([[np.cos(slope), -np.sin(slope)], [np.sin(slope), np.cos(slope)]])
    return lambda local: np.asarray((((local - np.array(centre)) @ turn / np.array(half)) ** 4).sum(axis=-1) < 1)


def _in_polygon(corners: Array, local: Array) -> Inside:
    """Return whether points lie in a convex polygon, of either winding."""
    edges = np.roll(corners, -1, axis=0) - corners
    sides = [
        edge[0] * (local[..., 1] - corner[1]) - edge[1] * (local[..., 0] - corner[0])
        for corner, edge in zip(corners, edges, strict=True)
    ]
    return np.asarray((np.array(sides) >= 0).all(axis=0) | (np.array(sides) <= 0).all(axis=0))

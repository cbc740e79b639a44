"""How far texts stand from what is drawn, in pixels. PURE."""

from collections.abc import Sequence
from math import inf, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Position = tuple[float, float]
#: Vertices of the least polygon.
_TRIANGLE: Final = 3


def boxes(places: Sequence[Sequence[Position]]) -> Array:
    """Return left, top, right, bottom (n, 4) of each text's anchor point or box corners; NaN where it has no place."""
    found = [
        (min(x for x, _ in place), min(y for _, y in place), max(x for x, _ in place), max(y for _, y in place))
        if place
        else (nan, nan, nan, nan)
        for place in places
    ]
    return np.array(found, dtype=np.float64).reshape(-1, 4)


def distances(points: Sequence[Position], texts: Array) -> Array:
    """Return the distance (n,) of texts from one graphic; 0 where one stands inside a polygon, inf without a place.

    `points` are the vertices of the graphic: one point, a line, or a polygon that is taken as closed; `texts` are
    boxes (n, 4).
    """
    away = np.full(len(texts), inf)
    placed = ~np.isnan(texts[:, 0])
    if placed.any():
        # A damaged coordinate may be as large as a number can be; what comes of it is then near nothing.
        with np.errstate(over="ignore", invalid="ignore"):
            away[placed] = _from_boxes(np.array(points, dtype=np.float64), texts[placed, :2], texts[placed, 2:])
    return away


def _from_boxes(points: Array, low: Array, high: Array) -> Array:
    """Return the distance (n,) of boxes, their corners low and high (n, 2), from vertices (k, 2)."""
    to_box = np.linalg.norm(points[:, None] - np.clip(points[:, None], low, high), axis=2).min(axis=0)
    corners = np.stack([low, high, np.column_stack([low[:, 0], high[:, 1]]), np.column_stack([high[:, 0], low[:, 1]])])
    away: Array = np.minimum(to_box, _from_sides(points, corners))
    if len(points) >= _TRIANGLE:
        away[_are_inside(points, (low + high) / 2)] = 0.0
    return away


def _from_sides(points: Array, corners: Array) -> Array:
    """Return the least distance (n,) of the corners (4, n, 2) of each box from the sides between vertices (k, 2)."""
    starts, sides = points, np.roll(points, -1, axis=0) - points
    lengths = np.sum(sides * sides, axis=1)
    offsets = corners[:, :, None] - starts
    along = np.sum(offsets * sides, axis=3) / np.where(lengths == 0, 1.0, lengths)
    feet = offsets - np.clip(along, 0.0, 1.0)[..., None] * sides
    least: Array = np.linalg.norm(feet, axis=3).min(axis=(0, 2))
    return least


def _are_inside(polygon: Array, places: Array) -> NDArray[np.bool_]:
    """Return whether a ray from each place (n, 2) crosses the outline an odd number of times."""
    x, y = places[:, 0, None], places[:, 1, None]
    (ax, ay), (bx, by) = polygon.T, np.roll(polygon, -1, axis=0).T
    spans = (ay > y) != (by > y)
    rises = np.where(by == ay, 1.0, by - ay)
    crossed = spans & (x < ax + (y - ay) * (bx - ax) / rises)
    inside: NDArray[np.bool_] = crossed.sum(axis=1) % 2 == 1
    return inside

"""A closed line in a plane: whether it is an outline at all, its points along the arc, its smallest rectangle."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull

from workers.landmarks.corners import BOX_DEG, is_box
from workers.landmarks.lines import OUTLINE_VERTICES
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.volumes import Array, Mask

Numbers = npt.NDArray[np.int_]

#: Area over that of the square on the longest extent below which a closed line encloses nothing: a body of 4 by 55 mm,
#: the flattest and deepest that is plausible (docs/morphometry 3.5), has 0.07.
_LEAST_FILL: Final = 0.02
#: Pairs of edges that are compared with each other at a time.
_CHUNK: Final = 200_000
#: Rectangles whose areas differ by less, as a share, are alike.
_ALIKE: Final = 1e-9


def tidied(points: Array) -> Array:
    """Return the vertices (n, 2) of a closed line without repeats, and without strokes that return on themselves."""
    kept: list[tuple[float, float]] = []
    for x, y in points.tolist():
        point = (float(x), float(y))
        if kept and kept[-1] == point:
            continue
        if len(kept) > 1 and kept[-2] == point:
            kept.pop()
            continue
        kept.append(point)
    while len(kept) > 1 and kept[0] == kept[-1]:
        kept.pop()
    return np.array(kept, dtype=np.float64).reshape(-1, 2)


def problem(points: Array) -> Reason | None:
    """Return why tidied vertices (n, 2), of either winding, are no outline; None where they are one."""
    if not np.isfinite(points).all():
        return Reason.NOT_FINITE
    if len(points) < OUTLINE_VERTICES:
        return Reason.TOO_FEW_VERTICES
    if _crosses_itself(points):
        return Reason.SELF_INTERSECTION
    longest = float(np.ptp(points, axis=0).max())
    return Reason.DEGENERATE if area(points) < _LEAST_FILL * longest**2 else None


def boxed(points: Array) -> bool:
    """Whether the polygon is a rectangle, however many vertices lie on its sides: it marks a region."""
    hull = points[ConvexHull(points).vertices]
    before, after = hull - np.roll(hull, 1, axis=0), np.roll(hull, -1, axis=0) - hull
    turns = np.abs(np.arctan2(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], (before * after).sum(axis=1)))
    corners = hull[np.degrees(turns) > BOX_DEG]
    fills = area(points) > (1 - _ALIKE) * area(hull)
    return bool(fills and is_box([(float(x), float(y)) for x, y in corners]))


def area(points: Array) -> float:
    """Return the enclosed area of a simple polygon, whatever its winding."""
    x, y = (points - points[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def along(points: Array, step: float) -> Array:
    """Return points (m, 2) along the closed line, its vertices among them, at most `step` of arc apart."""
    ends = np.roll(points, -1, axis=0)
    lengths = np.hypot(*(ends - points).T)
    counts = np.maximum(1, np.ceil(lengths / step)).astype(int)
    first = np.repeat(np.arange(len(points)), counts)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (place / counts[first])[:, None]
    return np.asarray(points[first] + share * (ends[first] - points[first]))


def rectangle_axis(points: Array) -> Array:
    """Return the unit direction (2,) of one side of the smallest rectangle around the polygon: a seed, no more."""
    hull = points[ConvexHull(points).vertices]
    edges = np.roll(hull, -1, axis=0) - hull
    lengths = np.hypot(*edges.T)
    directions = edges / lengths[:, None]
    across = directions @ hull.T
    down = np.stack([-directions[:, 1], directions[:, 0]], axis=1) @ hull.T
    areas = np.ptp(across, axis=1) * np.ptp(down, axis=1)
    alike = areas <= areas.min() * (1 + _ALIKE)
    return np.asarray(directions[int(np.where(alike, lengths, -1.0).argmax())])


def _crosses_itself(points: Array) -> bool:
    """Whether two edges that are no neighbours meet; only edges that overlap along x are compared."""
    ends = np.roll(points, -1, axis=0)
    low, high = np.minimum(points, ends), np.maximum(points, ends)
    order = np.argsort(low[:, 0], kind="stable")
    # In this order an edge overlaps those after it that begin before it ends.
    counts = np.searchsorted(low[order, 0], high[order, 0], side="right") - np.arange(len(order)) - 1
    begin = 0
    while begin < len(order):
        end = begin + max(1, int(np.searchsorted(np.cumsum(counts[begin:]), _CHUNK)))
        first = np.repeat(np.arange(begin, min(end, len(order))), counts[begin:end])
        within = np.arange(len(first)) - np.repeat(np.cumsum(counts[begin:end]) - counts[begin:end], counts[begin:end])
        if _meet(points, ends, order[first], order[first + 1 + within]).any():
            return True
        begin = end
    return False


def _meet(points: Array, ends: Array, one: Numbers, other: Numbers) -> Mask:
    """Return for each pair of edges, by number, whether they share a point; neighbours do and do not count."""
    a, b, c, d = points[one], ends[one], points[other], ends[other]
    apart = np.abs(one - other)
    neighbours = (apart == 1) | (apart == len(points) - 1)
    boxes = ((np.minimum(a, b) <= np.maximum(c, d)) & (np.minimum(c, d) <= np.maximum(a, b))).all(axis=1)
    sides = (_side(a, b, c) * _side(a, b, d) <= 0) & (_side(c, d, a) * _side(c, d, b) <= 0)
    return np.asarray(~neighbours & boxes & sides)


def _side(a: Array, b: Array, c: Array) -> Array:
    """Return on which side of the lines a-b the points c lie, as a sign."""
    return np.asarray(np.sign((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])))

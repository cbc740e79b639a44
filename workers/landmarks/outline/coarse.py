"""How coarsely a line was drawn where it counts: around its rims, and over the middle of its endplates.

An edge along a straight wall or endplate says all that there is, however long it is. One that cuts a corner does not:
the corner lies in the triangle between it and its neighbours, drawn on. Nor does one below which the bowl of
an endplate may lie. How far the truth may lie off the line is what the spacing of its samples is elsewhere.
"""

from typing import Final

import numpy as np

from workers.landmarks.corners import MOST_CORNER_DEG
from workers.landmarks.outline.frame import NOMINAL_DEPTH
from workers.landmarks.volumes import Array

#: Share of the depth about a rim within which an edge may have cut it.
_AROUND: Final = 0.1
#: Sine of the angle to wall and endplate up to which an edge is part of them: ten degrees.
_ALONG: Final = 0.17
#: The deepest bowl of an endplate, as a share of the depth: 10 mm of 34, two fifths of the height of a body.
_BOWL: Final = 0.3


def corner_gap(line: Array, points: Array) -> float:
    """Return by how much a height between two rims may be wrong, nominal mm; `points` are the six, (6, 2).

    An edge at whose ends the line turns by a corner in all may be a corner that was cut: the rim is then taken at one
    of its ends, and may lie as far beyond it as the shorter of the triangle's sides.
    """
    edges = np.roll(line, -1, axis=0) - line
    lengths, headings = np.hypot(*edges.T), np.arctan2(edges[:, 1], edges[:, 0])
    before = np.clip(_turn(headings - np.roll(headings, 1)) * np.sign(_turn(np.diff(headings)).sum()), 0.0, None)
    after = np.roll(before, -1)
    both, less = before + after, np.minimum(before, after)
    # Of a spike, whose sides meet behind it, no more is known than how wide it is.
    side = np.where(both < np.pi, np.sin(less) / np.maximum(np.sin(both), 1e-9), 1.0)
    gaps = np.where(np.degrees(both) >= 180 - MOST_CORNER_DEG, np.minimum(side, 1.0) * lengths, 0.0)

    def at(rim: int, wall: int, endplate: int) -> float:
        sides = (np.arctan2(*(points[other] - points[rim])[::-1]) for other in (wall, endplate))
        is_askew = np.all([np.abs(np.sin(headings - heading)) > _ALONG for heading in sides], axis=0)
        is_near = _apart(points[rim], line, edges, lengths) <= _AROUND * NOMINAL_DEPTH
        return float(gaps[is_near & is_askew].max(initial=0.0))

    return max(at(0, 3, 2) + at(3, 0, 5), at(2, 5, 0) + at(5, 2, 3))


def _turn(angles: Array) -> Array:
    """Return angles as those from -pi to pi."""
    return np.asarray((angles + np.pi) % (2 * np.pi) - np.pi)


def bowl_gap(line: Array, points: Array) -> float:
    """Return how much deeper than the closed line an endplate may be at its middle, nominal mm."""
    edges = np.roll(line, -1, axis=0) - line
    lengths = np.hypot(*edges.T)
    spans = [float(lengths[int(_apart(middle, line, edges, lengths).argmin())]) for middle in points[[1, 4]]]
    return _BOWL * NOMINAL_DEPTH * (min(max(spans), NOMINAL_DEPTH) / NOMINAL_DEPTH) ** 2


def _apart(point: Array, starts: Array, edges: Array, lengths: Array) -> Array:
    """Return the distance (n,) of a point from each edge."""
    along = np.clip(((point - starts) * edges).sum(axis=1) / np.maximum(lengths, 1e-9) ** 2, 0.0, 1.0)
    return np.asarray(np.hypot(*(point - starts - along[:, None] * edges).T))

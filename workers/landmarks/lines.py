"""Which lines are closed, and by which vertices. PURE."""

from collections.abc import Sequence
from itertools import pairwise
from math import dist
from typing import Final

#: Vertices from which on a closed polygon outlines a body (docs/morphometry 3.8).
OUTLINE_VERTICES: Final = 8
#: The last vertex repeats the first where it lies so near, pixels: no hand sets two vertices nearer to each other.
_SAME: Final = 0.5
#: Corners that enclose anything.
_TRIANGLE: Final = 3


def ring_size(points: Sequence[Sequence[float]]) -> int | None:
    """Return how many of the points are vertices of a closed line, without one that repeats the first; None where open.

    A line is closed where its last point repeats the first (PS3.3 C.10.5.1.2, C.18.6.1.2). Some writers leave that
    out: an outline that ends no farther from its start than twice its longest side is closed by one more.
    """
    if len(points) <= _TRIANGLE:
        return None
    gap = dist(points[0], points[-1])
    if gap < _SAME:
        return len(points) - 1
    is_outline = len(points) >= OUTLINE_VERTICES and gap <= 2 * max(dist(*ends) for ends in pairwise(points))
    return len(points) if is_outline else None

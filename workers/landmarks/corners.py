"""Four or six points of one vertebra that nobody named: named by where they lie, only where that leaves no doubt. PURE.

The directions must be known: which way is posterior, which way superior. Four points are the corners, six the corners
and the mid-points between them. In a body tilted too far, or where a mid-point could be a corner, nothing is named.
"""

import math
from collections.abc import Sequence
from typing import Final

#: Once around the body as it is seen with posterior to the right and superior up, clockwise.
_AROUND: Final = ("AS", "MS", "PS", "PI", "MI", "AI")
_CORNERS: Final = ("AS", "PS", "PI", "AI")
#: Most tilt of the body against the given directions, degrees: at 45 a side could as well be an endplate.
MOST_TILT_DEG: Final = 35.0
#: Least inner angle at a mid-point and most at a corner, degrees: an endplate runs on, a corner turns.
LEAST_MIDDLE_DEG: Final = 140.0
MOST_CORNER_DEG: Final = 130.0
#: Four right angles, give or take so many degrees, are a box that was drawn, not four corners that were placed.
BOX_DEG: Final = 0.5

Flat = tuple[float, float]


def named_corners(points: Sequence[Flat]) -> dict[str, int]:
    """Return the place in `points` of each named point; {} where their names are not certain.

    `points` are (u, v) of one scale: u runs to posterior, v to superior. Their order does not count.
    """
    if len(points) not in {len(_CORNERS), len(_AROUND)}:
        return {}
    names = _AROUND if len(points) == len(_AROUND) else _CORNERS
    ring = _clockwise(points)
    turns = [dict(zip(names, ring[start:] + ring[:start], strict=True)) for start in range(len(ring))]
    fitting = [turn for turn in turns if _tilt_deg(points, turn) <= MOST_TILT_DEG and _is_body(points, turn)]
    return fitting[0] if len(fitting) == 1 else {}


def is_box(points: Sequence[Flat]) -> bool:
    """Whether four points make a rectangle: it marks a region, it places no corners."""
    if len(points) != len(_CORNERS):
        return False
    ring = [points[number] for number in _clockwise(points)]
    return all(abs(_inner_deg(ring, place) - 90.0) <= BOX_DEG for place in range(len(ring)))


def _clockwise(points: Sequence[Flat]) -> list[int]:
    """Return the places of the points around their mean, clockwise."""
    u, v = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    return sorted(range(len(points)), key=lambda at: -math.atan2(points[at][1] - v, points[at][0] - u))


def _tilt_deg(points: Sequence[Flat], turn: dict[str, int]) -> float:
    """Return the angle between u and the mean direction of both endplates, from their anterior to their end."""
    u, v = (sum(points[turn[f"P{end}"]][axis] - points[turn[f"A{end}"]][axis] for end in ("S", "I")) for axis in (0, 1))
    return abs(math.degrees(math.atan2(v, u)))


def _is_body(points: Sequence[Flat], turn: dict[str, int]) -> bool:
    """Whether these names make a body: one that turns at the corners and runs on at the mid-points.

    Without mid-points a side could be an endplate of a body that lies on it: it must be deeper than high.
    """
    ring = [points[number] for number in turn.values()]
    inner = {name: _inner_deg(ring, place) for place, name in enumerate(turn)}
    middles = [angle for name, angle in inner.items() if name not in _CORNERS]
    if middles:
        return max(inner[name] for name in _CORNERS) <= MOST_CORNER_DEG and min(middles) >= LEAST_MIDDLE_DEG
    depth, height = (
        sum(math.dist(points[turn[a]], points[turn[b]]) for a, b in pairs)
        for pairs in ((("AS", "PS"), ("AI", "PI")), (("AS", "AI"), ("PS", "PI")))
    )
    return depth > height


def _inner_deg(ring: Sequence[Flat], place: int) -> float:
    """Return the angle inside a ring that runs clockwise, degrees from 0 to 360."""
    (u, v), before, after = ring[place], ring[place - 1], ring[(place + 1) % len(ring)]
    first = math.atan2(before[1] - v, before[0] - u)
    second = math.atan2(after[1] - v, after[0] - u)
    return math.degrees(second - first) % 360.0

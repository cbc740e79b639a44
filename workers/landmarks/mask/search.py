"""The search for a least value without derivatives (Nelder and Mead 1965, Computer Journal 7:308), three unknowns.

The steps and the end are those of scipy.optimize (a test holds the equality), but for ties, which keep their order on
every processor. On plain numbers: with three unknowns its arrays cost more time than most functions that are searched.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

Place = tuple[float, float, float]
Cost = Callable[[Place], float]
#: Ratios of expansion, contraction and shrinkage; reflection is 1.
_EXPANSION, _CONTRACTION, _SHRINKAGE = 2.0, 0.5, 0.5
_UNKNOWNS: Final = 3


def least(cost: Cost, simplex: Iterable[Place], *, nearness: float, cost_nearness: float, most: int) -> Place:
    """Return where `cost` is least, searched from the four corners of `simplex`.

    It ends where all corners are within `nearness` of the best, and their costs within `cost_nearness`, or after `most`
    steps.
    """
    corners = sorted(((cost(place), place) for place in simplex), key=_cost)
    for _ in range(1, most):
        if _is_near(corners, nearness, cost_nearness):
            break
        found = _better(cost, corners)
        if found is None:
            best = corners[0][1]
            shrunk = [_between(best, _between(place, best, 1, -1), 1, _SHRINKAGE) for _, place in corners[1:]]
            corners[1:] = [(cost(place), place) for place in shrunk]
        else:
            corners[-1] = found
        corners.sort(key=_cost)
    return corners[0][1]


def _better(cost: Cost, corners: Sequence[tuple[float, Place]]) -> tuple[float, Place] | None:
    """Return what takes the place of the worst corner; None where the corners are to be drawn to the best."""
    (best, first), (second_worst, third), (worst, last) = corners[0], corners[-2], corners[-1]
    middle = _middle(first, corners[1][1], third)

    def at(ratio: float) -> tuple[float, Place]:
        place = _between(middle, last, 1 + ratio, -ratio)
        return cost(place), place

    reflected = at(1.0)
    if reflected[0] < best:
        expanded = at(_EXPANSION)
        return expanded if expanded[0] < reflected[0] else reflected
    if reflected[0] < second_worst:
        return reflected
    if reflected[0] < worst:
        outside = at(_CONTRACTION)
        return outside if outside[0] <= reflected[0] else None
    inside = at(-_CONTRACTION)
    return inside if inside[0] < worst else None


def _is_near(corners: Sequence[tuple[float, Place]], nearness: float, cost_nearness: float) -> bool:
    best, first = corners[0]
    apart = max(abs(place[axis] - first[axis]) for _, place in corners[1:] for axis in range(_UNKNOWNS))
    return apart <= nearness and max(abs(best - each) for each, _ in corners[1:]) <= cost_nearness


def _between(first: Place, second: Place, share: float, other: float) -> Place:
    """Return so much of the first place and so much of the second."""
    return (
        share * first[0] + other * second[0],
        share * first[1] + other * second[1],
        share * first[2] + other * second[2],
    )


def _middle(first: Place, second: Place, third: Place) -> Place:
    return (
        (first[0] + second[0] + third[0]) / _UNKNOWNS,
        (first[1] + second[1] + third[1]) / _UNKNOWNS,
        (first[2] + second[2] + third[2]) / _UNKNOWNS,
    )


def _cost(corner: tuple[float, Place]) -> float:
    return corner[0]

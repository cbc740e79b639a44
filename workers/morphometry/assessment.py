"""Losses of a whole column: every vertebra against its valid neighbours, which are those without a loss. PURE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from workers.morphometry.geometry import Array
from workers.morphometry.grading import MILD, largest, loss_percent, rounded
from workers.morphometry.reference import REACH, Expected, Neighbour, expected
from workers.morphometry.vertebra import Unit, Vertebra

_OFFSETS: Final = tuple(offset for offset in range(-REACH, REACH + 1) if offset)


@dataclass(frozen=True, kw_only=True, eq=False)
class Assessment:
    """Expected heights of one vertebra and its (3,) losses, percent, unrounded; NaN where there is no height."""

    expected: Expected
    losses: Array
    #: Position and size of the largest loss.
    largest: tuple[int, float]


def assess(vertebrae: Sequence[Vertebra], gradable: frozenset[str], places: Mapping[str, int]) -> dict[str, Assessment]:
    """Return the assessment of every vertebra by level.

    At first all `gradable` vertebrae serve as references. Then those with a grade are left out and everything is
    fitted once more, so that a low neighbour does not lower what is expected (docs/morphometry 5).
    """
    first = _against(vertebrae, gradable, places)
    sound = frozenset(level for level in gradable if rounded(first[level].largest[1]) < MILD)
    return first if sound == gradable else _against(vertebrae, sound, places)


def against(heights: Array, neighbours: Sequence[Neighbour]) -> Assessment:
    """Return the assessment of one vertebra with (3,) `heights` against the neighbours that are given."""
    reference = expected(heights, neighbours)
    losses = loss_percent(heights, reference.heights)
    return Assessment(expected=reference, losses=losses, largest=largest(losses))


def _against(vertebrae: Sequence[Vertebra], valid: frozenset[str], places: Mapping[str, int]) -> dict[str, Assessment]:
    references = {(places[v.level], v.unit): v for v in vertebrae if v.level in valid}
    return {v.level: against(v.heights, _neighbours(places[v.level], v.unit, references)) for v in vertebrae}


def _neighbours(place: int, unit: Unit, references: Mapping[tuple[int, Unit], Vertebra]) -> list[Neighbour]:
    found = ((offset, references.get((place + offset, unit))) for offset in _OFFSETS)
    return [Neighbour(level=v.level, offset=offset, heights=v.heights) for offset, v in found if v is not None]

"""Losses of a whole column: every vertebra against its valid neighbours, which are those without a loss. PURE."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sr_templates.findings import ReferenceRule
from workers.morphometry.digits import settled
from workers.morphometry.geometry import Array
from workers.morphometry.grading import MILD, largest, loss_percent, rounded
from workers.morphometry.reference import REACH, Expected, Neighbour, expected
from workers.morphometry.trend import trend_losses
from workers.morphometry.vertebra import Unit, Vertebra

#: Contradiction of what is expected, points, that is worth a word: more than two readings of a loss differ by (limits
#: of agreement 7.0 and 7.8, docs/morphometry 2.2). A bound of our own.
DOUBTFUL: Final = 10.0
_OFFSETS: Final = tuple(offset for offset in range(-REACH, REACH + 1) if offset)


@dataclass(frozen=True, kw_only=True, eq=False)
class Assessment:
    """Expected heights of one vertebra and its (3,) losses, percent, unrounded; NaN where there is no height."""

    expected: Expected
    losses: Array
    #: Position and size of the largest loss.
    largest: tuple[int, float]
    #: By how many points the expected heights are contradicted; 0 where they are not.
    doubt: float = 0.0

    @property
    def is_within_vertebra(self) -> bool:
        """Whether there was no neighbour to compare with."""
        return self.expected.rule is ReferenceRule.WITHIN_VERTEBRA

    @property
    def is_doubtful(self) -> bool:
        """Whether the expected heights are contradicted."""
        return self.doubt > 0


def assess(vertebrae: Sequence[Vertebra], gradable: frozenset[str], places: Mapping[str, int]) -> dict[str, Assessment]:
    """Return the assessment of every vertebra by level.

    At first those `gradable` vertebrae serve as references that are not low against the trend of their column, so
    that deformed neighbours do not hide each other. Then those that come out without a grade serve, and everything is
    fitted once more (docs/morphometry 2.2, 5). A low vertebra that could be compared with itself only stays out.
    """
    trend = trend_losses([vertebra for vertebra in vertebrae if vertebra.level in gradable], places)
    low = frozenset(level for level, loss in trend.items() if rounded(loss) >= MILD)
    first = _against(vertebrae, gradable - low, places)
    sound = frozenset(
        level
        for level in gradable
        if rounded(first[level].largest[1]) < MILD and not (level in low and first[level].is_within_vertebra)
    )
    final = first if sound == gradable - low else _against(vertebrae, sound, places)
    return {level: replace(one, doubt=_doubt(one, trend.get(level, 0.0))) for level, one in final.items()}


def against(heights: Array, neighbours: Sequence[Neighbour]) -> Assessment:
    """Return the assessment of one vertebra with (3,) `heights` against the neighbours that are given."""
    reference = expected(heights, neighbours)
    losses = loss_percent(heights, reference.heights)
    return Assessment(expected=reference, losses=losses, largest=largest(losses))


def own_loss(heights: Array) -> float:
    """Return the largest loss of (3,) `heights` against the larger wall of the vertebra itself, percent."""
    anterior, middle, posterior = map(float, heights)
    lowest = min(anterior, posterior, anterior if math.isnan(middle) else middle)
    return 100 * (1 - lowest / max(anterior, posterior))


def _against(vertebrae: Sequence[Vertebra], valid: frozenset[str], places: Mapping[str, int]) -> dict[str, Assessment]:
    references = {(places[v.level], v.unit): v for v in vertebrae if v.level in valid}
    return {v.level: against(v.heights, _neighbours(places[v.level], v.unit, references)) for v in vertebrae}


def _neighbours(place: int, unit: Unit, references: Mapping[tuple[int, Unit], Vertebra]) -> list[Neighbour]:
    found = ((offset, references.get((place + offset, unit))) for offset in _OFFSETS)
    return [Neighbour(level=v.level, offset=offset, heights=v.heights) for offset, v in found if v is not None]


def _doubt(one: Assessment, trend_loss: float) -> float:
    """Return how much its own heights leave unseen; with neighbours, how far it exceeds or they contradict the fit."""
    if one.is_within_vertebra:
        return max(settled(trend_loss - one.largest[1]), 0.0) if rounded(trend_loss) >= MILD else 0.0
    shares = zip(one.expected.residual.tolist(), one.expected.heights.tolist(), strict=True)
    spread = max(100 * residual / height for residual, height in shares if not math.isnan(height))
    contradiction = max(spread, -min(loss for loss in one.losses.tolist() if not math.isnan(loss)))
    return contradiction if rounded(contradiction) >= DOUBTFUL else 0.0

"""The expected height of a vertebra, from its valid neighbours at the same position. PURE.

Best is a linear fit over valid vertebrae within three levels (docs/morphometry 2.2: kappa 0.80 against 0.52 of
the vertebra's own largest height); then the two direct neighbours, one of them, the vertebra itself.

A fit with all its vertebrae on one side extrapolates by one level beyond three that follow each other, never further:
more do not lie within reach. Its slope is then limited to what heights grow a level (Palm 2025), so that one wrong
height among three cannot be carried on; and its error, 1.5 times that of a height, goes into the uncertainty.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sr_templates.findings import ReferenceRule
from workers.morphometry.geometry import Array
from workers.morphometry.heights import ANTERIOR, POSTERIOR

#: A vertebra further away says nothing, levels.
REACH: Final = 3
#: A line needs so many vertebrae.
_FIT: Final = 3
#: Growth of heights a level from T9 to L1, share: the larger of 6.63 % (women) and 6.48 % (men), Palm 2025 (1.6).
GROWTH: Final = 0.0663


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbour:
    """Another vertebra of the study: `offset` levels further down (negative: up), (3,) heights in the same unit.

    `valid` is False where it was rejected, cannot be graded, or has a height loss itself.
    """

    level: str
    offset: int
    heights: Array
    valid: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Expected:
    """Expected (3,) heights, what they rest on, and how far that scatters about them."""

    rule: ReferenceRule
    levels: tuple[str, ...]
    heights: Array
    #: Share of each level's height in the expected one; of a fit whose slope is held, that of the free fit, which is
    #: the less certain one.
    weights: tuple[float, ...] = ()
    #: (3,) SD of the references about the fit; 0 where there is no fit.
    residual: Array = field(default_factory=lambda: np.zeros(3))

    @property
    def error_factor(self) -> float:
        """Error of the expected height in errors of a single height: root of the sum of squared weights."""
        return math.hypot(*self.weights)


def expected(heights: Array, neighbours: Sequence[Neighbour]) -> Expected:
    """Return the expected heights of a vertebra with (3,) `heights` among `neighbours`.

    A neighbour serves only if it has every height that the vertebra has, so one set of levels serves all positions.
    """
    absent = _absent(heights)
    usable = sorted(
        (n for n in neighbours if n.valid and 0 < abs(n.offset) <= REACH and _absent(n.heights) <= absent),
        key=lambda neighbour: neighbour.offset,
    )
    direct = [neighbour for neighbour in usable if abs(neighbour.offset) == 1]
    if len(usable) >= _FIT:
        found = _fit(usable)
    elif direct:
        found = _adjacent(direct)
    else:
        found = _own(heights)
    found.heights[list(absent)] = math.nan
    return found


def _absent(heights: Array) -> set[int]:
    """Return the positions without a height."""
    return {position for position, height in enumerate(heights.tolist()) if math.isnan(height)}


def _fit(references: Sequence[Neighbour]) -> Expected:
    """Return least squares through (offset, height), read at offset 0, each position for itself.

    In closed form and without BLAS, whose last digit depends on the processor.
    """
    count = len(references)
    centre = sum(reference.offset for reference in references) / count
    away = [reference.offset - centre for reference in references]
    spread = sum(step * step for step in away)
    is_one_sided = references[0].offset > 0 or references[-1].offset < 0
    heights, residual = [], []
    for known in zip(*(reference.heights.tolist() for reference in references), strict=True):
        mean = sum(known) / count
        slope = sum(step * height for step, height in zip(away, known, strict=True)) / spread
        if is_one_sided:
            slope = min(max(slope, -GROWTH * mean), GROWTH * mean)
        rest = sum((height - mean - step * slope) ** 2 for step, height in zip(away, known, strict=True))
        heights.append(mean - centre * slope)
        residual.append(math.sqrt(rest / (count - 2)))
    return Expected(
        rule=ReferenceRule.FIT,
        levels=tuple(reference.level for reference in references),
        heights=np.array(heights),
        weights=tuple(1 / count - centre * step / spread for step in away),
        residual=np.array(residual),
    )


def _adjacent(direct: Sequence[Neighbour]) -> Expected:
    share = 1 / len(direct)
    return Expected(
        rule=ReferenceRule.ADJACENT_2 if len(direct) == 2 else ReferenceRule.ADJACENT_1,  # noqa: PLR2004 - both sides
        levels=tuple(neighbour.level for neighbour in direct),
        heights=sum((neighbour.heights for neighbour in direct), np.zeros(3)) * share,
        weights=(share,) * len(direct),
    )


def _own(heights: Array) -> Expected:
    larger = max(heights[ANTERIOR], heights[POSTERIOR])
    return Expected(rule=ReferenceRule.WITHIN_VERTEBRA, levels=(), heights=np.array((larger, larger, larger)))

"""The shape of a height loss: decision table of docs/morphometry 4, rows 2 to 7; the first match wins. PURE."""

import math
from dataclasses import dataclass
from typing import Final

from sr_templates.findings import Deformity, ReferenceRule
from workers.morphometry.flags import Flag
from workers.morphometry.grading import MILD, rounded

#: The middle must be lower than both walls by so many points to be the shape's name (row 4).
_BICONCAVE_MARGIN: Final = 5.0
#: A crush leans to one side from so many points on (row 3).
_PREDOMINANCE: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Losses of one vertebra, percent, rounded to 0.1; `middle` is None where there are no mid-points."""

    anterior: float
    middle: float | None
    posterior: float

    @property
    def largest(self) -> float:
        """The loss that the grade is made from."""
        return max(self.anterior, self.depth, self.posterior)

    @property
    def depth(self) -> float:
        """The middle loss; below any number where it is not known."""
        return -math.inf if self.middle is None else self.middle


def shape(losses: Losses, rule: ReferenceRule) -> Deformity:
    """Return the name of the shape; it does not depend on the grade."""
    if losses.largest < MILD:
        return Deformity.NONE
    if rule is not ReferenceRule.WITHIN_VERTEBRA and min(losses.anterior, losses.posterior) >= MILD:
        return Deformity.CRUSH
    if losses.depth >= MILD and rounded(losses.depth - max(losses.anterior, losses.posterior)) >= _BICONCAVE_MARGIN:
        return Deformity.BICONCAVE
    if losses.anterior >= MILD and losses.anterior >= losses.posterior:
        return Deformity.ANTERIOR_WEDGE
    return Deformity.POSTERIOR_WEDGE if losses.posterior >= MILD else Deformity.BICONCAVE


def shape_flags(losses: Losses, rule: ReferenceRule) -> tuple[Flag, ...]:
    """Return what the table says beside the name: mixed, predominance, what could not be assessed."""
    return tuple(
        flag
        for flag, applies in (
            (Flag.CRUSH_NOT_ASSESSABLE, rule is ReferenceRule.WITHIN_VERTEBRA),
            (Flag.BICONCAVITY_NOT_ASSESSABLE, losses.middle is None),
            (Flag.MIXED, _is_mixed(losses, shape(losses, rule))),
            (Flag.PREDOMINANCE_ANTERIOR, shape(losses, rule) is Deformity.CRUSH and _lean(losses) >= _PREDOMINANCE),
            (Flag.PREDOMINANCE_POSTERIOR, shape(losses, rule) is Deformity.CRUSH and _lean(losses) <= -_PREDOMINANCE),
        )
        if applies
    )


def _is_mixed(losses: Losses, name: Deformity) -> bool:
    """Rows 5 and 7: an anterior wedge with a middle as low, or a biconcavity without the margin of row 4."""
    if name is Deformity.ANTERIOR_WEDGE:
        return losses.depth >= MILD and abs(rounded(losses.depth - losses.anterior)) < _BICONCAVE_MARGIN
    margin = losses.depth - max(losses.anterior, losses.posterior)
    return name is Deformity.BICONCAVE and rounded(margin) < _BICONCAVE_MARGIN


def _lean(losses: Losses) -> float:
    return rounded(losses.anterior - losses.posterior)

"""Direction of wedging, and wedging against limits (docs/morphometry 4b). PURE.

Percentages act as they are printed, with one decimal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sr_templates.findings import Deformity, ReferenceRule, WedgingAssessment, WedgingDirection
from workers.morphometry.digits import printed, settled
from workers.morphometry.grading import MILD
from workers.morphometry.levels import UNUSUAL_POSTERIOR_LEVELS

#: Height loss whose side is the side of the wedge.
_SIDE: Final = {
    WedgingDirection.ANTERIOR: Deformity.ANTERIOR_WEDGE,
    WedgingDirection.POSTERIOR: Deformity.POSTERIOR_WEDGE,
}


@dataclass(frozen=True, kw_only=True)
class WedgingLimit:
    """Posterior wedging of one level: published mean and upper limit, percent, and where they come from."""

    mean_percent: float
    upper_percent: float
    source: str


#: L4 only: the mean of L5 is 13.2 % (Cook and Baker 2021), so this limit must not be carried to another level.
DEFAULT_LIMITS: Final[Mapping[str, WedgingLimit]] = {
    "L4": WedgingLimit(mean_percent=4.8, upper_percent=8.3, source="project default; no primary source found"),
}


def direction(percent: float) -> WedgingDirection:
    """Return which height is the smaller: `percent` is positive where it is the posterior."""
    seen = printed(percent)
    if seen == 0:
        return WedgingDirection.NONE
    return WedgingDirection.POSTERIOR if seen > 0 else WedgingDirection.ANTERIOR


def assess(
    percent: float, limit: WedgingLimit | None, *, is_deformed: bool = False, sd_percent: float | None = None
) -> WedgingAssessment:
    """Return where signed wedging stands.

    What `is_deformed` lies outside any limit, unless it is an even crush, which is not wedged at all. Else only
    posterior wedging has a limit, and anterior wedging is within it; but of anterior wedging by 20 % and more that
    neighbours do not show no limit speaks. It is borderline where the limit lies within one SD, and only where that SD
    was measured (`sd_percent`): what readers scatter in general would make all of L4 borderline.
    """
    seen = printed(percent)
    if is_deformed and seen != 0:
        return WedgingAssessment.OUTSIDE_LIMITS
    if limit is None or seen <= -MILD:
        return WedgingAssessment.NO_LIMIT_FOR_LEVEL
    if seen > 0 and sd_percent is not None and settled(abs(percent - limit.upper_percent)) <= settled(sd_percent):
        return WedgingAssessment.BORDERLINE
    return WedgingAssessment.OUTSIDE_LIMITS if seen > limit.upper_percent else WedgingAssessment.WITHIN_LIMITS


def is_deformed(percent: float, deformity: Deformity | None, posterior_loss: float | None, rule: ReferenceRule) -> bool:
    """Whether neighbours show a wedge of the same side, or a posterior height loss of 20 % whatever the shape.

    The vertebra's own heights cannot show either (4b, last row).
    """
    if deformity is None or posterior_loss is None or rule is ReferenceRule.WITHIN_VERTEBRA:
        return False
    return posterior_loss >= MILD or deformity is _SIDE.get(direction(percent))


def is_unusual(level: str, percent: float, sd_percent: float) -> bool:
    """Whether posterior wedging, beyond its SD, is at a level where it makes label and orientation doubtful."""
    return level in UNUSUAL_POSTERIOR_LEVELS and percent > sd_percent

"""Direction of wedging, and posterior wedging against the level's limit (docs/morphometry 4b). PURE."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sr_templates.findings import Deformity, ReferenceRule, WedgingAssessment, WedgingDirection
from workers.morphometry.levels import UNUSUAL_POSTERIOR_LEVELS

#: Binary noise of a percentage: 8.3 read from coordinates is 8.3.
_NOISE: Final = 1e-6
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
    "L4": WedgingLimit(mean_percent=4.8, upper_percent=8.3, source="seed document; no primary source found"),
}


def direction(percent: float) -> WedgingDirection:
    """Return which height is the smaller: `percent` is positive where it is the posterior."""
    if abs(percent) <= _NOISE:
        return WedgingDirection.NONE
    return WedgingDirection.POSTERIOR if percent > 0 else WedgingDirection.ANTERIOR


def assess(
    percent: float, limit: WedgingLimit | None, *, deformity: Deformity | None = None, sd_percent: float | None = None
) -> WedgingAssessment:
    """Return where signed wedging stands against the level's `limit`.

    A `deformity` that was found against neighbours and is a wedge of the same side lies outside any limit. Else only
    posterior wedging has limits. It is borderline where the limit lies within one SD, and only where that SD was
    measured (`sd_percent`): what readers scatter in general would make all of L4 borderline.
    """
    side = direction(percent)
    if deformity is not None and deformity is _SIDE.get(side):
        return WedgingAssessment.OUTSIDE_LIMITS
    if limit is None or side is WedgingDirection.ANTERIOR:
        return WedgingAssessment.NO_LIMIT_FOR_LEVEL
    if sd_percent is not None and abs(percent - limit.upper_percent) <= sd_percent + _NOISE:
        return WedgingAssessment.BORDERLINE
    outside = percent > limit.upper_percent + _NOISE
    return WedgingAssessment.OUTSIDE_LIMITS if outside else WedgingAssessment.WITHIN_LIMITS


def against_neighbours(deformity: Deformity | None, rule: ReferenceRule) -> Deformity | None:
    """Return the deformity where neighbours say so; the vertebra's own heights cannot (4b, last row)."""
    return None if rule is ReferenceRule.WITHIN_VERTEBRA else deformity


def is_unusual(level: str, percent: float, sd_percent: float) -> bool:
    """Whether posterior wedging, beyond its SD, is at a level where it makes label and orientation doubtful."""
    return level in UNUSUAL_POSTERIOR_LEVELS and percent > sd_percent

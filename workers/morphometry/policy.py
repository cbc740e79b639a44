"""What a department decides about grades and flags; all of it is part of a report's configuration digest. PURE data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from workers.morphometry.alignment import DEFAULT_KYPHOSIS_LIMIT, KyphosisLimit
from workers.morphometry.wedging import DEFAULT_LIMITS, WedgingLimit


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Borders and limits."""

    #: The grade of a loss of exactly 40.0 %.
    severe_border_grade: Literal[2, 3] = 2
    #: Posterior wedging by level.
    wedging_limits: Mapping[str, WedgingLimit] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    #: Segmental kyphosis over a deformity, at every level.
    kyphosis_limit: KyphosisLimit = DEFAULT_KYPHOSIS_LIMIT

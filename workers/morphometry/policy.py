"""What a department decides about grading; all of it is part of a report's configuration digest. PURE data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from workers.morphometry.wedging import DEFAULT_LIMITS, WedgingLimit


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Borders, limits and protocol."""

    #: The grade of a loss of exactly 40.0 %.
    severe_border_grade: Literal[2, 3] = 2
    #: Posterior wedging by level.
    wedging_limits: Mapping[str, WedgingLimit] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    #: How the six points are defined; numbers of two protocols must not be compared (docs/morphometry 1.4).
    protocol: str = "spondyl-six-point/1"

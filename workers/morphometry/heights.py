"""Heights, ratios, wedging and endplate angle of a body in its own plane (docs/morphometry 1.5). PURE.

Functions take arrays with any leading axes, so one call serves a vertebra or all random draws of a study.
"""

import math
from dataclasses import dataclass

import numpy as np

from workers.morphometry.geometry import AI, AS, PI, PS, Array

#: Columns of a (..., 3) array of heights.
ANTERIOR, MIDDLE, POSTERIOR = range(3)


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """Ratios of one body's heights; biconcavity is None where there are no mid-points."""

    #: Ha / Hp.
    wedge: float
    #: Hm / Hp.
    biconcavity: float | None
    #: Hp / Ha.
    posterior: float


def heights(points: Array) -> Array:
    """Return anterior, middle and posterior height, (..., 3), of (..., 6, 2) points: distances of paired points."""
    paired = points[..., :3, :] - points[..., 3:, :]
    lengths: Array = np.hypot(paired[..., 0], paired[..., 1])
    return lengths


def ratios(lengths: Array) -> Ratios:
    """Return the ratios of one body's (3,) heights."""
    anterior, middle, posterior = lengths.tolist()
    return Ratios(
        wedge=anterior / posterior,
        biconcavity=None if math.isnan(middle) else middle / posterior,
        posterior=posterior / anterior,
    )


def wedging_percent(lengths: Array) -> Array:
    """Return 100 (Ha - Hp) / max(Ha, Hp) of (..., 3) heights: positive for posterior wedging."""
    anterior, posterior = lengths[..., ANTERIOR], lengths[..., POSTERIOR]
    percent: Array = 100 * (anterior - posterior) / np.maximum(anterior, posterior)
    return percent


def endplate_angle_deg(points: Array) -> Array:
    """Return slope of the inferior minus slope of the superior endplate of (..., 6, 2) points: positive = posterior."""
    angle: Array = np.degrees(_slope(points, AI, PI) - _slope(points, AS, PS))
    return angle


def _slope(points: Array, anterior: int, posterior: int) -> Array:
    along = points[..., posterior, :] - points[..., anterior, :]
    slope: Array = np.arctan2(along[..., 1], along[..., 0])
    return slope

"""How uncertain losses, angle and wedging are (docs/morphometry 2.2, 2.3, 3.4, 3.5). PURE.

Components: the landmarks (spread over planes where the finder measured it, else what readers scatter), the sampling
(spacing / sqrt(12) an edge), the reference, the protocol. 200 draws of the six points of every vertebra, with a fixed
seed, go through geometry and expected heights; a vertebra has the same draws in every study. What the references
scatter beyond their draws, and what contradicts them, is added in closed form; no SD is below that of the protocol.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from sr_templates.findings import ReferenceRule
from sr_templates.levels import ORDER
from workers.morphometry.assessment import Assessment
from workers.morphometry.digits import settled
from workers.morphometry.flags import Flag
from workers.morphometry.geometry import Array
from workers.morphometry.grading import loss_percent, rounded
from workers.morphometry.heights import ANTERIOR, POSTERIOR, endplate_angle_deg, heights, wedging_percent
from workers.morphometry.reference import GROWTH, Expected
from workers.morphometry.vertebra import Vertebra

DRAWS: Final = 200
SEED: Final = 1993
#: SD of the loss where nothing is known of the landmarks, points (3.5).
READER_SD: Final = 3.0
#: The same where the loss itself is in the decision zone: expert readers, 86 pairs (2.2).
ZONE_SD: Final = 3.8
_ZONE: Final = (15.0, 30.0)
#: No protocol repeats better: SD of one reading with the fit (2.2), error of a ratio on phantoms at 1 mm (3.4), points.
PROTOCOL_SD: Final = 2.5
#: The same for the angle, degrees: mean absolute error 0.7 on phantoms at 1 mm (3.4), as the SD of a normal error.
PROTOCOL_ANGLE_SD_DEG: Final = 0.7 * math.sqrt(math.pi / 2)
#: Axial sampling, mm, up to which nothing is widened, and above which nothing is graded (3.4).
FULL_SAMPLING_MM: Final = 1.5
COARSE_SAMPLING_MM: Final = 3.5
#: SD of the loss at 3 mm, points (3.4).
_SD_AT_3_MM: Final = 6.0


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """SDs of one vertebra's numbers."""

    #: Of the largest loss.
    loss_sd_points: float
    angle_sd_deg: float
    wedging_sd_percent: float
    #: Whether the finder measured how its landmarks scatter; else the SDs are those of readers in general.
    is_measured: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Scatter:
    """SD over the draws of n vertebrae, in the unit of their points."""

    #: (n, 3).
    heights: Array
    #: (n, 3), points: loss against the drawn expected heights.
    loss: Array
    #: (n,).
    angle_deg: Array
    #: (n,).
    wedging_percent: Array


def estimate(vertebrae: Sequence[Vertebra], assessments: Mapping[str, Assessment]) -> dict[str, Uncertainty]:
    """Return the uncertainty of every vertebra by level; all are drawn at once."""
    if not vertebrae:
        return {}
    found = scatter(
        {vertebra.level: assessments[vertebra.level].expected for vertebra in vertebrae},
        np.array([vertebra.body.points for vertebra in vertebrae]),
        np.array([_point_sd(vertebra, assessments[vertebra.level].largest[1]) for vertebra in vertebrae]),
    )
    return {
        vertebra.level: _uncertainty(vertebra, assessments[vertebra.level], found, row)
        for row, vertebra in enumerate(vertebrae)
    }


def reader_sd(max_loss_percent: float) -> float:
    """Return the SD of a loss that is read by hand at <= 1 mm, points."""
    return ZONE_SD if _ZONE[0] <= rounded(max_loss_percent) <= _ZONE[1] else READER_SD


def sampling_mm(vertebra: Vertebra) -> float | None:
    """Return the sampling along the axis, mm; the coarsest that is graded where the input says limited, not how far."""
    given = vertebra.given
    known = None if given.axial_spacing_mm is None else settled(given.axial_spacing_mm)
    is_said = Flag.LIMITED_SAMPLING in given.flags
    return COARSE_SAMPLING_MM if is_said and (known is None or known <= FULL_SAMPLING_MM) else known


def sampling_sd(axial_spacing_mm: float | None) -> float:
    """Return the least SD of a loss that this sampling allows, points: rising from 3 at 1.5 mm to 6 at 3 mm and on."""
    if axial_spacing_mm is None or axial_spacing_mm <= FULL_SAMPLING_MM:
        return 0.0
    return READER_SD + (_SD_AT_3_MM - READER_SD) * (axial_spacing_mm - FULL_SAMPLING_MM) / (3.0 - FULL_SAMPLING_MM)


def reader_point_sd(known: Sequence[float], loss_sd_points: float) -> Array:
    """Return the (3,) SD of the points of a body with heights `known` that gives this SD of the loss.

    Against the mean of two neighbours, in closed form: s = SD / 100 * H / sqrt(3) (2.3).
    """
    sd = loss_sd_points / 100 / math.sqrt(3) * sum(known) / len(known)
    return np.array((sd, sd, sd))


def point_sd(landmark_sd: Array, axial_spacing_mm: float | None) -> Array:
    """Return the (6,) SD of the points: that of the landmarks, (3,), and half a sample's rectangle an edge."""
    edge = (axial_spacing_mm or 0.0) / math.sqrt(12)
    return np.array([math.hypot(sd, edge) for sd in landmark_sd.tolist()] * 2)


def scatter(expected: Mapping[str, Expected], points: Array, sds: Array) -> Scatter:
    """Move (n, 6, 2) points by their (n, 6) SDs, equally in both directions, and return what the results scatter.

    `expected` is what is expected of the n vertebrae, by level, in the same order; its references are among them.
    """
    moved = _moved(list(expected), points, sds)
    lengths = heights(moved)
    losses = loss_percent(lengths, _expected_draws(expected, lengths, heights(points)))
    return Scatter(
        heights=lengths.std(axis=1),
        loss=losses.std(axis=1),
        angle_deg=endplate_angle_deg(moved).std(axis=1),
        wedging_percent=wedging_percent(lengths).std(axis=1),
    )


def _moved(levels: Sequence[str], points: Array, sds: Array) -> Array:
    """Return the (n, draws, 6, 2) drawn points; draws lie side by side in memory, which all that follows runs along."""
    moved = _noise()[[ORDER[level] for level in levels]]
    moved *= sds[:, :, None, None]
    moved += points[..., None]
    drawn: Array = np.moveaxis(moved, -1, 1)
    return drawn


def _expected_draws(expected: Mapping[str, Expected], lengths: Array, undrawn: Array) -> Array:
    """Return the expected heights of (n, draws, 3) `lengths`: moved as far as their references have moved together."""
    rows = {level: row for row, level in enumerate(expected)}
    weights = np.zeros((len(rows), len(rows)))
    for row, one in enumerate(expected.values()):
        weights[row, [rows[level] for level in one.levels]] = one.weights
    shifts = np.moveaxis(lengths, 1, -1) - undrawn[..., None]
    shifts[np.isnan(undrawn)] = 0.0  # nobody with a middle refers to one without
    moved = np.tensordot(weights, shifts, axes=1) + np.array([one.heights for one in expected.values()])[..., None]
    drawn: Array = np.moveaxis(moved, -1, 1)
    own = [one.rule is ReferenceRule.WITHIN_VERTEBRA for one in expected.values()]
    drawn[own] = np.maximum(lengths[own][..., ANTERIOR], lengths[own][..., POSTERIOR])[..., None]
    return drawn


def residual_sd(height: float, height_sd: float, expected: Expected, position: int) -> float:
    """Return what references add, points, that scatter about the fit more than the SD of a height explains."""
    unexplained = max(float(expected.residual[position]) ** 2 - height_sd**2, 0.0)
    return 100 * height / float(expected.heights[position]) ** 2 * expected.error_factor * math.sqrt(unexplained)


def growth_sd(rule: ReferenceRule) -> float:
    """Return what one neighbour alone adds, points: a level's growth in unknown direction, a rectangle (Palm 2025)."""
    return 100 * GROWTH / math.sqrt(3) if rule is ReferenceRule.ADJACENT_1 else 0.0


def _point_sd(vertebra: Vertebra, max_loss_percent: float) -> Array:
    spread = _measured_spread(vertebra)
    landmark = reader_point_sd(vertebra.known, reader_sd(max_loss_percent)) if spread is None else spread / math.sqrt(2)
    return point_sd(landmark, sampling_mm(vertebra) if vertebra.in_mm else None)


def _measured_spread(vertebra: Vertebra) -> Array | None:
    """(3,) SD of the heights over the finder's planes, mm; a position without one has the largest of the others."""
    given = vertebra.given.height_sd_mm
    if not given or not vertebra.in_mm:
        return None
    return np.array([given.get(name, max(given.values())) for name in ("anterior", "middle", "posterior")])


def _uncertainty(vertebra: Vertebra, assessment: Assessment, found: Scatter, row: int) -> Uncertainty:
    position, loss = assessment.largest
    is_measured = _measured_spread(vertebra) is not None
    sd, angle_sd = reader_sd(loss), float(found.angle_deg[row])
    if is_measured:
        sd = max(float(found.loss[row, position]), PROTOCOL_SD)
        angle_sd = max(angle_sd, PROTOCOL_ANGLE_SD_DEG)
    height, height_sd = float(vertebra.heights[position]), float(found.heights[row, position])
    scattered = residual_sd(height, height_sd, assessment.expected, position)
    sd = math.hypot(sd, scattered, growth_sd(assessment.expected.rule), assessment.doubt)
    return Uncertainty(
        loss_sd_points=max(sd, sampling_sd(sampling_mm(vertebra))),
        angle_sd_deg=angle_sd,
        wedging_sd_percent=float(found.wedging_percent[row]),
        is_measured=is_measured,
    )


@cache
def _noise() -> Array:
    """Return (levels, 6, 2, draws) standard normal numbers.

    Box-Muller on PCG64's raw output, which numpy keeps the same for ever; its own normal numbers may change (NEP 19).
    """
    size = len(ORDER) * DRAWS * 6
    raw = np.random.PCG64(SEED).random_raw(2 * size) >> np.uint64(11)
    uniform = (raw.astype(np.float64) + 0.5) * 2.0**-53
    radius, turn = np.sqrt(-2 * np.log(uniform[:size])), 2 * math.pi * uniform[size:]
    drawn = np.stack((radius * np.cos(turn), radius * np.sin(turn)), axis=-1).reshape(len(ORDER), DRAWS, 6, 2)
    return np.ascontiguousarray(np.moveaxis(drawn, 1, -1))

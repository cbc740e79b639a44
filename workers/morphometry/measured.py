"""The numbers of one vertebra, out of its heights, its assessment and its uncertainty. PURE."""

import math
from dataclasses import dataclass

from sr_templates.findings import Deformity, Measured, Reference, Triple, VertebraFinding
from workers.morphometry import wedging
from workers.morphometry.assessment import Assessment
from workers.morphometry.deformity import Losses, shape, shape_flags
from workers.morphometry.flags import Effect, Flag, strongest
from workers.morphometry.geometry import Array
from workers.morphometry.grading import borderline, genant_grade, grade_probabilities, rounded
from workers.morphometry.heights import POSTERIOR, endplate_angle_deg, ratios, wedging_percent
from workers.morphometry.policy import Policy
from workers.morphometry.uncertainty import Uncertainty
from workers.morphometry.vertebra import Vertebra

_NOTHING = Triple(anterior=None, middle=None, posterior=None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """Everything that is known of one vertebra before its numbers are written down."""

    vertebra: Vertebra
    #: Coded words of the input and of the points.
    words: tuple[str, ...]
    assessment: Assessment
    uncertainty: Uncertainty
    #: The direct neighbours, whatever their own loss, where heights compare.
    above: Vertebra | None = None
    below: Vertebra | None = None


@dataclass(frozen=True, kw_only=True)
class _Graded:
    """What a vertebra with a grade has, and one that keeps heights only has not."""

    losses: Triple = _NOTHING
    grade: int | None = None
    probabilities: tuple[float, float, float, float] | None = None
    borderline: bool = False
    deformity: Deformity | None = None
    flags: tuple[Flag, ...] = ()


def is_gradable(words: tuple[str, ...]) -> bool:
    """Whether none of the coded words forbids a grade (docs/morphometry 4, rows 0 and 1)."""
    return strongest(words, Effect.HEIGHTS_ONLY) is None


def finding_of(case: Case, policy: Policy) -> VertebraFinding:
    """Return the finding of one vertebra."""
    given = case.vertebra.given
    graded = _graded(case, policy) if is_gradable(case.words) else _Graded()
    measured = _measured(case, graded, policy)
    words = (*case.words, *graded.flags)
    if graded.grade is not None and wedging.is_unusual(
        given.level, measured.wedging_percent, case.uncertainty.wedging_sd_percent
    ):
        words = (*words, Flag.UNUSUAL_DIRECTION)
    return VertebraFinding(
        level=given.level, landmark_source=given.source, measured=measured, flags=tuple(map(str, dict.fromkeys(words)))
    )


def _graded(case: Case, policy: Policy) -> _Graded:
    _, loss = case.assessment.largest
    rule, sd = case.assessment.expected.rule, case.uncertainty.loss_sd_points
    anterior, middle, posterior = (float(value) for value in case.assessment.losses)
    losses = Losses(
        anterior=rounded(anterior),
        middle=None if math.isnan(middle) else rounded(middle),
        posterior=rounded(posterior),
    )
    return _Graded(
        losses=Triple(anterior=losses.anterior, middle=losses.middle, posterior=losses.posterior),
        grade=genant_grade(loss, policy.severe_border_grade),
        probabilities=grade_probabilities(loss, sd),
        borderline=borderline(loss, sd),
        deformity=shape(losses, rule),
        flags=shape_flags(losses, rule),
    )


def _measured(case: Case, graded: _Graded, policy: Policy) -> Measured:
    vertebra, expected, uncertainty = case.vertebra, case.assessment.expected, case.uncertainty
    shares, wedged = ratios(vertebra.heights), float(wedging_percent(vertebra.heights))
    return Measured(
        landmarks=vertebra.landmarks,
        heights_mm=_triple(vertebra.heights) if vertebra.in_mm else None,
        wedge_ratio=shares.wedge,
        biconcavity_ratio=shares.biconcavity,
        crush_above=_crush(vertebra, case.above),
        crush_below=_crush(vertebra, case.below),
        wedging_percent=wedged,
        wedge_angle_deg=float(endplate_angle_deg(vertebra.body.points)),
        height_loss_percent=graded.losses,
        loss_sd_points=uncertainty.loss_sd_points,
        reference=Reference(rule=expected.rule, levels=expected.levels, heights=_triple(expected.heights)),
        genant_grade=graded.grade,
        grade_probabilities=graded.probabilities,
        borderline=graded.borderline,
        deformity=graded.deformity,
        wedging_direction=wedging.direction(wedged),
        wedging_assessment=wedging.assess(
            wedged,
            None if graded.grade is None else policy.wedging_limits.get(vertebra.level),
            deformity=wedging.against_neighbours(graded.deformity, expected.rule),
            sd_percent=uncertainty.wedging_sd_percent if uncertainty.is_measured else None,
        ),
        wedge_angle_sd_deg=uncertainty.angle_sd_deg,
    )


def _triple(values: Array) -> Triple:
    anterior, middle, posterior = (float(value) if math.isfinite(value) else None for value in values)
    return Triple(anterior=anterior, middle=middle, posterior=posterior)


def _crush(vertebra: Vertebra, neighbour: Vertebra | None) -> float | None:
    """Hp / Hp of the neighbour."""
    return None if neighbour is None else float(vertebra.heights[POSTERIOR] / neighbour.heights[POSTERIOR])

"""The numbers of one vertebra, out of its heights, its assessment and its uncertainty. PURE."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sr_templates.findings import Deformity, Landmarks, Measured, Reference, Triple, VertebraFinding
from workers.morphometry import wedging
from workers.morphometry.assessment import Assessment, own_loss
from workers.morphometry.deformity import Losses, shape, shape_flags
from workers.morphometry.digits import settled
from workers.morphometry.flags import Effect, Flag, strongest
from workers.morphometry.geometry import Array
from workers.morphometry.grading import MILD, borderline, genant_grade, grade_probabilities, other_grade, rounded
from workers.morphometry.heights import POSTERIOR, ratios
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
    assessment, sd = case.assessment, case.uncertainty.loss_sd_points
    _, loss = assessment.largest
    # A height above the expected one does not make the vertebra more surely sound: it counts as the expected one.
    surely = max(loss, 0.0)
    losses, grade, is_near = _losses(assessment), genant_grade(loss, policy.severe_border_grade), borderline(surely, sd)
    others = _other_grades(case, policy, grade, is_near=is_near)
    return _Graded(
        losses=Triple(anterior=losses.anterior, middle=losses.middle, posterior=losses.posterior),
        grade=grade,
        probabilities=grade_probabilities(surely, sd),
        borderline=is_near or bool(others),
        deformity=shape(losses, assessment.expected.rule),
        flags=(
            *shape_flags(losses, assessment.expected.rule),
            *_doubts(case),
            *(Flag[f"MAY_BE_GRADE_{other}"] for other in others),
        ),
    )


def _losses(assessment: Assessment) -> Losses:
    anterior, middle, posterior = assessment.losses.tolist()
    return Losses(
        anterior=rounded(anterior),
        middle=None if math.isnan(middle) else rounded(middle),
        posterior=rounded(posterior),
    )


def _doubts(case: Case) -> Iterator[Flag]:
    if case.assessment.is_doubtful:
        yield Flag.REFERENCE_DOUBTFUL
    if _is_own_low(case):
        yield Flag.OWN_RATIO_LOW


def _is_own_low(case: Case) -> bool:
    """Whether the vertebra's own walls show a loss of 20 % that its neighbours do not: they may share it."""
    _, loss = case.assessment.largest
    return not case.assessment.is_within_vertebra and rounded(own_loss(case.vertebra.heights)) >= MILD > rounded(loss)


def _other_grades(case: Case, policy: Policy, grade: int, *, is_near: bool) -> list[int]:
    """Return the grades beside `grade`: beyond a near border, by the column's trend, by the vertebra's own walls."""
    assessment, severe = case.assessment, policy.severe_border_grade
    _, loss = assessment.largest
    others: set[int] = set()
    if assessment.is_within_vertebra and assessment.doubt:
        others.add(genant_grade(loss + assessment.doubt, severe))
    elif is_near:
        others.add(other_grade(loss, grade))
    if _is_own_low(case):
        others.add(genant_grade(own_loss(case.vertebra.heights), severe))
    return sorted(others - {grade})


def _measured(case: Case, graded: _Graded, policy: Policy) -> Measured:
    """Return the numbers, each settled here and nowhere else, so that every output has the same."""
    vertebra, expected, uncertainty = case.vertebra, case.assessment.expected, case.uncertainty
    shares, wedged = ratios(vertebra.heights), settled(vertebra.wedging_percent)
    limit = None if graded.grade is None else policy.wedging_limits.get(vertebra.level)
    return Measured(
        landmarks=_settled_points(vertebra.landmarks),
        heights_mm=_triple(vertebra.heights) if vertebra.in_mm else None,
        wedge_ratio=settled(shares.wedge),
        biconcavity_ratio=None if shares.biconcavity is None else settled(shares.biconcavity),
        crush_above=_crush(vertebra, case.above),
        crush_below=_crush(vertebra, case.below),
        wedging_percent=wedged,
        wedge_angle_deg=settled(vertebra.angle_deg),
        height_loss_percent=graded.losses,
        loss_sd_points=settled(uncertainty.loss_sd_points),
        reference=Reference(rule=expected.rule, levels=expected.levels, heights=_triple(expected.heights)),
        genant_grade=graded.grade,
        grade_probabilities=_settled_probabilities(graded.probabilities),
        borderline=graded.borderline,
        deformity=graded.deformity,
        wedging_direction=wedging.direction(wedged),
        wedging_assessment=wedging.assess(
            wedged,
            limit,
            is_deformed=wedging.is_deformed(wedged, graded.deformity, graded.losses.posterior, expected.rule),
            sd_percent=uncertainty.wedging_sd_percent if uncertainty.is_measured else None,
        ),
        wedge_angle_sd_deg=settled(uncertainty.angle_sd_deg),
        axial_spacing_mm=None if vertebra.given.axial_spacing_mm is None else settled(vertebra.given.axial_spacing_mm),
        spacing_source=vertebra.spacing_source,
    )


def _settled_points(landmarks: Landmarks) -> Landmarks:
    return Landmarks(
        space=landmarks.space,
        points={name: tuple(map(settled, point)) for name, point in landmarks.points.items()},
        sop_instance_uid=landmarks.sop_instance_uid,
        frame=landmarks.frame,
        frame_of_reference_uid=landmarks.frame_of_reference_uid,
    )


def _settled_probabilities(
    probabilities: tuple[float, float, float, float] | None,
) -> tuple[float, float, float, float] | None:
    if probabilities is None:
        return None
    none, mild, moderate, severe = map(settled, probabilities)
    return none, mild, moderate, severe


def _triple(values: Array) -> Triple:
    anterior, middle, posterior = (settled(value) if math.isfinite(value) else None for value in values.tolist())
    return Triple(anterior=anterior, middle=middle, posterior=posterior)


def _crush(vertebra: Vertebra, neighbour: Vertebra | None) -> float | None:
    """Hp / Hp of the neighbour."""
    if neighbour is None:
        return None
    return settled(float(vertebra.heights[POSTERIOR] / neighbour.heights[POSTERIOR]))

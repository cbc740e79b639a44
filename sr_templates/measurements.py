"""One vertebra as a TID 1501 Measurement and Qualitative Evaluation Group.

Every group gives the numbers that it has in one order, since 3D Slicer takes its columns from the first group. Without
mid-points the three middle numbers and the biconcavity ratio are missing; without a neighbour, a number at the end;
without a grade, all that rests on expected heights. Changes since a prior study come last. The first five of a graded
vertebra are what OHIF writes next to it. Each NUM has at most one child, its line, since viewers read a single item as
the item itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.coding import Code

from sr_templates import codes
from sr_templates.change import answers, numbers, reasons
from sr_templates.comparison import LevelComparison
from sr_templates.coordinates import Imaging, group_coordinates, line
from sr_templates.findings import Measured, Triple, VertebraFinding

#: The two points of each height, superior first: readers of our reports rely on this order.
LINES: Final[Mapping[str, tuple[str, str]]] = {
    "anterior": ("AS", "AI"),
    "middle": ("MS", "MI"),
    "posterior": ("PS", "PI"),
}


class VertebraGroup(MeasurementsAndQualitativeEvaluations):
    """TID 1501: tracking, Finding Site (CID 7603), method, TID 4019, the numbers of TID 300, the evaluations."""

    def __init__(
        self,
        finding: VertebraFinding,
        measured: Measured,
        *,
        imaging: Imaging,
        tracking_uid: str,
        algorithm: AlgorithmIdentification,
        change: LevelComparison | None = None,
    ) -> None:
        super().__init__(
            tracking_identifier=TrackingIdentifier(identifier=f"{finding.level} vertebra", uid=tracking_uid),
            method=codes.SIX_POINT,
            algorithm_id=algorithm,
            finding_sites=[FindingSite(codes.vertebra(finding.level))],
            measurements=[*_measurements(measured, imaging), *_changes(change)],
            qualitative_evaluations=[QualitativeEvaluation(*pair) for pair in _evaluations(finding, measured, change)],
        )
        self[0].ContinuityOfContent = "SEPARATE"
        content = self[0].ContentSequence
        for item in content:
            if item.name == codes.MEASUREMENT_METHOD:
                # TID 1501 row 5; highdicom 0.28 writes CONTAINS.
                item.RelationshipType = RelationshipTypeValues.HAS_CONCEPT_MOD.value
        content.extend(group_coordinates(measured.landmarks, imaging))
        for flag in finding.flags:
            content.append(TextContentItem(codes.FLAG, flag, RelationshipTypeValues.CONTAINS))
        for reason in () if change is None else reasons(change):
            content.append(TextContentItem(codes.COMPARISON, reason, RelationshipTypeValues.CONTAINS))


@dataclass(frozen=True, kw_only=True)
class _Number:
    name: Code
    value: float | None
    unit: Code
    line: tuple[str, str] | None = None


def _measurements(measured: Measured, imaging: Imaging) -> Iterator[Measurement]:
    """Give the TID 300 measurements of one vertebra, without those it does not have."""
    for number in _numbers(measured):
        if number.value is not None:
            ends = number.line
            has_line = ends is not None and set(ends) <= set(measured.landmarks.points)
            drawn = line(measured.landmarks, ends, imaging) if ends is not None and has_line else None
            yield Measurement(
                name=number.name,
                value=float(number.value),
                unit=number.unit,
                referenced_coordinates=None if drawn is None else [drawn],
            )


def _numbers(measured: Measured) -> Iterator[_Number]:
    """Give every number in the order of the report; without a spacing the lines belong to the losses."""
    calibrated = measured.heights_mm is not None
    if measured.heights_mm is not None:
        yield from _triple(_HEIGHTS, measured.heights_mm, codes.MILLIMETRE, lines=True)
    losses = measured.height_loss_percent
    known = [loss for loss in (losses.anterior, losses.middle, losses.posterior) if loss is not None]
    yield _Number(name=codes.LOSS, value=max(known, default=None), unit=codes.PERCENT)
    yield _Number(name=codes.WEDGING, value=measured.wedging_percent, unit=codes.PERCENT)
    yield _Number(name=codes.WEDGE_ANGLE, value=measured.wedge_angle_deg, unit=codes.DEGREE)
    yield _Number(name=codes.RATIO_WEDGE, value=measured.wedge_ratio, unit=codes.RATIO)
    yield from _triple(_LOSSES, losses, codes.PERCENT, lines=not calibrated)
    if measured.genant_grade is not None:
        yield _Number(name=codes.LOSS_SD, value=measured.loss_sd_points, unit=codes.PERCENT)
        yield from _certainty(measured.genant_grade, measured.grade_probabilities)
        if calibrated:
            yield from _triple(_EXPECTED, measured.reference.heights, codes.MILLIMETRE, lines=False)
    yield _Number(name=codes.RATIO_BICONCAVITY, value=measured.biconcavity_ratio, unit=codes.RATIO)
    yield _Number(name=codes.WEDGE_ANGLE_SD, value=measured.wedge_angle_sd_deg, unit=codes.DEGREE)
    yield _Number(name=codes.SAMPLING, value=measured.axial_spacing_mm, unit=codes.MILLIMETRE)
    yield _Number(name=codes.RATIO_CRUSH_ABOVE, value=measured.crush_above, unit=codes.RATIO)
    yield _Number(name=codes.RATIO_CRUSH_BELOW, value=measured.crush_below, unit=codes.RATIO)


_HEIGHTS: Final = (codes.HEIGHT_ANTERIOR, codes.HEIGHT_MIDDLE, codes.HEIGHT_POSTERIOR)
_LOSSES: Final = (codes.LOSS_ANTERIOR, codes.LOSS_MIDDLE, codes.LOSS_POSTERIOR)
_EXPECTED: Final = (codes.EXPECTED_ANTERIOR, codes.EXPECTED_MIDDLE, codes.EXPECTED_POSTERIOR)


def _triple(names: Sequence[Code], values: Triple, unit: Code, *, lines: bool) -> Iterator[_Number]:
    for name, value, ends in zip(
        names, (values.anterior, values.middle, values.posterior), LINES.values(), strict=True
    ):
        yield _Number(name=name, value=value, unit=unit, line=ends if lines else None)


#: Nothing measured is certain: the largest probability that is printed with one decimal.
_MOST_PERCENT: Final = 99.9


def _certainty(grade: int, probabilities: Sequence[float] | None) -> Iterator[_Number]:
    if probabilities is None:
        return
    percent = [min(round(100 * probability, 1), _MOST_PERCENT) for probability in probabilities]
    yield _Number(name=codes.CERTAINTY, value=percent[grade], unit=codes.PERCENT)
    for name, value in zip(codes.PROBABILITIES, percent, strict=True):
        yield _Number(name=name, value=value, unit=codes.PERCENT)


def _changes(change: LevelComparison | None) -> Iterator[Measurement]:
    for name, value, unit in () if change is None else numbers(change):
        yield Measurement(name=name, value=float(value), unit=unit)


def _evaluations(
    finding: VertebraFinding, measured: Measured, change: LevelComparison | None
) -> Iterator[tuple[Code, Code]]:
    """Give question and answer of each qualitative evaluation; what rests on expected heights only with a grade."""
    grade = measured.genant_grade
    yield codes.GENANT_GRADE, codes.NOT_GRADABLE if grade is None else codes.GRADES[grade]
    if grade is not None:
        yield codes.SEVERITY, codes.SEVERITIES[grade]
        yield codes.BORDERLINE_GRADE, codes.YES if measured.borderline else codes.NO
    if measured.deformity is not None:
        yield codes.DEFORMITY, codes.DEFORMITIES[measured.deformity]
    yield codes.DIRECTION, codes.DIRECTIONS[measured.wedging_direction]
    if grade is not None:
        yield codes.ASSESSMENT, codes.ASSESSMENTS[measured.wedging_assessment]
        yield codes.REFERENCE, codes.REFERENCES[measured.reference.rule]
        for level in measured.reference.levels:
            yield codes.REFERENCE_LEVEL, codes.vertebra(level)
    yield codes.LANDMARKS, codes.LANDMARK_SOURCES[finding.landmark_source]
    if change is not None:
        yield from answers(change)

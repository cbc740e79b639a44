"""One vertebra as a TID 1501 Measurement and Qualitative Evaluation Group.

Every group gives the numbers that it has in one order, since 3D Slicer takes its columns from the first group. Without
mid-points the three middle numbers and the biconcavity ratio are missing; without a neighbour, a number at the end;
without a grade, all that rests on expected heights. The first five of a graded vertebra are what OHIF writes next to
it. Each NUM has at most one child, its line, since viewers read a single item as the item itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ContentItem,
    CoordinatesForMeasurement,
    CoordinatesForMeasurement3D,
    FindingSite,
    GraphicTypeValues,
    GraphicTypeValues3D,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from sr_templates import codes, headers
from sr_templates.findings import Landmarks, Measured, Space, Triple, VertebraFinding

#: The two points of each height, superior first: readers of our reports rely on this order.
LINES: Final[Mapping[str, tuple[str, str]]] = {
    "anterior": ("AS", "AI"),
    "middle": ("MS", "MI"),
    "posterior": ("PS", "PI"),
}
#: Around the body; closed by its first point.
_OUTLINE: Final = ("AS", "MS", "PS", "PI", "MI", "AI")


@dataclass(frozen=True, kw_only=True)
class Imaging:
    """What coordinates refer to: the images by SOP Instance UID, and the frame of reference they share, if any."""

    images: Mapping[str, Dataset]
    frame_of_reference_uid: str | None

    def image(self, sop_instance_uid: str | None) -> Dataset:
        """Return the image of image points; ValueError where it is not among the images."""
        image = self.images.get(sop_instance_uid or "")
        if image is None:
            raise ValueError("expected the image that the points lie in among the images of the report, found none")
        return image


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
    ) -> None:
        super().__init__(
            tracking_identifier=TrackingIdentifier(identifier=f"{finding.level} vertebra", uid=tracking_uid),
            method=codes.SIX_POINT,
            algorithm_id=algorithm,
            finding_sites=[FindingSite(codes.vertebra(finding.level))],
            measurements=list(_measurements(measured, imaging)),
            qualitative_evaluations=[QualitativeEvaluation(*pair) for pair in _evaluations(finding, measured)],
        )
        content = self[0].ContentSequence
        for item in content:
            if item.name == codes.MEASUREMENT_METHOD:
                # TID 1501 row 5; highdicom 0.28 writes CONTAINS.
                item.RelationshipType = RelationshipTypeValues.HAS_CONCEPT_MOD.value
        content.append(_outline(measured.landmarks, imaging))
        for flag in finding.flags:
            content.append(TextContentItem(codes.FLAG, flag, RelationshipTypeValues.CONTAINS))


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
            has_line = number.line is not None and set(number.line) <= set(measured.landmarks.points)
            yield Measurement(
                name=number.name,
                value=float(number.value),
                unit=number.unit,
                referenced_coordinates=[_polyline(measured.landmarks, number.line, imaging)]
                if number.line is not None and has_line
                else None,
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
    for name, value, line in zip(
        names, (values.anterior, values.middle, values.posterior), LINES.values(), strict=True
    ):
        yield _Number(name=name, value=value, unit=unit, line=line if lines else None)


def _certainty(grade: int, probabilities: Sequence[float] | None) -> Iterator[_Number]:
    if probabilities is None:
        return
    percent = [round(100 * probability, 1) for probability in probabilities]
    yield _Number(name=codes.CERTAINTY, value=percent[grade], unit=codes.PERCENT)
    for name, value in zip(codes.PROBABILITIES, percent, strict=True):
        yield _Number(name=name, value=value, unit=codes.PERCENT)


def _evaluations(finding: VertebraFinding, measured: Measured) -> Iterator[tuple[Code, Code]]:
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


def _outline(landmarks: Landmarks, imaging: Imaging) -> ContentItem:
    """Return the outline of the body, TID 1501 row 10c (image) or 10e (patient).

    Stored versions of OHIF cannot read a NUM without coordinates unless the group itself has some.
    """
    names = [name for name in _OUTLINE if name in landmarks.points]
    item = _polyline(landmarks, (*names, names[0]), imaging)
    item.ConceptNameCodeSequence = [CodedConcept.from_code(codes.OUTLINE)]
    item.RelationshipType = RelationshipTypeValues.CONTAINS.value
    return item


def _polyline(
    landmarks: Landmarks, names: Sequence[str], imaging: Imaging
) -> CoordinatesForMeasurement | CoordinatesForMeasurement3D:
    """Return these points as SCOORD (column, row) of an image, or as SCOORD3D in mm of a frame of reference."""
    points = np.array([landmarks.points[name] for name in names], dtype=float)
    if landmarks.space is Space.PATIENT:
        frame_of_reference_uid = landmarks.frame_of_reference_uid or imaging.frame_of_reference_uid
        if not frame_of_reference_uid:
            raise ValueError("expected a frame of reference for patient points, found none")
        return CoordinatesForMeasurement3D(GraphicTypeValues3D.POLYLINE, points, frame_of_reference_uid)
    image = imaging.image(landmarks.sop_instance_uid)
    is_multi_frame = headers.text(image, "NumberOfFrames").strip() not in {"", "1"}
    return CoordinatesForMeasurement(
        GraphicTypeValues.POLYLINE,
        points,
        SourceImageForRegion(
            headers.text(image, "SOPClassUID"),
            headers.text(image, "SOPInstanceUID"),
            [landmarks.frame or 1] if is_multi_frame else None,
        ),
    )

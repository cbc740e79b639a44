"""Lateral radiographs from files to findings: a column of known dimensions, each way to outline it, each scale."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from films import COLUMNS, PIXEL, ROWS, Shown, annotated, column, film, lines, reported, segmented
from plain_settings import REPORT_ALONE
from pydicom.dataset import Dataset
from radiographs import Stand
from report_samples import STUDY, groups
from spooled import write

from sr_templates.findings import Deformity, LandmarkSource, StudyFindings, VertebraFinding
from workers.pipeline import Outcome, StudyReason, measure_files

#: The losses of the deformed ones are 35, 32, 34 and 30 %: each of them grade 2, clear of its borders.
SHAPES = {
    "T10": Deformity.ANTERIOR_WEDGE,
    "T12": Deformity.BICONCAVE,
    "L2": Deformity.CRUSH,
    "L4": Deformity.POSTERIOR_WEDGE,
}


def _measured(folder: Path, *objects: Dataset, supplied: bytes | None = None) -> Outcome:
    return measure_files(write(folder, *objects), settings=REPORT_ALONE, supplied=supplied)


def _by_level(findings: StudyFindings) -> dict[str, VertebraFinding]:
    return {vertebra.level: vertebra for vertebra in findings.vertebrae}


def _carried(carrier: str, image: Dataset, shown: list[Shown]) -> Dataset:
    if carrier == "segmentation":
        return segmented(image, shown)
    return (annotated if carrier == "presentation state" else reported)(image, lines(shown))


@pytest.mark.parametrize("carrier", ["segmentation", "presentation state", "report"])
def test_every_shape_is_measured_and_named(carrier: str, tmp_path: Path) -> None:
    """Ten vertebrae come out within 0.7 mm of their heights, the four deformed ones by their shape, at grade 2."""
    shown, image = column(), film(PixelSpacing=[PIXEL, PIXEL], PixelSpacingCalibrationType="FIDUCIAL")
    outcome = _measured(tmp_path / "study", image, _carried(carrier, image, shown))
    found = _by_level(outcome.findings)

    assert [one.level for one in shown] == list(found)
    for one in shown:
        finding = found[one.level]
        assert finding.measured is not None, finding.reason
        heights = finding.measured.heights_mm
        assert heights is not None
        assert one.profile.heights == pytest.approx((heights.anterior, heights.middle, heights.posterior), abs=0.7)
        shape = SHAPES.get(one.level, Deformity.NONE)
        assert (0 if shape is Deformity.NONE else 2, shape) == (
            finding.measured.genant_grade,
            finding.measured.deformity,
        )
        assert LandmarkSource.SEGMENTATION is finding.landmark_source
    assert ("spondyl-six-point/1", ()) == (outcome.findings.landmark_protocol, outcome.findings.notes)
    assert outcome.report is not None


def test_whole_vertebrae_are_measured_to_their_posterior_wall(tmp_path: Path) -> None:
    """Masks that hold pedicles, processes and laminae give the heights of the bodies, and say that they were cut."""
    shown, image = column(posterior_elements=True)[4:7], film()
    found = _by_level(_measured(tmp_path / "study", image, segmented(image, shown)).findings)

    for one in shown:
        finding = found[one.level]
        assert finding.measured is not None, finding.reason
        assert "POSTERIOR_JOINED" in finding.flags
        heights = finding.measured.heights_mm
        assert heights is not None
        assert one.profile.heights == pytest.approx((heights.anterior, heights.middle, heights.posterior), abs=0.7)


def _some() -> list[Shown]:
    """Return T9 to T12: a wedge with sound vertebrae on both sides of it, and a biconcave one."""
    return column()[1:5]


def _film_findings(folder: Path, **header: Any) -> dict[str, VertebraFinding]:
    image = film(**header)
    return _by_level(_measured(folder, image, annotated(image, lines(_some()))).findings)


CORRECTED, DETECTOR = "MAGNIFICATION_CORRECTED", "DETECTOR_PLANE"


@pytest.mark.parametrize(
    ("header", "factor", "flag"),
    [
        ({"PixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "FIDUCIAL"}, 0.8, None),
        ({"PixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "GEOMETRY"}, 0.8, CORRECTED),
        ({"PixelSpacing": [0.2, 0.2]}, 0.8, CORRECTED),
        ({"EstimatedRadiographicMagnificationFactor": 1.25}, 0.8, CORRECTED),
        ({"DistanceSourceToDetector": 1500, "DistanceSourceToPatient": 1200}, 0.8, CORRECTED),
        ({}, 1.0, DETECTOR),
        ({"PixelSpacing": [PIXEL, PIXEL]}, 1.0, DETECTOR),
        ({"PixelSpacing": [PIXEL, PIXEL], "ImagerPixelSpacing": None}, 1.0, DETECTOR),
        ({"ImagerPixelSpacing": None}, None, "UNCALIBRATED"),
        ({"ImagerPixelSpacing": None, "PixelAspectRatio": [1, 1]}, None, "UNCALIBRATED"),
    ],
    ids=["fiducial", "geometry", "unlike", "factor", "distances", "detector", "same", "alone", "none", "square"],
)
def test_a_scale_makes_mm_and_never_a_grade(
    header: dict[str, Any], factor: float | None, flag: str | None, tmp_path: Path
) -> None:
    """Each header of docs/morphometry 3.3 gives its mm and its flag; ratios, losses, angle and grade are the same."""
    plain, found = _film_findings(tmp_path / "plain"), _film_findings(tmp_path / "other", **header)

    for one in _some():
        first, second = plain[one.level].measured, found[one.level].measured
        assert first is not None
        assert second is not None
        heights = second.heights_mm
        assert (
            factor is None
            if heights is None
            else heights.posterior == pytest.approx(one.profile.heights[2] * (factor or 0), abs=0.5)
        )
        assert pytest.approx(first.wedge_ratio, abs=1e-6) == second.wedge_ratio
        assert pytest.approx(first.wedge_angle_deg, abs=1e-6) == second.wedge_angle_deg
        assert (first.genant_grade, first.height_loss_percent) == (second.genant_grade, second.height_loss_percent)
        scales = {CORRECTED, DETECTOR, "UNCALIBRATED"} & set(found[one.level].flags)
        assert ({flag} if flag else set()) == scales


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"ImagerPixelSpacing": None, "PixelAspectRatio": [4, 3]}, "ANISOTROPY_UNKNOWN"),
        ({"PatientOrientation": ["L", "F"]}, "NOT_LATERAL"),
        ({"ViewPosition": "AP"}, "NOT_LATERAL"),
        ({"PatientOrientation": ["", ""], "ViewPosition": "PA"}, "NOT_LATERAL"),
        ({"PatientOrientation": ["", ""]}, "ANTERIOR_UNDECIDABLE"),
    ],
)
def test_a_film_that_cannot_be_measured_gives_the_reason(header: dict[str, Any], reason: str, tmp_path: Path) -> None:
    """No vertebra of it has numbers; the study is not analysable, with the reason at each vertebra."""
    image = film(**header)
    outcome = _measured(tmp_path / "study", image, annotated(image, lines(_some())))

    assert StudyReason.NO_VERTEBRA_MEASURED == outcome.findings.reason
    assert {reason} == {vertebra.reason for vertebra in outcome.findings.vertebrae}
    assert outcome.report is None


@pytest.mark.parametrize("carrier", ["segmentation", "presentation state"])
def test_pixels_need_not_be_square(carrier: str, tmp_path: Path) -> None:
    """Where they are half as high as wide, and say so, heights are the same mm."""
    shown = column(pixel=(0.5, 0.25))[1:5]
    image = film(Columns=COLUMNS // 2, ImagerPixelSpacing=[0.25, 0.5])
    found = _by_level(_measured(tmp_path / "study", image, _carried(carrier, image, shown)).findings)

    for one in shown:
        measured = found[one.level].measured
        assert measured is not None
        assert measured.heights_mm is not None
        assert one.profile.heights[::2] == pytest.approx(
            (measured.heights_mm.anterior, measured.heights_mm.posterior), abs=0.7
        )


def test_two_films_are_one_source(tmp_path: Path) -> None:
    """The thoracic and the lumbar film, each with a segmentation of its own, are measured together."""
    upper, lower = film(), film(SOPInstanceUID=f"{STUDY}.2.2")
    shown = column()
    masks = [segmented(upper, shown[:3]), segmented(lower, shown[7:9])]
    masks[1].SOPInstanceUID = f"{STUDY}.3.2"
    findings = _measured(tmp_path / "study", upper, lower, *masks).findings

    assert ["T8", "T9", "T10", "L3", "L4"] == [v.level for v in findings.vertebrae if v.measured is not None]
    held = {v.level: v.measured.landmarks.sop_instance_uid for v in findings.vertebrae if v.measured is not None}
    assert (upper.SOPInstanceUID, lower.SOPInstanceUID) == (held["T8"], held["L4"])


def _supplied(image: Dataset, shown: list[Shown]) -> bytes:
    vertebrae = [{"level": one.level, "points": one.points} for one in shown]
    document = {
        "schema": "spondyl.landmarks/1",
        "study_instance_uid": STUDY,
        "sop_instance_uid": image.SOPInstanceUID,
        "space": "image",
        "source": "manual",
        "vertebrae": vertebrae,
    }
    return json.dumps(document).encode()


def test_supplied_points_go_before_outlines(tmp_path: Path) -> None:
    """With points in a document the mask is not measured, and the findings say so."""
    shown, image = _some(), film()
    findings = _measured(
        tmp_path / "study", image, segmented(image, shown[:1]), supplied=_supplied(image, shown)
    ).findings

    assert {LandmarkSource.SUPPLIED_JSON} == {vertebra.landmark_source for vertebra in findings.vertebrae}
    assert ("SEGMENTATIONS_NOT_USED: 1",) == findings.notes


def test_outlines_agree_with_points_on_the_same_film(tmp_path: Path) -> None:
    """True points in a document and outlines in a report give ratios within 3 points of each other and equal grades."""
    shown, image = _some(), film()
    by_points = _by_level(_measured(tmp_path / "points", image, supplied=_supplied(image, shown)).findings)
    by_lines = _by_level(_measured(tmp_path / "lines", image, reported(image, lines(shown))).findings)

    for level in (one.level for one in shown):
        first, second = by_points[level].measured, by_lines[level].measured
        assert first is not None
        assert second is not None
        assert first.wedge_ratio == pytest.approx(second.wedge_ratio, abs=0.03)
        assert first.genant_grade == second.genant_grade


def _second(made: Dataset) -> Dataset:
    made.SOPInstanceUID = f"{made.SOPInstanceUID}.2"
    return made


@pytest.mark.parametrize("carrier", ["segmentation", "presentation state"])
def test_a_frontal_film_takes_nothing_from_the_lateral_one(carrier: str, tmp_path: Path) -> None:
    """Both are outlined, each in an object of its own: the lateral one is measured."""
    lateral, frontal = film(), film(SOPInstanceUID=f"{STUDY}.2.2", ViewPosition="AP", PatientOrientation=["L", "F"])
    objects = [_carried(carrier, lateral, _some()), _second(_carried(carrier, frontal, _some()))]
    found = _by_level(_measured(tmp_path / "study", lateral, frontal, *objects).findings)

    assert [None] * 4 == [one.reason for one in found.values()]


@pytest.mark.parametrize("carrier", ["segmentation", "presentation state"])
def test_films_that_show_another_shape_say_so(carrier: str, tmp_path: Path) -> None:
    """T10 is a wedge on one film and square on the other, T9 the same on both: T10 says that readings differ."""
    first, second = film(), film(SOPInstanceUID=f"{STUDY}.2.2")
    shown = _some()
    square = [replace(one, profile=replace(one.profile, heights=(22.0, 22.0, 22.0), osteophyte=0.0)) for one in shown]
    objects = [_carried(carrier, first, shown), _second(_carried(carrier, second, square))]
    found = _by_level(_measured(tmp_path / "study", first, second, *objects).findings)

    assert all(one.measured is not None for one in found.values())
    assert {"T10", "T12"} == {level for level, one in found.items() if "READINGS_DIFFER" in one.flags}


@pytest.mark.parametrize("carrier", [annotated, reported], ids=["presentation state", "report"])
def test_outlines_beside_points_are_measured(carrier: Callable[..., Dataset], tmp_path: Path) -> None:
    """T10 is given by its corners, the others by outlines, in one object: none of them vanishes."""
    shown, image = _some(), film()
    mixed = lines(shown) | {"T10": np.array([shown[1].points[name] for name in ("AS", "PS", "PI", "AI")])}
    found = _by_level(_measured(tmp_path / "study", image, carrier(image, mixed)).findings)

    assert [None] * 4 == [one.reason for one in found.values()]
    assert {"T9", "T11", "T12"} == {
        level for level, one in found.items() if one.landmark_source is LandmarkSource.SEGMENTATION
    }


@pytest.mark.parametrize("source", ["report", "presentation state", "document"])
def test_hardware_in_a_segmentation_reaches_every_source(source: str, tmp_path: Path) -> None:
    """The segment lies in T11 on the film: T11 has heights and no grade, whoever placed its points."""
    shown, image = _some(), film()
    device = segmented(image, shown[2:3])
    segment = device.SegmentSequence[0]
    segment.SegmentLabel = "hardware"
    segment.SegmentedPropertyTypeCodeSequence[0].CodeValue = "40388003"
    supplied = _supplied(image, shown) if source == "document" else None
    objects = [] if source == "document" else [_carried(source, image, shown)]
    found = _by_level(_measured(tmp_path / "study", image, device, *objects, supplied=supplied).findings)

    assert {"T11"} == {level for level, one in found.items() if "HARDWARE" in one.flags}
    assert found["T11"].measured is not None
    assert found["T11"].measured.genant_grade is None


def test_who_drew_the_lines_is_said(tmp_path: Path) -> None:
    """The content creator of the presentation state stands in the report."""
    image = film()
    outcome = _measured(tmp_path / "study", image, annotated(image, lines(_some())))

    assert outcome.report is not None
    assert b"measured in lines drawn by Doe Jane" in outcome.report.data


def test_a_body_at_the_edge_of_the_film_is_refused(tmp_path: Path) -> None:
    """A mask that is cut off by the edge is TOUCHES_BORDER; its neighbour is measured."""
    shown = column()[:3]
    cut = Shown(level="T8", profile=shown[0].profile, stand=Stand(at=(38 / PIXEL, 6 / PIXEL), pixel=(PIXEL, PIXEL)))
    image = film()
    found = _by_level(_measured(tmp_path / "study", image, segmented(image, [cut, *shown[1:]])).findings)

    assert "TOUCHES_BORDER" == found["T8"].reason
    assert found["T9"].measured is not None


def test_a_body_at_the_collimated_edge_is_refused(tmp_path: Path) -> None:
    """What the header says is not exposed is no part of the film: a body that ends there is TOUCHES_BORDER."""
    shown = column()[:3]
    middle = int(shown[0].stand.at[1])
    image = film(
        CollimatorShape="RECTANGULAR",
        CollimatorLeftVerticalEdge=1,
        CollimatorRightVerticalEdge=COLUMNS,
        CollimatorUpperHorizontalEdge=middle + 1,
        CollimatorLowerHorizontalEdge=ROWS,
    )
    masks = np.stack([one.stand.shadow(one.profile, (ROWS, COLUMNS)) for one in shown], axis=-1)
    masks[:middle] = False
    found = _by_level(_measured(tmp_path / "study", image, segmented(image, shown, masks=masks)).findings)

    assert "TOUCHES_BORDER" == found["T8"].reason
    assert found["T9"].measured is not None


def test_mm_that_were_corrected_stay_on_their_film(tmp_path: Path) -> None:
    """Bodies that look alike on two films with different magnifications are none lower than the others."""
    shown = [replace(one, profile=replace(one.profile, heights=(24.0, 24.0, 24.0), schmorl=0.0)) for one in column()]
    upper = film(EstimatedRadiographicMagnificationFactor=1.1)
    lower = film(EstimatedRadiographicMagnificationFactor=1.4, SOPInstanceUID=f"{STUDY}.2.2")
    second = annotated(lower, lines(shown[5:]))
    second.SOPInstanceUID = f"{STUDY}.7.2"
    found = _by_level(_measured(tmp_path / "study", upper, lower, annotated(upper, lines(shown[:5])), second).findings)

    assert 10 == len(found)
    for one in found.values():
        assert one.measured is not None
        assert 0 == one.measured.genant_grade


def test_the_report_draws_the_points_on_the_film(tmp_path: Path) -> None:
    """Each measurement group of the report refers to the radiograph, with coordinates inside of it."""
    image = film()
    outcome = _measured(tmp_path / "study", image, reported(image, lines(_some())))
    assert outcome.report is not None
    report = pydicom.dcmread(BytesIO(outcome.report.data))
    points = [
        child.GraphicData
        for group in groups(report)
        for number in group.ContentSequence
        for child in number.get("ContentSequence", [])
        if child.ValueType == "SCOORD"
    ]

    assert points
    assert all((np.array(found).reshape(-1, 2) <= (COLUMNS, ROWS)).all() for found in points)

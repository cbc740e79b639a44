from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from report_samples import (
    CT,
    FRAME_OF_REFERENCE,
    STUDY,
    Sample,
    build,
    context,
    findings,
    groups,
    header,
    image_points,
    named,
    patient_points,
    report,
)

from sr_templates import codes
from sr_templates.findings import Landmarks, Measured, Space, StudyFindings, Triple, VertebraFinding

SAMPLES: tuple[Sample, ...] = ("patient", "image", "uncalibrated")
LINES = {"Anterior": ("AS", "AI"), "Middle": ("MS", "MI"), "Posterior": ("PS", "PI")}


def _numbers(group: Dataset) -> list[tuple[str, float, str]]:
    return [
        (
            item.ConceptNameCodeSequence[0].CodeValue,
            item.MeasuredValueSequence[0].FloatingPointValue,
            item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
        )
        for item in group.ContentSequence
        if item.ValueType == "NUM"
    ]


def _answers(group: Dataset, meaning: str) -> list[str]:
    return [item.ConceptCodeSequence[0].CodeMeaning for item in named(group, meaning)]


def _first(found: StudyFindings, **changes: object) -> StudyFindings:
    """Return findings with the first vertebra alone, its numbers changed."""
    vertebra = found.vertebrae[0]
    assert vertebra.measured is not None
    changed: Measured = replace(vertebra.measured, **changes)  # type: ignore[arg-type]  # mixed on purpose
    return replace(found, vertebrae=(replace(vertebra, measured=changed),))


def _only_group(found: StudyFindings, sample: Sample) -> Dataset:
    return groups(build(found, context(sample)))[0]


def test_the_first_five_numbers_are_those_a_viewer_draws() -> None:
    """Anterior, middle, posterior height, height loss, wedging: OHIF labels a vertebra with the first five."""
    expected = [
        ("HEIGHT_ANTERIOR", 24.0, "mm"),
        ("HEIGHT_MIDDLE", 21.0, "mm"),
        ("HEIGHT_POSTERIOR", 25.0, "mm"),
        ("LOSS", 25.0, "%"),
        ("WEDGING", -4.0, "%"),
    ]

    assert expected == _numbers(groups(report("patient"))[0])[:5]


def test_every_number_is_reported_with_its_unit() -> None:
    """The rest of the numbers follow, certainty and expected heights among them, in mm, degrees, percent and ratios."""
    expected = [
        ("WEDGE_ANGLE", -1.68, "deg"),
        ("RATIO_WEDGE", 0.96, "{ratio}"),
        ("LOSS_ANTERIOR", 20.0, "%"),
        ("LOSS_MIDDLE", 25.0, "%"),
        ("LOSS_POSTERIOR", 0.0, "%"),
        ("LOSS_SD", 3.0, "%"),
        ("GRADE_CERTAINTY", 50.0, "%"),
        ("GRADE_0_PROB", 5.0, "%"),
        ("GRADE_1_PROB", 45.0, "%"),
        ("GRADE_2_PROB", 50.0, "%"),
        ("GRADE_3_PROB", 0.0, "%"),
        ("EXPECTED_ANT", 30.0, "mm"),
        ("EXPECTED_MID", 28.0, "mm"),
        ("EXPECTED_POST", 25.0, "mm"),
        ("RATIO_BICONCAVE", 0.84, "{ratio}"),
        ("RATIO_CRUSH_UP", 1.0, "{ratio}"),
        ("RATIO_CRUSH_LOW", 1.0, "{ratio}"),
    ]

    assert expected == _numbers(groups(report("image"))[0])[5:]


def test_the_sampling_is_reported_where_it_is_known() -> None:
    """The distance along the axis stands behind the angle's SD, before the ratios that need a neighbour."""
    found = _first(findings("patient"), axial_spacing_mm=1.25, wedge_angle_sd_deg=0.9)

    assert [("WEDGE_ANGLE_SD", 0.9, "deg"), ("SAMPLING_AXIAL", 1.25, "mm"), ("RATIO_CRUSH_UP", 1.0, "{ratio}")] == (
        _numbers(_only_group(found, "patient"))[-4:-1]
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_groups_have_the_same_numbers_in_the_same_order(sample: Sample) -> None:
    """A group without a neighbour below lacks the last number and no other, since Slicer counts columns."""
    first, second, third = ([name for name, _, _ in _numbers(group)] for group in groups(report(sample)))

    assert first == third
    assert first[:-1] == second


def test_without_spacing_there_are_no_millimetres() -> None:
    """An uncalibrated image gives losses, ratios and angle, and their lines, in every group."""
    for group in groups(report("uncalibrated")):
        assert "mm" not in {unit for _, _, unit in _numbers(group)}
        assert [f"{position} vertebral body height loss" for position in LINES] == [
            item.ConceptNameCodeSequence[0].CodeMeaning
            for item in group.ContentSequence
            if "ContentSequence" in item and item.ValueType == "NUM"
        ]


@pytest.mark.parametrize(("position", "names"), LINES.items())
def test_each_height_is_inferred_from_its_line(position: str, names: tuple[str, str]) -> None:
    """A height has one child: the POLYLINE from the superior to the inferior point, in mm of the frame of reference."""
    number = named(groups(report("patient"))[0], f"{position} vertebral body height")[0]
    (line,) = number.ContentSequence

    assert ("SCOORD3D", "POLYLINE", "INFERRED FROM") == (line.ValueType, line.GraphicType, line.RelationshipType)
    assert line.ReferencedFrameOfReferenceUID == FRAME_OF_REFERENCE
    assert [*patient_points(0.0)[names[0]], *patient_points(0.0)[names[1]]] == list(line.GraphicData)


@pytest.mark.parametrize(("position", "names"), LINES.items())
@pytest.mark.parametrize(("sample", "suffix"), [("image", ""), ("uncalibrated", " loss")])
def test_each_line_in_an_image_names_the_image(
    sample: Sample, suffix: str, position: str, names: tuple[str, str]
) -> None:
    """Image points are SCOORD in (column, row), selected from their image; a frame number needs frames."""
    number = named(groups(report(sample))[0], f"{position} vertebral body height{suffix}")[0]
    (line,) = number.ContentSequence
    (image,) = line.ContentSequence

    assert [*image_points(0.0)[names[0]], *image_points(0.0)[names[1]]] == list(line.GraphicData)
    assert image.RelationshipType == "SELECTED FROM"
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == f"{STUDY}.2.1"
    assert "ReferencedFrameNumber" not in image.ReferencedSOPSequence[0]


@pytest.mark.parametrize(("stated", "expected"), [(7, 7), (None, 1)])
def test_points_in_a_multi_frame_image_name_the_frame(stated: int | None, expected: int) -> None:
    """The frame that points lie in is referred to by its number from 1."""
    many = header(CT, 1, "CT")
    many.NumberOfFrames = 20
    points = Landmarks(space=Space.IMAGE, points=image_points(0.0), sop_instance_uid=many.SOPInstanceUID, frame=stated)
    made = build(_first(findings("image"), landmarks=points), replace(context("image"), images=(many,)))
    line = named(groups(made)[0], "Anterior vertebral body height")[0].ContentSequence[0]

    assert expected == line.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_group_never_mixes_coordinates(sample: Sample) -> None:
    """All coordinates of a group are of one kind; a number has one child at most (viewers take it for the item)."""
    for group in groups(report(sample)):
        parts = [*group.ContentSequence, *(c for i in group.ContentSequence for c in i.get("ContentSequence", []))]
        kinds = {item.ValueType for item in parts if item.ValueType.startswith("SCOORD")}

        assert kinds == {"SCOORD3D" if sample == "patient" else "SCOORD"}
        assert max(len(item.get("ContentSequence", [])) for item in group.ContentSequence) == 1


@pytest.mark.parametrize(("sample", "size"), [("patient", 3), ("image", 2)])
def test_the_outline_closes_around_the_body(sample: Sample, size: int) -> None:
    """The group itself has the outline AS MS PS PI MI AI AS (TID 1501 rows 10c, 10e)."""
    (outline,) = named(groups(report(sample))[0], "Outline")
    points = patient_points(0.0) if sample == "patient" else image_points(0.0)

    assert outline.RelationshipType == "CONTAINS"
    assert [v for name in ("AS", "MS", "PS", "PI", "MI", "AI", "AS") for v in points[name]] == list(outline.GraphicData)
    assert len(outline.GraphicData) == 7 * size


def test_a_vertebra_is_found_by_code_and_tracked() -> None:
    """A group states Finding Site, method (HAS CONCEPT MOD, TID 1501 rows 5 and 6), tracking identifier and UID."""
    found = groups(report("patient"))
    sites = [named(group, "Finding Site")[0].ConceptCodeSequence[0] for group in found]
    (method,) = named(found[0], "Measurement Method")

    assert [("23215003", "SCT"), ("66794005", "SCT"), ("VERTEBRA_L6", codes.SCHEME)] == [
        (site.CodeValue, site.CodingSchemeDesignator) for site in sites
    ]
    assert method.RelationshipType == "HAS CONCEPT MOD"
    assert ["T12 vertebra", "L1 vertebra", "L6 vertebra"] == [
        named(group, "Tracking Identifier")[0].TextValue for group in found
    ]
    assert len({named(group, "Tracking Unique Identifier")[0].UID for group in found}) == 3


def test_every_vertebra_states_reference_and_certainty() -> None:
    """Grade, certainty, whether it is borderline, and rule and levels of the reference stand in each group."""
    for group in groups(report("patient")):
        assert ["Grade 2: height loss from 25 % to the severe border of 40 %"] == _answers(group, codes.GENANT_GRADE[2])
        assert _answers(group, "Severity") == ["Moderate"]
        assert _answers(group, "Grade is borderline") == ["Yes"]
        assert len(named(group, "Probability of the reported grade")) == 1
        assert _answers(group, codes.REFERENCE[2]) == ["Linear fit over vertebrae within three levels"]
        assert ["T11 vertebra", "L2 vertebra", "L3 vertebra"] == _answers(group, codes.REFERENCE_LEVEL[2])


def test_shape_wedging_and_source_are_coded() -> None:
    """Deformity, direction, assessment and where the points come from are answers; flags are text."""
    group = groups(report("patient"))[0]

    assert _answers(group, "Type of height-loss deformity") == ["Biconcave deformity"]
    assert _answers(group, "Wedging direction") == ["Anterior wedging"]
    assert _answers(group, codes.ASSESSMENT[2]) == ["No limit is set for this level"]
    assert _answers(group, "Source of the landmarks") == ["Automatic from a segmentation, unreviewed"]
    assert [item.TextValue for item in named(group, "Measurement flag")] == ["LIMITED_SAMPLING"]


def test_the_algorithm_is_identified() -> None:
    """TID 4019: name, version, and as parameters the landmark protocol, the configuration and the site's settings."""
    made = build(findings("image"), replace(context("image"), parameters=("severe border is grade 2",)))
    group = groups(made)[0]

    assert named(group, "Algorithm Version")[0].TextValue == "spondyl 1.2.3"
    assert ["landmark protocol: spondyl-six-point/1", "configuration: c0ffee", "severe border is grade 2"] == [
        item.TextValue for item in named(group, "Algorithm Parameters")
    ]


def test_a_vertebra_without_a_grade_says_so() -> None:
    """Heights without a grade: not gradable, and nothing that rests on expected heights."""
    group = _only_group(
        _first(
            findings("patient"),
            genant_grade=None,
            grade_probabilities=None,
            deformity=None,
            height_loss_percent=Triple(anterior=None, middle=None, posterior=None),
        ),
        "patient",
    )

    assert _answers(group, codes.GENANT_GRADE[2]) == ["Not gradable"]
    assert not named(group, "Severity")
    assert not named(group, "Grade is borderline")
    assert not named(group, "Probability of the reported grade")
    assert not named(group, "Type of height-loss deformity")
    assert not named(group, codes.ASSESSMENT[2])
    assert not named(group, codes.REFERENCE[2])
    assert not named(group, codes.REFERENCE_LEVEL[2])
    assert _answers(group, "Wedging direction") == ["Anterior wedging"]
    assert [
        *("HEIGHT_ANTERIOR", "HEIGHT_MIDDLE", "HEIGHT_POSTERIOR", "WEDGING", "WEDGE_ANGLE", "RATIO_WEDGE"),
        *("RATIO_BICONCAVE", "SAMPLING_AXIAL", "RATIO_CRUSH_UP", "RATIO_CRUSH_LOW"),
    ] == [name for name, _, _ in _numbers(group)]


def test_probabilities_have_one_decimal() -> None:
    """Nobody knows a probability to more than 0.1 %: neither 6.29e-11 nor 99.9999972 is written."""
    sure = (6.29e-13, 0.0123456, 0.9876541, 2.5e-9)
    group = _only_group(_first(findings("patient"), grade_probabilities=sure), "patient")
    written = {name: value for name, value, _ in _numbers(group) if name.startswith("GRADE_")}

    assert [98.8, 0.0, 1.2, 98.8, 0.0] == list(written.values())


def test_no_number_says_that_a_grade_is_certain() -> None:
    """What rounds to 100.0 % is reported as 99.9 %."""
    made = _only_group(_first(findings("image"), grade_probabilities=(0.0, 0.0, 0.99999, 0.00001)), "image")
    percent = [value for _, value, unit in _numbers(made) if unit == "%"]

    assert percent.count(99.9) == 2
    assert 100.0 not in percent


def test_four_points_give_no_middle_height() -> None:
    """Without mid-points there is no middle height, and the outline has four corners."""
    four = {name: point for name, point in patient_points(0.0).items() if name[0] != "M"}
    points = Landmarks(space=Space.PATIENT, points=four, frame_of_reference_uid=FRAME_OF_REFERENCE)
    no_middle = Triple(anterior=24.0, middle=None, posterior=25.0)
    losses = Triple(anterior=20.0, middle=None, posterior=0.0)
    group = _only_group(
        _first(
            findings("patient"),
            landmarks=points,
            heights_mm=no_middle,
            height_loss_percent=losses,
            biconcavity_ratio=None,
        ),
        "patient",
    )

    assert [("HEIGHT_ANTERIOR", 24.0, "mm"), ("HEIGHT_POSTERIOR", 25.0, "mm"), ("LOSS", 20.0, "%")] == _numbers(group)[
        :3
    ]
    assert len(named(group, "Outline")[0].GraphicData) == 5 * 3


def test_points_in_an_unknown_image_are_refused() -> None:
    """Coordinates may refer only to images that the report rests on."""
    points = Landmarks(space=Space.IMAGE, points=image_points(0.0), sop_instance_uid="1.2.3")

    with pytest.raises(ValueError, match="expected the image that the points lie in"):
        build(_first(findings("image"), landmarks=points), context("image"))


def test_patient_points_take_the_frame_of_reference_of_the_images() -> None:
    """Points without a frame of reference lie in the only one that the evidence has; without one they are refused."""
    points = Landmarks(space=Space.PATIENT, points=patient_points(0.0))
    bare = _first(findings("patient"), landmarks=points)
    line = named(_only_group(bare, "patient"), "Outline")[0]

    assert line.ReferencedFrameOfReferenceUID == FRAME_OF_REFERENCE
    with pytest.raises(ValueError, match="expected a frame of reference"):
        build(bare, context("image"))


def test_a_finding_without_flags_has_no_flag_item() -> None:
    """What is not there is not written empty."""
    vertebra = findings("patient").vertebrae[0]
    plain: VertebraFinding = replace(vertebra, flags=())

    assert not named(_only_group(replace(findings("patient"), vertebrae=(plain,)), "patient"), "Measurement flag")

"""Reports as OHIF, dcmjs, 3D Slicer and others write them; real files where they are there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, dx_lateral, image_points, patient_points

from sr_templates.findings import Point
from workers.landmarks.claims import Study
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.sr import from_report

CORNERS = ("AS", "PS", "AI", "PI")
FILES = (
    "cornerstone3D/no-pixel-data.dcm",
    "dcmjs/examples/data/structured_report.dcm",
    "dcmjs/test/sample-sr.dcm",
    "dcmqi/data/sr-example/sr.dcm",
    "highdicom/data/test_files/sr_document.dcm",
    "highdicom/data/test_files/sr_document_with_multiple_groups.dcm",
    "pydicom-odd/reportsi.dcm",
    "pydicom-odd/reportsi_with_empty_number_tags.dcm",
    "pydicom-odd/test-SR.dcm",
)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value[:16], scheme, meaning
    return code


def _item(value_type: str, name: Dataset | None, *children: Dataset, **values: Any) -> Dataset:
    item = Dataset()
    item.ValueType = value_type
    if name is not None:
        item.ConceptNameCodeSequence = [name]
    if children:
        item.ContentSequence = list(children)
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


LENGTH = _code("G-D7FE", "SRT", "Length")
CENTER = _code("111010", "DCM", "Center")
TRACKING = _code("112039", "DCM", "Tracking Identifier")
FINDING = _code("121071", "DCM", "Finding")
SITE = _code("363698007", "SCT", "Finding Site")
COMMENT = _code("121106", "DCM", "Comment")
L4 = _code("11994002", "SCT", "L4 vertebra")


def _scoord(*points: Point, kind: str = "", name: Dataset | None = None) -> Dataset:
    """Return image coordinates; dcmjs gives them no concept name."""
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = dx_lateral().SOPClassUID, dx_lateral().SOPInstanceUID
    return _item(
        "SCOORD",
        name,
        _item("IMAGE", None, ReferencedSOPSequence=[image]),
        GraphicType=kind or ("POINT" if len(points) == 1 else "POLYLINE"),
        GraphicData=[value for point in points for value in point],
    )


def _scoord3d(*points: Point) -> Dataset:
    return _item(
        "SCOORD3D",
        _code("121112", "DCM", "Source of Measurement"),
        GraphicType="POINT" if len(points) == 1 else "POLYLINE",
        GraphicData=[value for point in points for value in point],
        ReferencedFrameOfReferenceUID=FRAME_OF_REFERENCE,
    )


def _tool(tool: str) -> Dataset:
    return _item("TEXT", TRACKING, TextValue=f"Cornerstone3DTools@^0.1.0:{tool}")


def _is(name: Dataset, value: Dataset) -> Dataset:
    return _item("CODE", name, ConceptCodeSequence=[value])


def _free_text(words: str, scheme: str = "CORNERSTONEJS") -> Dataset:
    return _code("CORNERSTONEFREETEXT", scheme, words)


def _report(*groups: tuple[Dataset, ...]) -> Dataset:
    made = _item("CONTAINER", _code("126000", "DCM", "Imaging Measurement Report"))
    container = _item("CONTAINER", _code("126010", "DCM", "Imaging Measurements"))
    group = _code("125007", "DCM", "Measurement Group")
    container.ContentSequence = [_item("CONTAINER", group, *items) for items in groups]
    made.ContentSequence = [container]
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.22", "1.2.9"
    return made


def _read(report: Dataset) -> dict[str, VertebraLandmarks]:
    study = Study(image_of={dx_lateral().SOPInstanceUID: dx_lateral()}.get, frames={FRAME_OF_REFERENCE})
    return {one.level: one for one in from_report(report, study)}


def _points(found: Mapping[str, VertebraLandmarks]) -> dict[str, Point]:
    (vertebra,) = found.values()
    assert vertebra.landmarks is not None, vertebra.reason
    return dict(vertebra.landmarks.points)


@pytest.mark.parametrize("place", ["finding", "site", "comment", "dcmjs"])
def test_ohif_probes_are_named_by_their_free_text(place: str) -> None:
    """One group a point, its name as free text in a finding, a site or a comment; dcmjs has a new code for it."""
    groups = []
    for name, point in image_points(0.0).items():
        label = f"L4 {name}"
        named = {
            "finding": _is(FINDING, _free_text(label)),
            "site": _is(SITE, _free_text(label)),
            "comment": _item("TEXT", COMMENT, TextValue=label),
            "dcmjs": _is(FINDING, _code("CS3DTEXT", "99dcmjs", label)),
        }[place]
        groups.append((_tool("Probe"), named, _item("NUM", CENTER, _scoord(point))))

    assert image_points(0.0) == _points(_read(_report(*groups)))


def test_an_ohif_arrow_points_with_its_head() -> None:
    """An arrow is a POINT with two points, the head first, and the place of its text is no point at all."""
    text_position = _code("TextPosition", "99CS3D", "Text Annotation Position")
    groups = [
        (
            _tool("ArrowAnnotate"),
            _item("TEXT", COMMENT, TextValue=f"L4 {name}"),
            _item("NUM", CENTER, _scoord(point, (700.0, 700.0), kind="POINT")),
            _scoord((720.0, 690.0), name=text_position),
        )
        for name, point in image_points(0.0).items()
    ]

    assert image_points(0.0) == _points(_read(_report(*groups)))


@pytest.mark.parametrize("length", [LENGTH, _code("410668003", "SCT", "Length"), _code("121206", "DCM", "Distance")])
def test_ohif_lengths_are_heights_where_their_label_says_which(length: Dataset) -> None:
    """A line called "L4 anterior" is the anterior height, drawn in either direction; the finding site may be coded."""
    points = image_points(0.0)
    groups = [
        (_tool("Length"), _is(SITE, L4), _is(FINDING, _free_text(word)), _item("NUM", length, _scoord(*ends)))
        for word, ends in (
            ("anterior", (points["AI"], points["AS"])),
            ("L4 mid height", (points["MS"], points["MI"])),
            ("Hp", (points["PI"], points["PS"])),
        )
    ]

    assert points == _points(_read(_report(*groups)))


def test_lines_of_a_markup_are_read_by_its_name() -> None:
    """3D Slicer gives a line the name of its markup as tracking identifier; four corners are enough."""
    points = patient_points(0.0)
    groups = [
        (
            _item("TEXT", TRACKING, TextValue=f"L4 {word}"),
            _item("NUM", _code("410668003", "SCT", "Length"), _scoord3d(points[f"{letter}S"], points[f"{letter}I"])),
        )
        for letter, word in (("A", "anterior"), ("P", "posterior"))
    ]

    assert {name: points[name] for name in CORNERS} == _points(_read(_report(*groups)))


def test_labels_without_a_level_stay_nameless() -> None:
    """A free text "AS" with no vertebra named in the group is left alone."""
    group = (_tool("Probe"), _is(FINDING, _free_text("AS")), _item("NUM", CENTER, _scoord((1.0, 2.0))))

    assert _read(_report(group)) == {}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Long Axis", "POLYLINE"), ("AREA", "POLYLINE"), ("Length", "CIRCLE"), ("anterior disc height", "POLYLINE")],
)
def test_other_measurements_of_a_labelled_vertebra_are_no_heights(name: str, kind: str) -> None:
    """An axis, an area, a circle or the height of a disc does not bound a body, whatever its label says."""
    number = _item("NUM", _code("X", "99OTHER", name), _scoord((1.0, 2.0), (1.0, 9.0), kind=kind))

    assert _read(_report((_is(SITE, L4), _item("TEXT", COMMENT, TextValue="L4 anterior"), number))) == {}


def test_an_arrow_without_a_name_places_nothing() -> None:
    """A level alone at an arrow, as people label a spine, is no point."""
    arrow = _item("NUM", CENTER, _scoord((1.0, 2.0), (3.0, 4.0), kind="POINT"))

    assert _read(_report((_tool("ArrowAnnotate"), _is(FINDING, _free_text("L4")), arrow))) == {}


def test_two_sites_that_differ_are_refused() -> None:
    """A group about two vertebrae, such as a disc, is neither's."""
    points = image_points(0.0)
    number = _item("NUM", _code("X", "99OTHER", "anterior height"), _scoord(points["AS"], points["AI"]))
    l5 = _code("49668003", "SCT", "L5 vertebra")
    found = _read(_report((_is(SITE, L4), _is(SITE, l5), number)))

    assert {level: one.reason for level, one in found.items()} == dict.fromkeys(("L4", "L5"), "LEVEL_CONFLICT")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_real_reports_hold_no_vertebra(name: str, test_data: Path) -> None:
    """Reports of other makers on other things are read without an exception, and no level is invented."""
    assert _read(dcmread(test_data / "dicom" / name, force=True)) == {}

"""Outlines drawn in reports and presentation states: which are a vertebra's, on which image, which are refused."""

from collections.abc import Sequence
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from annotated import annotation, graphic, presentation, text
from films import VERTEBRAL_BODY, annotated, reported
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from radiographs import Profile, Stand
from report_samples import ct_slice, dx_lateral

from sr_templates.findings import LandmarkSource
from workers.landmarks.claims import Study
from workers.landmarks.outline.closed_lines import outlines_in
from workers.landmarks.outline.devices import devices_in
from workers.landmarks.outline.drawn import Outlines, together
from workers.landmarks.outline.images import films_of
from workers.landmarks.presentation import from_presentation
from workers.landmarks.sr import from_report

RING = Stand(at=(500.0, 1000.0), pixel=(0.2, 0.2)).to_image(Profile().outline(40))
LINES = {"L2": RING, "L3": RING + np.array([0.0, 160.0])}
CORNERS = Stand(at=(500.0, 1000.0), pixel=(0.2, 0.2), tilt_deg=5).to_image(
    Profile(heights=(22, 24, 27)).points[[0, 2, 5, 3]]
)
LESION = Code("52988006", "SCT", "Lesion")
IMAGES = films_of([dx_lateral()])
BONE = Code("272673000", "SCT", "Bone")


def _read(carrier: Dataset, *images: Dataset) -> Outlines:
    return outlines_in(carrier, films_of(images or [dx_lateral()]))


def _levels(outlines: Outlines) -> list[str]:
    return [one.level for one in outlines.drawn]


def _reasons(outlines: Outlines) -> dict[str, str | None]:
    return {level: one.reason for level, one in outlines.refused.items()}


@pytest.mark.parametrize("carrier", [annotated, reported], ids=["presentation state", "report"])
def test_closed_lines_are_read_with_their_level_and_image(carrier: Any) -> None:
    """Every vertex but the one that closes it comes back, on the radiograph that it was drawn on."""
    outlines = _read(carrier(dx_lateral(), LINES))

    assert ["L2", "L3"] == _levels(outlines)
    for one in outlines.drawn:
        assert dx_lateral().SOPInstanceUID == one.where.sop_instance_uid
        assert np.abs(one.rings[0] - LINES[one.level]).max() < 1e-3


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"finding_type": VERTEBRAL_BODY}, ["L2"]),
        ({"finding_type": BONE}, ["L2"]),
        ({"finding_type": Code("14293000", "SCT", "L2 vertebra"), "finding_sites": None}, ["L2"]),
        ({"finding_type": LESION}, []),
        ({"finding_type": None}, []),
        ({"finding_type": LESION, "label": "L2"}, []),
        ({"finding_type": None, "label": "L2"}, ["L2"]),
        ({"finding_type": None, "finding_sites": None, "label": "L2 vertebral body"}, ["L2"]),
        ({"finding_type": VERTEBRAL_BODY, "label": "L2 posterior"}, []),
        ({"finding_type": VERTEBRAL_BODY, "finding_sites": None}, []),
    ],
)
def test_the_outline_of_a_lesion_is_no_vertebra(group: dict[str, Any], expected: list[str]) -> None:
    """A site only says where: the finding must be a vertebra, or a label must name the level and no part of it."""
    assert expected == _levels(_read(reported(dx_lateral(), {"L2": RING}, **group)))


def test_code_and_label_must_agree() -> None:
    """A report whose code says L2 and whose label says L3 refuses both, and names both readings."""
    outlines = _read(reported(dx_lateral(), {"L2": RING}, label="L3"))

    assert {"L2": "LEVEL_CONFLICT", "L3": "LEVEL_CONFLICT"} == _reasons(outlines)
    assert ("CODE_SAYS_L2", "LABEL_SAYS_L3") == outlines.refused["L2"].flags


@pytest.mark.parametrize("count", [5, 7])
@pytest.mark.parametrize("carrier", [annotated, reported], ids=["presentation state", "report"])
def test_five_and_seven_vertices_are_neither_points_nor_an_outline(carrier: Any, count: int) -> None:
    """They are refused with the reason."""
    assert {"L2": "TOO_FEW_VERTICES"} == _reasons(_read(carrier(dx_lateral(), {"L2": RING[::4][:count]})))


@pytest.mark.parametrize("carrier", [annotated, reported], ids=["presentation state", "report"])
def test_four_corners_are_supplied_points(carrier: Any) -> None:
    """A closed line through four corners gives them by name, without mid-points, as points of its carrier."""
    image = dx_lateral()
    made, study = carrier(image, {"L2": CORNERS}), Study(image_of={image.SOPInstanceUID: image}.get, frames=())
    (found,) = [*from_report(made, study), *from_presentation(made, study)]
    expected = dict(zip(("AS", "PS", "PI", "AI"), CORNERS.tolist(), strict=True))

    assert [] == _levels(_read(made))
    assert {LandmarkSource.SUPPLIED_SR, LandmarkSource.SUPPLIED_GSPS} >= {found.source}
    assert found.landmarks is not None
    assert expected == {name: pytest.approx(point, abs=1e-3) for name, point in found.landmarks.points.items()}


def test_lines_on_sections_are_left_alone() -> None:
    """A line on a CT slice, in the study or not, outlines nothing on a radiograph."""
    section = ct_slice(3)

    assert not _read(annotated(section, LINES), section).names_any
    assert not _read(annotated(section, LINES), dx_lateral()).names_any


def test_units_of_the_display_and_several_images_are_refused() -> None:
    """Only pixels of one image place a line."""
    closed = [tuple(point) for point in (*RING.tolist(), RING[0].tolist())]
    beside = text("L2", anchor=(610.0, 1000.0))
    display = presentation(dx_lateral(), annotation([graphic(*closed, units="DISPLAY", TrackingID="L2")]))
    several = presentation(dx_lateral(), annotation([graphic(*closed)], [beside]))
    several.ReferencedSeriesSequence[0].ReferencedImageSequence.append(
        presentation(dx_lateral()).ReferencedSeriesSequence[0].ReferencedImageSequence[0]
    )

    assert {"L2": "DISPLAY_UNITS"} == _reasons(_read(display))
    assert {"L2": "SEVERAL_IMAGES"} == _reasons(_read(several))


def test_marks_are_texts_and_points_that_name_a_side() -> None:
    """A text "anterior" stands where its anchor is; a text with a level marks nothing."""
    texts = [text("anterior", anchor=(300.0, 1000.0)), text("L2 anterior", anchor=(310.0, 1000.0))]
    state = presentation(dx_lateral(), annotation([], texts))
    (mark,) = _read(state).marks

    assert (True, [300.0, 1000.0]) == (mark.is_anterior, mark.point.tolist())


def test_a_report_may_mark_a_side() -> None:
    """A group with a single point whose label says no more than posterior is a mark."""
    group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid="1.2.3", identifier="posterior"),
        referenced_region=hd.sr.ImageRegion(
            graphic_type=hd.sr.GraphicTypeValues.POINT,
            graphic_data=np.array([[700.0, 1000.0]]),
            source_image=hd.sr.SourceImageForRegion(dx_lateral().SOPClassUID, dx_lateral().SOPInstanceUID),
        ),
    )
    report = reported(dx_lateral(), LINES)
    report.ContentSequence[-1].ContentSequence.append(group[0])
    outlines = _read(report)

    assert [(False, [700.0, 1000.0])] == [(mark.is_anterior, mark.point.tolist()) for mark in outlines.marks]
    assert ["L2", "L3"] == _levels(outlines)


def test_other_objects_outline_nothing() -> None:
    """An image is neither a report nor a presentation state."""
    assert not _read(dx_lateral()).names_any


def test_several_objects_are_one_source() -> None:
    """Their outlines and marks stand together; what one refuses is refused."""
    first, second = _read(annotated(dx_lateral(), LINES)), _read(annotated(dx_lateral(), {"L3": RING[::4][:5]}))
    both = together([first, second])

    assert ["L2", "L3"] == _levels(both)
    assert {"L3": "TOO_FEW_VERTICES"} == _reasons(both)


@pytest.mark.parametrize("carrier", [annotated, reported], ids=["presentation state", "report"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_vertex_that_is_no_number_refuses_its_level(carrier: Any, bad: float) -> None:
    """The level does not vanish: it says why, and the other one is read."""
    made = carrier(dx_lateral(), LINES)
    line = next(item for item in made.iterall() if item.keyword == "GraphicData")
    line.value = [*line.value[:6], bad, *line.value[7:]]
    outlines = _read(made)

    assert ["L3"] == _levels(outlines)
    assert {"L2": "NOT_FINITE"} == _reasons(outlines)


def _drawn_as(points: np.ndarray[Any, Any]) -> Dataset:
    beside = text("L2", anchor=(610.0, 1000.0))
    return presentation(dx_lateral(), annotation([graphic(*[(float(x), float(y)) for x, y in points])], [beside]))


def test_a_line_without_its_closing_vertex_is_closed() -> None:
    """Its last vertex is as near to its first as they all are to each other; one that ends near it repeats it."""
    (plain,) = _read(_drawn_as(RING)).drawn
    (near,) = _read(_drawn_as(np.vstack([RING, RING[0] + 0.3]))).drawn

    assert np.abs(plain.rings[0] - RING).max() < 1e-3
    assert np.abs(near.rings[0] - RING).max() < 1e-3


def test_an_open_line_is_refused() -> None:
    """Half an outline is none, and says so."""
    assert {"L2": "NOT_CLOSED"} == _reasons(_read(_drawn_as(RING[:20])))


CEMENT = np.array([(490.0, 990.0), (510.0, 990.0), (512.0, 1010.0), (500.0, 1015.0), (490.0, 1010.0)])


def _state(*texts: Dataset, rings: Sequence[np.ndarray[Any, Any]] = (RING,)) -> Dataset:
    closed = [[(float(x), float(y)) for x, y in (*ring, ring[0])] for ring in rings]
    return presentation(dx_lateral(), annotation([graphic(*one) for one in closed], texts))


def test_a_ring_of_cement_takes_nothing_from_the_vertebra_around_it() -> None:
    """The word stands in both lines; the outline keeps its level, and the ring is a device."""
    ring = np.vstack([CEMENT, CEMENT[-1] + (-1, -3), CEMENT[-1] + (-1, -6), CEMENT[-1] + (-1, -9)])
    state = _state(text("L2", anchor=(590.0, 1000.0)), text("cement", anchor=(500.0, 1000.0)), rings=(RING, ring))

    assert ["L2"] == _levels(_read(state))
    assert [("CEMENT", 8)] == [(str(one.flag), len(one.rings[0])) for one in devices_in(state, IMAGES)]


def test_a_vertebra_that_is_called_cement_does_not_vanish() -> None:
    """Whether the line is that of L2 or of what it holds is not known: it is refused, and L2 holds cement."""
    state = _state(text("L2 cement", anchor=(590.0, 1000.0)))

    assert {"L2": "LABEL_AMBIGUOUS"} == _reasons(_read(state))
    assert ("CEMENT", "L2") in [(one.flag, one.level) for one in devices_in(state, IMAGES)]
    assert [] == devices_in(_state(text("L2", anchor=(590.0, 1000.0)), text("no cement", anchor=(9.0, 9.0))), IMAGES)


def test_cement_that_is_only_said_may_be_anywhere() -> None:
    """A text that stands beside nothing names no place."""
    state = _state(text("L2", anchor=(590.0, 1000.0)), text("cement", anchor=(9.0, 9.0)))

    assert ["DEVICE_UNREADABLE"] == [str(one.flag) for one in devices_in(state, IMAGES)]


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"finding_type": Code("68183006", "SCT", "Bone screw")}, "HARDWARE"),
        ({"finding_type": LESION, "label": "bone cement"}, "CEMENT"),
    ],
)
def test_a_report_may_mark_a_device(group: dict[str, Any], expected: str) -> None:
    """A group whose finding or label is an implant or cement gives its line and its level, and outlines nothing."""
    report = reported(dx_lateral(), {"L2": RING}, **group)
    found = devices_in(report, IMAGES)

    assert [(expected, "L2", 0), (expected, None, 1)] == [(str(one.flag), one.level, len(one.rings)) for one in found]
    assert [] == _levels(_read(report))

"""Outlines drawn in reports and presentation states: which are a vertebra's, on which image, which are refused."""

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

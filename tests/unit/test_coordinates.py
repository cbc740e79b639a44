from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from report_samples import (
    COMPREHENSIVE,
    COMPREHENSIVE_3D,
    CT,
    ENHANCED,
    STUDY,
    build,
    context,
    ct_slice,
    findings,
    groups,
    named,
    patient_points,
)

from sr_templates.context import ReportContext
from sr_templates.findings import Landmarks, Measured, Point, Space, StudyFindings

#: The sample's points lie at x = 1 mm; slice n of the sample at 3 n mm.
ON_SLICE_MM = 3.0


def _one(points: Mapping[str, Point]) -> StudyFindings:
    found = findings("patient")
    vertebra = found.vertebrae[0]
    assert vertebra.measured is not None
    landmarks: Landmarks = replace(vertebra.measured.landmarks, points=points)
    numbers: Measured = replace(vertebra.measured, landmarks=landmarks)
    return replace(found, vertebrae=(replace(vertebra, measured=numbers),))


def _at(x_mm: float, *, anterior_mm: float | None = None) -> StudyFindings:
    """Return one vertebra in the plane x, its anterior points in another where one is given."""
    moved = {
        name: (anterior_mm if anterior_mm is not None and name[0] == "A" else x_mm, y, z)
        for name, (_, y, z) in patient_points(0.0).items()
    }
    return _one(moved)


def _group(found: StudyFindings, sop_class_uid: str = COMPREHENSIVE, sources: ReportContext | None = None) -> Dataset:
    (group,) = groups(build(found, sources or context("patient"), sop_class_uid))
    return group


def _drawn(group: Dataset) -> dict[str, tuple[str, list[float], str]]:
    """Return the coordinates of a group by their name: graphic type, data, number of the image."""
    return {
        item.ConceptNameCodeSequence[0].CodeValue: (
            item.GraphicType,
            list(item.GraphicData),
            item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID.rsplit(".", 1)[-1],
        )
        for item in group.ContentSequence
        if item.ValueType == "SCOORD"
    }


def _lines(group: Dataset) -> dict[str, list[float]]:
    """Return the line of each height that has one."""
    return {
        item.ConceptNameCodeSequence[0].CodeValue: list(item.ContentSequence[0].GraphicData)
        for item in group.ContentSequence
        if item.ValueType == "NUM" and "ContentSequence" in item
    }


def test_patient_points_are_drawn_in_the_patient_where_the_class_allows_it() -> None:
    """Comprehensive 3D SR has SCOORD3D (PS3.3 A.35.13): all is there that no slice shows whole."""
    between = _group(_at(1.0), COMPREHENSIVE_3D)
    ends = [
        child
        for item in between.ContentSequence
        if item.ValueType == "NUM"
        for child in item.get("ContentSequence", [])
    ]
    (outline,) = named(between, "Outline")

    assert ["SCOORD3D"] * 4 == [item.ValueType for item in (*ends, outline)]
    # AS, AI of Ha = 24 at y = -17.
    assert [1.0, -17.0, 12.0, 1.0, -17.0, -12.0] == list(ends[0].GraphicData)
    assert {} == _drawn(between)


def test_the_outline_of_a_body_that_a_slice_shows_lies_on_it_in_every_class() -> None:
    """OHIF draws nothing of the patient's space on a stack of slices, so a reader would see no report at all."""
    group = _group(_at(ON_SLICE_MM), COMPREHENSIVE_3D)
    heights = [item for item in group.ContentSequence if item.ValueType == "NUM" and "ContentSequence" in item]

    assert _drawn(_group(_at(ON_SLICE_MM), COMPREHENSIVE)) == _drawn(group)
    assert ["SCOORD3D"] * 3 == [item.ContentSequence[0].ValueType for item in heights]


@pytest.mark.parametrize("sop_class_uid", [COMPREHENSIVE, ENHANCED])
def test_points_of_an_acquired_slice_are_drawn_on_it(sop_class_uid: str) -> None:
    """The body in the plane of slice 1 has its outline and its lines there: column y + 100.5, row 128.5 - z."""
    group = _group(_at(ON_SLICE_MM), sop_class_uid)
    kind, data, image = _drawn(group)["111041"]

    assert ("POLYLINE", "1") == (kind, image)
    # AS, MS, PS, PI, MI, AI, AS of Ha = 24, Hm = 21, Hp = 25 at y = -17, 0, 17.
    assert [83.5, 116.5, 100.5, 118.0, 117.5, 116.0, 117.5, 141.0, 100.5, 139.0, 83.5, 140.5, 83.5, 116.5] == data
    assert [83.5, 116.5, 83.5, 140.5] == _lines(group)["HEIGHT_ANTERIOR"]
    assert {"HEIGHT_ANTERIOR", "HEIGHT_MIDDLE", "HEIGHT_POSTERIOR"} == set(_lines(group))


def test_each_line_lies_on_the_slice_that_shows_it() -> None:
    """A turned vertebra has its anterior line on slice 2, the others on slice 1, and no outline, but six points."""
    group = _group(_at(ON_SLICE_MM, anterior_mm=6.0))
    drawn = _drawn(group)

    assert {"HEIGHT_ANTERIOR", "HEIGHT_MIDDLE", "HEIGHT_POSTERIOR"} == set(_lines(group))
    assert ["POINT_AI", "POINT_AS", "POINT_MI", "POINT_MS", "POINT_PI", "POINT_PS"] == sorted(drawn)
    assert ("POINT", [83.5, 116.5], "2") == drawn["POINT_AS"]
    assert ("POINT", [117.5, 116.0], "1") == drawn["POINT_PS"]


def test_all_heights_lie_on_the_image_that_holds_the_outline() -> None:
    """A slice that is nearer to one height than the outline's is not taken: a body is drawn in one place."""
    images = tuple(ct_slice(number) for number in (1, 2))
    for image in images:
        image.SliceThickness = 6.0
    # Five points are on slice 1, the anterior height is nearer to slice 2, and both are in the slab of either.
    made = _group(_at(3.4, anterior_mm=5.0), sources=replace(context("patient"), images=images))
    drawn = {
        item.ContentSequence[0].ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in made.ContentSequence
        if item.ValueType == "NUM" and "ContentSequence" in item
    }

    assert _drawn(made)["111041"][2] == "1"
    assert {images[0].SOPInstanceUID} == drawn


def test_a_landmark_without_an_outline_lies_on_the_slice_of_its_height() -> None:
    """Its height and itself are one place of the report, though another slice is nearer to the point alone."""
    images = tuple(ct_slice(number) for number in (1, 2, 3))
    for image in images:
        image.SliceThickness = 3.2
    found = _at(9.0, anterior_mm=4.4)
    vertebra = found.vertebrae[0]
    assert vertebra.measured is not None
    points = dict(vertebra.measured.landmarks.points)
    points["AI"] = (4.59, *points["AI"][1:])
    group = _group(_one(points), sources=replace(context("patient"), images=images))

    assert (_drawn(group)["POINT_AS"][2], _drawn(group)["POINT_AI"][2]) == ("1", "1")


def test_points_between_the_slices_are_not_moved_onto_one() -> None:
    """2 mm off every plane nothing is drawn as measured: one point, named a projection, lets OHIF open the report."""
    group = _group(_at(1.0))

    assert _lines(group) == {}
    assert {"PROJECTION": ("POINT", [100.5, 128.5], "1")} == _drawn(group)


def test_a_thick_slice_shows_what_lies_in_it() -> None:
    """The same points are on a slice 4 mm thick, which images them."""
    images = tuple(ct_slice(number) for number in (1, 2))
    for image in images:
        image.SliceThickness = 4.0

    assert "111041" in _drawn(_group(_at(1.0), sources=replace(context("patient"), images=images)))


def test_a_section_of_ours_shows_what_no_slice_does() -> None:
    """Points between the slices are drawn on a computed section through them, where the context has one."""
    section = ct_slice(9)
    section.ImagePositionPatient = [1.0, -100.0, 128.0]
    group = _group(_at(1.0), sources=replace(context("patient"), derived=(section,)))

    assert {"HEIGHT_ANTERIOR", "HEIGHT_MIDDLE", "HEIGHT_POSTERIOR"} == set(_lines(group))
    assert _drawn(group)["111041"][2] == "9"


def test_a_received_slice_goes_before_a_section_of_ours() -> None:
    """A reader knows the acquired image; a section is for what no acquired image shows, however near it lies."""
    section = ct_slice(9)
    section.ImagePositionPatient = [ON_SLICE_MM + 0.4, -100.0, 128.0]
    group = _group(_at(ON_SLICE_MM + 0.4), sources=replace(context("patient"), derived=(section,)))

    assert _drawn(group)["111041"][2] == "1"


def test_axial_slices_show_each_landmark_by_itself() -> None:
    """A height runs through axial slices, so none shows it: each landmark is a point on its own slice."""
    images = []
    for number, z in enumerate((12.0, -12.0), start=1):
        image = ct_slice(number)
        image.ImageOrientationPatient, image.ImagePositionPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [-100.0, -100.0, z]
        images.append(image)
    group = _group(_at(0.0), sources=replace(context("patient"), images=tuple(images)))

    # Ha = 24 is at +-12, Hm = 21 at +-10.5, Hp = 25 at +-12.5: half a millimetre off is on, 1.5 is off.
    assert ["POINT_AI", "POINT_AS", "POINT_PI", "POINT_PS"] == sorted(_drawn(group))
    assert _lines(group) == {}


def test_a_frame_of_a_multi_frame_image_is_named() -> None:
    """The slice of an enhanced image is a frame, counted from 1 (PS3.3 C.18.4)."""
    image = ct_slice(1)
    image.NumberOfFrames = 2
    image.PerFrameFunctionalGroupsSequence = []
    for x_mm in (0.0, ON_SLICE_MM):
        place, frame = Dataset(), Dataset()
        place.ImagePositionPatient = [x_mm, -100.0, 128.0]
        frame.PlanePositionSequence = [place]
        image.PerFrameFunctionalGroupsSequence.append(frame)
    group = _group(_at(ON_SLICE_MM), sources=replace(context("patient"), images=(image,)))
    (outline,) = named(group, "Outline")

    assert outline.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber == 2


def test_images_without_a_plane_are_referred_to() -> None:
    """Where no image says where it lies nothing can be drawn; the group names the images (TID 1501 row 10b)."""
    bare = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(bare, keyword, ct_slice(1)[keyword].value)
    (image,) = named(
        _group(_at(ON_SLICE_MM), sources=replace(context("patient"), images=(bare,))), "Source of Measurement"
    )

    assert (CT, f"{STUDY}.2.1") == (
        image.ReferencedSOPSequence[0].ReferencedSOPClassUID,
        image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID,
    )


def test_image_points_stay_where_they_are_in_every_class() -> None:
    """Points of an image are SCOORD in all three classes, and the content is the same."""
    made = [build(findings("image"), context("image"), one) for one in (COMPREHENSIVE_3D, COMPREHENSIVE, ENHANCED)]

    assert made[0].ContentSequence == made[1].ContentSequence == made[2].ContentSequence
    assert {"POLYLINE"} == {kind for kind, _, _ in _drawn(groups(made[2])[0]).values()}


def test_patient_points_need_a_frame_of_reference_in_every_class() -> None:
    """Nobody knows where points without one are: refused, not drawn on whatever image there is."""
    points = Landmarks(space=Space.PATIENT, points=patient_points(0.0))
    found = _at(ON_SLICE_MM)
    vertebra = found.vertebrae[0]
    assert vertebra.measured is not None
    lost = replace(found, vertebrae=(replace(vertebra, measured=replace(vertebra.measured, landmarks=points)),))

    with pytest.raises(ValueError, match="expected a frame of reference for patient points, found none"):
        build(lost, replace(context("patient"), images=(), others=context("image").images), COMPREHENSIVE)

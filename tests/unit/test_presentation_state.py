"""Points, level and grade as a presentation state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pictured import moved, only
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, STARTED, STUDY, context, ct_slice, dx_lateral, findings, image_points

from sr_templates import uids
from sr_templates.context import ReportContext
from sr_templates.document import to_bytes
from sr_templates.findings import Point
from sr_templates.presentation_state import build_presentations


def _image(image: Dataset, **changes: object) -> Dataset:
    image.PhotometricInterpretation = "MONOCHROME2"
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    return image


def _film_states(**changes: object) -> list[Dataset]:
    sources = ReportContext(images=(_image(dx_lateral(), **changes),), started_at=STARTED)
    return build_presentations(findings("image"), sources)


def _slice_states(numbers: Sequence[int], levels: Sequence[str] = ("T12", "L1"), **changes: object) -> list[Dataset]:
    images = tuple(_image(ct_slice(number), SliceThickness=3.0, **changes) for number in numbers)
    return build_presentations(only(findings("patient"), levels), ReportContext(images=images, started_at=STARTED))


def _drawn(state: Dataset) -> dict[str, list[tuple[float, float]]]:
    """Return what is drawn, by Tracking ID."""
    return {
        graphic.TrackingID: [(x, y) for x, y in np.array(graphic.GraphicData).reshape(-1, 2).tolist()]
        for item in state.GraphicAnnotationSequence
        for graphic in item.GraphicObjectSequence
    }


def test_outline_and_heights_have_the_points_of_the_findings() -> None:
    """Pixels of the radiograph, 0, 0 at the corner of the first one; the outline ends where it begins."""
    (state,) = _film_states()
    points = image_points(0.0)
    drawn = _drawn(state)

    assert [points[name] for name in ("AS", "MS", "PS", "PI", "MI", "AI", "AS")] == drawn["T12 vertebra"]
    assert [points["MS"], points["MI"]] == drawn["T12 middle height"]
    assert {"PIXEL"} == {
        graphic.GraphicAnnotationUnits
        for item in state.GraphicAnnotationSequence
        for graphic in item.GraphicObjectSequence
    }


def test_level_and_grade_stand_beside_the_body() -> None:
    """The text is anchored behind the posterior wall, at half height; the probability is that of the grade."""
    (state,) = _film_states()
    (item,) = state.GraphicAnnotationSequence
    text = item.TextObjectSequence[0]

    assert "T12 grade 2 (50 %)" == text.UnformattedTextValue
    # Columns 483 to 517, a tenth of that behind; rows 987.5 to 1012.5.
    assert [517 + 3.4, 1000.0] == pytest.approx(list(text.AnchorPoint))
    assert ("PIXEL", "N") == (text.AnchorPointAnnotationUnits, text.AnchorPointVisibility)


def test_a_slice_that_shows_all_points_carries_them() -> None:
    """Points at x = 1 lie in the slab of the slice at 0, 3 mm thick, not in that at 3; half a pixel to its corner."""
    (state,) = _slice_states((0, 1))
    (item,) = state.GraphicAnnotationSequence

    assert [ct_slice(0).SOPInstanceUID] == [image.ReferencedSOPInstanceUID for image in item.ReferencedImageSequence]
    # y = -17 is 83 mm behind the first column's centre, z = 12 is 116 mm below the first row's.
    assert (83.5, 116.5) == _drawn(state)["T12 vertebra"][0]


def test_what_no_image_shows_is_not_drawn() -> None:
    """Slices at 3, 6 mm have no point at 1 within 1.5 mm; L6 lies below the slices: no presentation state."""
    assert [] == _slice_states((1, 2))
    assert [] == _slice_states((0,), levels=("L6",))


def test_a_derived_section_takes_what_no_received_image_shows() -> None:
    """Points that lie on a section of ours are drawn there; what a received image shows stays there."""
    derived = _image(ct_slice(9), ImagePositionPatient=[1.0, -100.0, 128.0], SliceThickness=4.0)
    derived.SeriesInstanceUID = f"{STUDY}.77"
    sources = ReportContext(images=(_image(ct_slice(1)),), started_at=STARTED)
    (state,) = build_presentations(only(findings("patient"), ("T12",)), sources, derived=(derived,))

    assert [f"{STUDY}.77"] == [series.SeriesInstanceUID for series in state.ReferencedSeriesSequence]


def test_each_series_and_each_rescaling_has_its_own() -> None:
    """One presentation state holds one Modality LUT (PS3.3 C.11.1), so slices rescaled differently need two."""
    steep = _image(ct_slice(0), SliceThickness=3.0, RescaleSlope=2, RescaleIntercept=0)
    plain = _image(ct_slice(20), SliceThickness=3.0, RescaleSlope=1, RescaleIntercept=-1024)
    plain.ImagePositionPatient = [30.0, -100.0, 128.0]
    found = only(findings("patient"), ("T12", "L1"))
    first, second = found.vertebrae
    assert second.measured is not None
    points = {name: (x + 29, y, z) for name, (x, y, z) in second.measured.landmarks.points.items()}
    there = replace(second.measured, landmarks=replace(second.measured.landmarks, points=points))
    moved = replace(found, vertebrae=(first, replace(second, measured=there)))
    states = build_presentations(moved, ReportContext(images=(steep, plain), started_at=STARTED))

    assert {(2.0, 0.0), (1.0, -1024.0)} == {(float(s.RescaleSlope), float(s.RescaleIntercept)) for s in states}
    assert [1, 2] == [state.InstanceNumber for state in states]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"WindowCenter": [40, 300], "WindowWidth": [400, 1500]}, (40.0, 400.0)),
        ({"WindowCenter": 40, "WindowWidth": 400}, (40.0, 400.0)),
        ({}, (400.0, 1800.0)),
    ],
    ids=["the first of several", "the one", "none: a window for bone"],
)
def test_the_window_is_that_of_the_image(changes: Mapping[str, Any], expected: tuple[float, float]) -> None:
    """The first window of the image; a CT that states none would be shown grey in grey."""
    (state,) = _slice_states((0,), **changes)
    (window,) = state.SoftcopyVOILUTSequence

    assert expected == (window.WindowCenter, window.WindowWidth)


def test_a_voi_lut_is_taken_over() -> None:
    """A radiograph's table is part of what its sender wants shown (PS3.3 C.11.2)."""
    lut = Dataset()
    lut.LUTDescriptor = [4, 0, 8]
    lut.add_new("LUTData", "US", [0, 80, 160, 255])
    (state,) = _film_states(VOILUTSequence=[lut])

    assert [0, 80, 160, 255] == list(state.SoftcopyVOILUTSequence[0].VOILUTSequence[0].LUTData)


def test_the_last_bits_of_a_point_make_no_other_object() -> None:
    """Matrix products differ in their last bits between processors: points are written to a thousandth of a pixel."""
    sources = replace(context("image"), images=(_image(dx_lateral()),))
    found = findings("image")
    (state,) = build_presentations(found, sources)
    (nudged,) = build_presentations(moved(found, lambda _, points: _shifted(points, 1e-4)), sources)
    (other,) = build_presentations(moved(found, lambda _, points: _shifted(points, 2e-3)), sources)

    assert state.SOPInstanceUID == nudged.SOPInstanceUID
    assert to_bytes(state) == to_bytes(nudged)
    assert state.SOPInstanceUID != other.SOPInstanceUID


@pytest.mark.parametrize(
    ("right_mm", "expected"),
    [(0.0, 517 + 3.4), (282.0, 483 + 282 - 3.4 - 200), (-480.0, 517 - 480 + 3.4)],
    ids=["room behind it", "none: before the body", "at the other edge"],
)
def test_a_text_stays_on_the_image(right_mm: float, expected: float) -> None:
    """Text runs to the right: a body within a fifth of the columns, 200, of the edge has it on its other side."""
    sources = replace(context("image"), images=(_image(dx_lateral()),))
    (state,) = build_presentations(moved(findings("image"), lambda _, points: _shifted(points, right_mm)), sources)
    text = state.GraphicAnnotationSequence[0].TextObjectSequence[0]

    assert [expected, 1000.0] == pytest.approx(list(text.AnchorPoint))


def test_a_text_beside_a_body_that_fills_the_image_lies_inside_it() -> None:
    """There is room on neither side, and rows end too: the anchor is on the image, as far right as the text fits."""
    sources = replace(context("image"), images=(_image(dx_lateral(), Columns=40, Rows=30),))
    (state,) = build_presentations(moved(findings("image"), lambda _, points: _shifted(points, -480.0)), sources)
    text = state.GraphicAnnotationSequence[0].TextObjectSequence[0]

    # A fifth of 40 columns from the right edge; the last row.
    assert [32.0, 30.0] == pytest.approx(list(text.AnchorPoint))


def _shifted(points: Mapping[str, Point], columns: float) -> Mapping[str, Point]:
    return {name: (column + columns, row) for name, (column, row) in points.items()}


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")])
def test_polarity_stays_as_it_is(photometric: str, shape: str) -> None:
    """Low values of MONOCHROME1 are bright, which a presentation state says by INVERSE, as dcmtk's dcmpsmk does."""
    (state,) = _film_states(PhotometricInterpretation=photometric)

    assert shape == state.PresentationLUTShape


def test_a_picture_in_colour_has_no_grey_presentation() -> None:
    """A Grayscale Softcopy Presentation State refers to grey images only (PS3.3 A.33.1)."""
    assert [] == _film_states(PhotometricInterpretation="RGB")


def test_the_whole_image_is_displayed() -> None:
    """From the first to the last pixel, scaled to fit, with the spacing of its pixels (PS3.3 C.10.4)."""
    (state,) = _film_states()
    (area,) = state.DisplayedAreaSelectionSequence

    assert ([1, 1], [1000, 2000]) == (area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner)
    assert ("SCALE TO FIT", [0.2, 0.2]) == (area.PresentationSizeMode, area.PresentationPixelSpacing)


def test_a_frame_is_named() -> None:
    """Points of a frame refer to that frame, the relationship module to the image."""
    found = only(findings("image"), ("T12",))
    (vertebra,) = found.vertebrae
    assert vertebra.measured is not None
    framed = replace(vertebra.measured, landmarks=replace(vertebra.measured.landmarks, frame=2))
    image = _image(dx_lateral(), NumberOfFrames=3)
    sources = ReportContext(images=(image,), started_at=STARTED)
    (state,) = build_presentations(replace(found, vertebrae=(replace(vertebra, measured=framed),)), sources)

    assert 2 == state.GraphicAnnotationSequence[0].ReferencedImageSequence[0].ReferencedFrameNumber


def test_a_vertebra_has_the_tracking_uid_of_the_report() -> None:
    """Outline and text have it, each height one of its own; a UID that is given goes before the one that follows."""
    (state,) = _film_states()
    (item,) = state.GraphicAnnotationSequence
    own = uids.tracking_uid("", study_instance_uid=STUDY, level="T12")
    sources = replace(context("image"), images=(_image(dx_lateral()),), tracking={"T12": "1.2.3"})
    (given,) = build_presentations(findings("image"), sources)

    assert (own, own) == (item.GraphicObjectSequence[0].TrackingUID, item.TextObjectSequence[0].TrackingUID)
    assert 12 == len({graphic.TrackingUID for graphic in item.GraphicObjectSequence})
    assert "1.2.3" == given.GraphicAnnotationSequence[0].GraphicObjectSequence[0].TrackingUID


def test_nobody_is_named_as_creator() -> None:
    """Content Creator's Name is a person's, and empty (type 2): nobody has seen it. It says that it is unverified."""
    (state,) = _film_states()

    assert "" == state.ContentCreatorName
    assert FRAME_OF_REFERENCE not in str(state)


def test_a_list_tells_revisions_apart() -> None:
    """Content Description, what viewers list, has the revision, and is no longer than an LO: 64 characters (PS3.5)."""
    sources = ReportContext(images=(_image(dx_lateral()),), started_at=STARTED)
    (first,), (later,) = (build_presentations(findings("image"), replace(sources, revision=n)) for n in (1, 1000))

    assert "Morphometry, unverified: 3 of 3 vertebrae, revision 1" == first.ContentDescription
    assert later.ContentDescription.endswith(", revision 1000")
    # Two counts of two digits at most are 17 of 17 vertebrae.
    assert len(later.ContentDescription) + 2 <= 64

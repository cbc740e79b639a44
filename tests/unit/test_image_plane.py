from math import cos, radians, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from report_samples import ct_slice, dx_lateral, header

from workers.landmarks.image_plane import is_projection, plane_of
from workers.landmarks.points import ImagePlane, PixelScale

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
PIXELS = PixelScale(row_mm=1.0, column_mm=1.0, kind="none")


def _plane(image: Dataset, frame: int | None = None) -> ImagePlane:
    plane = plane_of(image, frame)
    assert plane is not None
    return plane


def _radiograph(**stated: object) -> Dataset:
    image = dx_lateral()
    del image.ImagerPixelSpacing
    for keyword, value in stated.items():
        setattr(image, keyword, value)
    return image


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"PixelSpacing": [0.18, 0.17], "PixelSpacingCalibrationType": "FIDUCIAL"}, (0.18, 0.17, "calibrated")),
        (
            {"PixelSpacing": [0.18, 0.18], "PixelSpacingCalibrationType": "GEOMETRY", "ImagerPixelSpacing": [0.2, 0.2]},
            (0.18, 0.18, "magnification_corrected"),
        ),
        (
            {"PixelSpacing": [0.18, 0.18], "ImagerPixelSpacing": [0.2, 0.2]},
            (0.18, 0.18, "magnification_corrected"),
        ),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2, "detector_plane")),
        ({"PixelSpacing": [0.2, 0.2]}, (0.2, 0.2, "detector_plane")),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2, "detector_plane")),
        (
            {"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": 1.25},
            (0.16, 0.16, "magnification_corrected"),
        ),
        (
            {
                "PixelSpacing": [0.2, 0.2],
                "ImagerPixelSpacing": [0.2, 0.2],
                "DistanceSourceToDetector": 1500,
                "DistanceSourceToPatient": 1200,
            },
            (0.16, 0.16, "magnification_corrected"),
        ),
        (
            {"ImagerPixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": 900, "DistanceSourceToPatient": 1200},
            (0.2, 0.2, "detector_plane"),
        ),
        ({"PixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": 1.25}, (0.2, 0.2, "detector_plane")),
    ],
    ids=str,
)
def test_the_scale_of_a_radiograph_says_what_it_is_worth(
    stated: dict[str, object], expected: tuple[float, float, str]
) -> None:
    """Calibrated, corrected for magnification, or of the detector's plane (docs/morphometry 3.3)."""
    scale = _plane(_radiograph(**stated)).scale

    assert scale is not None
    assert pytest.approx(expected[:2]) == (scale.row_mm, scale.column_mm)
    assert expected[2] == scale.kind


@pytest.mark.parametrize("spacing", [None, [0.0, 0.2], [0.2], [-0.2, -0.2]])
def test_without_a_usable_spacing_there_is_no_scale(spacing: list[float] | None) -> None:
    """A missing or impossible spacing is never replaced by a guess."""
    image = _radiograph() if spacing is None else _radiograph(ImagerPixelSpacing=spacing)

    assert _plane(image).scale is None


def test_a_secondary_capture_is_uncalibrated() -> None:
    """Its pixels may have been resized; only a calibration against an object counts."""
    capture = header(SECONDARY_CAPTURE, 1, "OT")
    capture.Rows, capture.Columns, capture.PixelSpacing = 100, 80, [0.5, 0.5]
    plain = _plane(capture).scale
    capture.PixelSpacingCalibrationType = "FIDUCIAL"

    assert plain is None
    assert PixelScale(row_mm=0.5, column_mm=0.5, kind="calibrated") == _plane(capture).scale


def test_a_spacing_that_is_no_scale_still_tells_that_pixels_are_not_square() -> None:
    """Angles and tilted heights in such pixels are wrong, and nothing else says so."""
    capture = header(SECONDARY_CAPTURE, 1, "OT")
    capture.Rows, capture.Columns, capture.PixelSpacing = 100, 80, [0.5, 0.25]
    resized = _radiograph(PixelSpacing=[0.3, 0.25], ImagerPixelSpacing=[0.2, 0.2])

    assert [(None, False)] * 2 == [(one.scale, one.square_pixels) for one in map(_plane, (capture, resized))]


@pytest.mark.parametrize(("ratio", "expected"), [(None, True), ([1, 1], True), ([4, 3], False), (["4", "4"], True)])
def test_pixels_are_square_unless_the_image_says_otherwise(ratio: list[object] | None, expected: bool) -> None:
    """Pixel Aspect Ratio (0028,0034) is there only where pixels are not square."""
    image = _radiograph() if ratio is None else _radiograph(PixelAspectRatio=ratio)

    assert expected is _plane(image).square_pixels


@pytest.mark.parametrize(
    ("letters", "anterior", "superior"),
    [
        (["A", "F"], (1.0, 0.0), (0.0, -1.0)),
        (["P", "F"], (-1.0, 0.0), (0.0, -1.0)),
        (["AF", "FP"], (1.0, 0.0), (0.0, -1.0)),
        (["F", "A"], (0.0, 1.0), (-1.0, 0.0)),
        (["P", "H"], (-1.0, 0.0), (0.0, 1.0)),
        (["L", "F"], None, (0.0, -1.0)),
        (["A"], (1.0, 0.0), None),
        (["", ""], None, None),
    ],
)
def test_a_radiograph_is_turned_as_its_letters_say(
    letters: list[str], anterior: tuple[float, float] | None, superior: tuple[float, float] | None
) -> None:
    """Patient Orientation names where columns, then rows increase to (PS3.3 C.7.6.1.1.1); silence is no direction."""
    plane = _plane(_radiograph(PatientOrientation=letters))

    assert (anterior, superior) == (plane.anterior, plane.superior)


@pytest.mark.parametrize(
    ("letters", "expected"),
    [(["A", "F"], True), (["L", "F"], False), (["P", "L"], False), (["A"], None), (["", ""], None), (["X", "F"], None)],
)
def test_a_direction_out_of_the_plane_is_told_from_an_unknown_one(letters: list[str], expected: bool | None) -> None:
    """Both letters known: lateral or not; else nobody knows."""
    assert expected is _plane(_radiograph(PatientOrientation=letters)).is_lateral


@pytest.mark.parametrize(
    ("letters", "anterior", "lateral"),
    [
        (["P", "F"], (-1.0, 0.0), True),
        (["A", "F"], None, True),
        (["L", "F"], (-1.0, 0.0), False),
        ([], (-1.0, 0.0), True),
    ],
    ids=["agree", "contradict", "frontal", "silent"],
)
def test_a_radiograph_that_contradicts_itself_says_nothing(
    letters: list[str], anterior: tuple[float, float] | None, lateral: bool
) -> None:
    """Where letters and cosines name opposite sides, nobody knows which is anterior; one that says frontal counts."""
    plane = _plane(_radiograph(PatientOrientation=letters, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]))

    assert (anterior, lateral) == (plane.anterior, plane.is_lateral)


def test_the_scout_of_a_ct_is_a_projection() -> None:
    """Its pixels are magnified by an unknown factor across the table; the scout of an MR is a section."""
    scout, slice_ = ct_slice(1), ct_slice(1)
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    assert (True, False) == (is_projection(scout), is_projection(slice_))
    assert (False, "detector_plane") == (_plane(scout).is_section, (_plane(scout).scale or PIXELS).kind)
    scout.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    assert (False, True) == (is_projection(scout), _plane(scout).is_section)


def test_an_enhanced_radiograph_has_its_spacing_in_a_functional_group() -> None:
    """Imager Pixel Spacing of Enhanced XA stands in XA/XRF Frame Pixel Data Properties (PS3.3 C.8.19.6.4)."""
    properties, shared = Dataset(), Dataset()
    properties.ImagerPixelSpacing = [0.25, 0.5]
    shared.FramePixelDataPropertiesSequence = [properties]
    image = _radiograph(SOPClassUID="1.2.840.10008.5.1.4.1.1.12.1.1", SharedFunctionalGroupsSequence=[shared])

    assert PixelScale(row_mm=0.25, column_mm=0.5, kind="detector_plane") == _plane(image).scale


def test_a_spacing_that_its_aspect_ratio_contradicts_is_no_scale() -> None:
    """One of them is wrong, and nobody knows which."""
    plane = _plane(_radiograph(ImagerPixelSpacing=[0.2, 0.2], PixelAspectRatio=[2, 1]))

    assert (None, False) == (plane.scale, plane.square_pixels)


def _framed(device: str, shape: str = "RECTANGULAR") -> dict[str, object]:
    edges = {"LeftVertical": 11, "RightVertical": 90, "UpperHorizontal": 21, "LowerHorizontal": 80}
    return {f"{device}Shape": shape} | {f"{device}{edge}Edge": value for edge, value in edges.items()}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, None),
        (_framed("Collimator"), (10, 20, 90, 80)),
        (_framed("Shutter"), (10, 20, 90, 80)),
        (_framed("Shutter") | _framed("Collimator") | {"ShutterLeftVerticalEdge": 31}, (30, 20, 90, 80)),
        (_framed("Collimator", shape="CIRCULAR"), None),
        (_framed("Collimator") | {"CollimatorLeftVerticalEdge": None}, None),
    ],
    ids=["silent", "collimator", "shutter", "both", "circle", "three edges"],
)
def test_collimator_and_shutter_say_what_is_exposed(
    stated: dict[str, object], expected: tuple[float, ...] | None
) -> None:
    """The outermost columns and rows that show the patient (PS3.3 C.8.7.3, C.7.6.11), counted from 1, as edges."""
    assert expected == _plane(_radiograph(**stated)).exposed


@pytest.mark.parametrize(
    ("cosines", "expected"),
    [
        ([0, 1, 0, 0, 0, -1], True),
        ([1, 0, 0, 0, 0, -1], False),
        ([1, 0, 0, 0, 1, 0], False),
        ([0, 0, 0, 0, 0, 0], None),
        ([0, 1, 0, 0, 1, 0], None),
        ([0, 1, 0, 0, 0], None),
    ],
    ids=["sagittal", "coronal", "axial", "zero", "parallel", "five"],
)
def test_a_section_shows_the_side_or_not(cosines: list[float], expected: bool | None) -> None:
    """Two unit vectors at right angles tell the plane; anything else tells nothing."""
    image = ct_slice(1)
    image.ImageOrientationPatient = cosines

    assert expected is _plane(image).is_lateral
    assert _plane(image).is_section


def test_a_sagittal_slice_is_turned_as_its_cosines_say() -> None:
    """Columns go posterior and rows inferior, so anterior is left and superior up; the scale is that of the slice."""
    plane = _plane(ct_slice(1))

    assert (plane.anterior, plane.superior) == ((-1.0, 0.0), (0.0, -1.0))
    assert PixelScale(row_mm=1.0, column_mm=1.0, kind="calibrated") == plane.scale


def test_an_axial_slice_has_no_superior() -> None:
    """A direction out of the plane is no direction in it."""
    axial = ct_slice(1)
    axial.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]

    assert _plane(axial).superior is None
    assert _plane(axial).anterior == (0.0, -1.0)


@settings(max_examples=50, deadline=None)
@given(angle=st.floats(-180, 180))
def test_directions_turn_with_the_image(angle: float) -> None:
    """In a sagittal plane turned by an angle both directions stay unit vectors at right angles to each other."""
    turned = ct_slice(1)
    c, s = cos(radians(angle)), sin(radians(angle))
    turned.ImageOrientationPatient = [0, round(c, 9), round(-s, 9), 0, round(-s, 9), round(-c, 9)]
    plane = _plane(turned)

    assert pytest.approx((-c, s), abs=1e-6) == plane.anterior
    assert pytest.approx((-s, -c), abs=1e-6) == plane.superior


def test_an_enhanced_image_has_its_geometry_per_frame() -> None:
    """A frame's own functional groups come before the shared ones (PS3.3 C.7.6.16), these before stale root values."""
    measures, own, orientation, shared, frame = (Dataset() for _ in range(5))
    measures.PixelSpacing, own.PixelSpacing = [0.5, 0.5], [0.4, 0.3]
    orientation.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    frame.PixelMeasuresSequence = [own]
    image = header(ENHANCED_CT, 1, "CT")
    image.Rows, image.Columns, image.NumberOfFrames = 10, 10, 2
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = [Dataset(), frame]
    image.PixelSpacing, image.ImageOrientationPatient = [0.9, 0.9], [1, 0, 0, 0, 1, 0]

    assert PixelScale(row_mm=0.5, column_mm=0.5) == _plane(image).scale
    assert PixelScale(row_mm=0.4, column_mm=0.3) == _plane(image, 2).scale
    assert _plane(image, 2).anterior == (-1.0, 0.0)
    assert plane_of(image, 3) is None
    assert plane_of(image, 0) is None


@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_an_object_without_pixels_has_no_plane(keyword: str) -> None:
    """What has no rows or columns is no image."""
    image = dx_lateral()
    delattr(image, keyword)

    assert plane_of(image) is None


def test_numbers_that_are_none_are_ignored() -> None:
    """A spacing that is text in disguise, as odd files hold it, is no spacing."""
    image = _radiograph()
    image.add_new("ImagerPixelSpacing", "LO", ["a", "b"])

    assert _plane(image).scale is None

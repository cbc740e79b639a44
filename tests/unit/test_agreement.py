"""Whether a line lies where the points lie, in the space of either."""

from collections.abc import Mapping

import pytest
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, ct_slice, patient_points

from sr_templates.findings import Landmarks, LandmarkSource, Point, Space
from workers.landmarks.agreement import is_moved, with_outlines
from workers.landmarks.claims import Claim, Flag, Line, Spot, Study
from workers.landmarks.points import VertebraLandmarks

SLICE = ct_slice(1)
AROUND = ("AS", "MS", "PS", "PI", "MI", "AI")
POINTS = patient_points(0.0)
#: The same on the slice: 1 mm a pixel; the centre of the first one is y = -100, z = 128.
PIXELS = {name: (y + 100.5, 128.5 - z) for name, (_, y, z) in POINTS.items()}
STUDY = Study(image_of=lambda uid: SLICE if uid == SLICE.SOPInstanceUID else None, frames={FRAME_OF_REFERENCE})


def _vertebra(points: Mapping[str, Point] = POINTS, uid: str = "1.2") -> VertebraLandmarks:
    space = Space.PATIENT if len(points["AS"]) == 3 else Space.IMAGE
    landmarks = Landmarks(space=space, points=points, sop_instance_uid=uid)
    return VertebraLandmarks(level="L1", source=LandmarkSource.REVIEWED, landmarks=landmarks)


def _spot(point: Point, image: Dataset = SLICE) -> Spot:
    if len(point) == 3:
        return Spot(name="", point=point, space=Space.PATIENT, frame_of_reference_uid=FRAME_OF_REFERENCE)
    return Spot(name="", point=point, space=Space.IMAGE, sop_instance_uid=image.SOPInstanceUID)


def _differs(vertebra: VertebraLandmarks, ring: list[Spot]) -> bool:
    (found,) = with_outlines([vertebra], {"L1": Claim(outlines=[tuple(ring)])}, STUDY)
    return Flag.OUTLINE_DIFFERS in found.flags


@pytest.mark.parametrize(
    ("vertebra", "ring"),
    [
        (_vertebra(), POINTS),
        (_vertebra(), PIXELS),
        (_vertebra(PIXELS, SLICE.SOPInstanceUID), PIXELS),
    ],
    ids=["patient", "patient on a slice", "image"],
)
def test_an_outline_goes_through_its_points(vertebra: VertebraLandmarks, ring: Mapping[str, Point]) -> None:
    """In any order and from any point on; half a thousandth of a pixel is rounding, a tenth of one is not."""
    points = [ring[name] for name in AROUND]

    for shift, expected in ((0.0005, False), (0.1, True)):
        first, *rest = points
        moved = (first[0], first[1] + shift, *first[2:])
        assert expected is _differs(vertebra, [_spot(point) for point in (*rest[::-1], moved)])
    assert _differs(vertebra, [_spot(point) for point in points[1:]])
    assert _differs(vertebra, [_spot(point) for point in (*points, (150.0, 150.0, 0.0)[: len(points[0])])])


def test_points_beside_the_image_of_their_outline_are_elsewhere() -> None:
    """A line that was drawn out of the slice that the outline lies on does not go through it."""
    far = {name: (x, y + 500.0, z) for name, (x, y, z) in POINTS.items()}

    assert _differs(_vertebra(far), [_spot(PIXELS[name]) for name in AROUND])


def test_what_nobody_can_compare_is_not_said_to_differ() -> None:
    """On an image that is not there, on two images, or in the patient where the points are of an image."""
    other = ct_slice(2)

    assert not _differs(_vertebra(), [_spot((0.0, 0.0), other)])
    assert not _differs(_vertebra(PIXELS, other.SOPInstanceUID), [_spot((0.0, 0.0))])
    assert not _differs(_vertebra(PIXELS, SLICE.SOPInstanceUID), [_spot((0.0, 0.0, 0.0))])


def test_a_carrier_with_a_point_elsewhere_was_moved() -> None:
    """Its points are those that were measured, or else somebody moved one, or nobody measured the level."""
    line = Line(position="anterior", spots=(_spot(PIXELS["AS"]), _spot(PIXELS["AI"])))
    claims = {"L1": Claim(items=[line])}
    lower = {**POINTS, "AI": (1.0, -17.0, -14.0)}

    assert not is_moved(claims, [_vertebra()], STUDY)
    assert is_moved(claims, [_vertebra(lower)], STUDY)
    assert is_moved(claims, [], STUDY)

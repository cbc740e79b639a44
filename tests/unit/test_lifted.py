import pytest
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, ct_slice, dx_lateral

from sr_templates.findings import Landmarks, LandmarkSource, Space
from workers.landmarks.lifted import in_patient, lifted, shared_frame
from workers.landmarks.points import VertebraLandmarks


def test_points_of_two_slices_lie_where_their_slices_lie() -> None:
    """Slice n is at x = 3 n mm, its first pixel's centre at y = -100, z = 128 mm, its pixels 1 mm apart."""
    drawn = [((83.5, 116.5), ct_slice(1), None), ((84.5, 120.5), ct_slice(2), None)]

    assert lifted(drawn) == [(3.0, -17.0, 12.0), (6.0, -16.0, 8.0)]


def test_a_frame_has_a_place_of_its_own() -> None:
    """A point of an enhanced image lies in the plane of the frame that it names; without a number none is known."""
    image = ct_slice(1)
    image.NumberOfFrames = 2
    image.PerFrameFunctionalGroupsSequence = []
    for x_mm in (3.0, 9.0):
        place, frame = Dataset(), Dataset()
        place.ImagePositionPatient = [x_mm, -100.0, 128.0]
        frame.PlanePositionSequence = [place]
        image.PerFrameFunctionalGroupsSequence.append(frame)

    assert lifted([((0.5, 0.5), image, 2)]) == [(9.0, -100.0, 128.0)]
    assert lifted([((0.5, 0.5), image, None)]) is None


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"])
def test_an_image_that_does_not_say_where_it_lies_lifts_nothing(keyword: str) -> None:
    """Without spacing, position or orientation a pixel is nowhere in the patient, and neither is an absent image."""
    image = ct_slice(2)
    del image[keyword]

    assert lifted([((0.5, 0.5), ct_slice(1), None), ((0.5, 0.5), image, None)]) is None
    assert lifted([((0.5, 0.5), None, None)]) is None


def test_only_sections_of_one_frame_of_reference_share_it() -> None:
    """Two frames of reference are two places, and a radiograph has no third dimension even where it states one."""
    other, film = ct_slice(2), dx_lateral()
    other.FrameOfReferenceUID = "1.2.3"
    film.FrameOfReferenceUID = FRAME_OF_REFERENCE

    assert shared_frame([ct_slice(1), ct_slice(2)]) == FRAME_OF_REFERENCE
    assert [shared_frame([ct_slice(1), one]) for one in (other, film, None)] == ["", "", ""]


def test_a_vertebra_on_a_slice_is_the_same_in_the_patient() -> None:
    """Its points name what they were drawn in and the frame of reference; on a film they stay where they are."""
    slice_of, film = ct_slice(1), dx_lateral()
    on_slice = Landmarks(space=Space.IMAGE, points={"AS": (83.5, 116.5)}, sop_instance_uid=slice_of.SOPInstanceUID)
    drawn = VertebraLandmarks(level="L1", source=LandmarkSource.REVIEWED, landmarks=on_slice)
    found = in_patient(drawn, lambda _: slice_of, carrier_uid="1.2.3").landmarks

    assert found == Landmarks(
        space=Space.PATIENT,
        points={"AS": (3.0, -17.0, 12.0)},
        sop_instance_uid="1.2.3",
        frame_of_reference_uid=FRAME_OF_REFERENCE,
    )
    assert drawn == in_patient(drawn, lambda _: film, carrier_uid="1.2.3")
    assert drawn == in_patient(drawn, lambda _: None, carrier_uid="1.2.3")

import pytest
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, ct_slice, dx_lateral

from workers.landmarks.lifted import lifted, shared_frame


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

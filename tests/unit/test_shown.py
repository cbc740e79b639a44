"""Rescaling and window of an image or a frame."""

from pydicom.dataset import Dataset

from sr_templates.shown import rescale, window


def _enhanced() -> Dataset:
    """Return an image of two frames: the first has a rescaling of its own, both share a window."""
    image, first, shared, values, look = (Dataset() for _ in range(5))
    values.RescaleSlope, values.RescaleIntercept = 2, -7
    look.WindowCenter, look.WindowWidth = 40, 400
    first.PixelValueTransformationSequence, shared.FrameVOILUTSequence = [values], [look]
    image.PerFrameFunctionalGroupsSequence, image.SharedFunctionalGroupsSequence = [first, Dataset()], [shared]
    return image


def test_a_frame_goes_before_what_is_shared() -> None:
    """Functional groups of the frame, then the shared ones, then the image (PS3.3 C.7.6.16)."""
    image = _enhanced()

    assert ((2.0, -7.0), None) == (rescale(image, 1), rescale(image, 2))
    found = window(image, 2)
    assert found is not None
    assert 40 == found.WindowCenter


def test_a_plain_image_states_it_itself() -> None:
    """Slope and intercept together, or nothing; a slope of zero and a window without width are none."""
    image = Dataset()
    assert (None, None) == (rescale(image), window(image))
    image.RescaleSlope, image.RescaleIntercept, image.WindowWidth, image.WindowCenter = 0, 5, 0, 10
    assert (None, None) == (rescale(image), window(image))
    image.RescaleSlope, image.WindowWidth = 3, 100
    assert ((3.0, 5.0), image) == (rescale(image), window(image))

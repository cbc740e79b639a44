"""How the pixel values of an image become what is shown: rescaling and window, as its header says."""

from collections.abc import Iterator
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import headers

#: Centre and width, Hounsfield units, of a window in which cortical and spongy bone are told apart: a usual bone window
#: of CT. What a sender states is mostly one for soft tissue, in which a vertebra is plain white.
BONE_WINDOW_HU: Final = (400.0, 1800.0)


def rescale(image: Dataset, frame: int = 1) -> tuple[float, float] | None:
    """Return slope and intercept of a frame, counted from 1 (PS3.3 C.11.1, C.7.6.16.2.9); None where it has none."""
    for part in _parts(image, frame, "PixelValueTransformationSequence"):
        slope, intercept = headers.numbers(part, "RescaleSlope"), headers.numbers(part, "RescaleIntercept")
        if slope and intercept and slope[0]:
            return slope[0], intercept[0]
    return None


def window(image: Dataset, frame: int = 1) -> Dataset | None:
    """Return the part of a header that states the first window or VOI LUT of a frame (C.11.2, C.7.6.16.2.10)."""
    for part in _parts(image, frame, "FrameVOILUTSequence"):
        if headers.items(part, "VOILUTSequence") or min(headers.numbers(part, "WindowWidth"), default=0) > 0:
            return part
    return None


def _parts(image: Dataset, frame: int, sequence: str) -> Iterator[Dataset]:
    """Give what may state it: the frame's functional group, the shared one, then the image itself."""
    per_frame = headers.items(image, "PerFrameFunctionalGroupsSequence")[frame - 1 : frame]
    for group in (*per_frame, *headers.items(image, "SharedFunctionalGroupsSequence")):
        yield from headers.items(group, sequence)
    yield image

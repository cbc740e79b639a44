"""Coded words for what keeps a mask from being measured, or makes its numbers less certain."""

from enum import StrEnum


class Reason(StrEnum):
    """Why no points were placed."""

    #: The segment has no pixels.
    EMPTY = "EMPTY"
    #: The pixel data is missing, short, in a syntax that cannot be decoded, or the segment has no number.
    UNREADABLE = "UNREADABLE"
    #: Fewer than two planes, or a frame without position or orientation: there is no volume.
    NO_GEOMETRY = "NO_GEOMETRY"
    #: The planes are not parallel, not in line, or not equally spaced.
    IRREGULAR_SPACING = "IRREGULAR_SPACING"
    #: Larger or smaller than any vertebra.
    IMPLAUSIBLE_SIZE = "IMPLAUSIBLE_SIZE"
    #: The body is cut off by the edge of the volume.
    TOUCHES_BORDER = "TOUCHES_BORDER"
    #: The signs of which side is anterior, or of which end is superior, contradict each other.
    ORIENTATION_CONFLICT = "ORIENTATION_CONFLICT"
    #: Too few signs of which side is anterior.
    ORIENTATION_UNKNOWN = "ORIENTATION_UNKNOWN"
    #: No part of the mask has the shape of a vertebral body in the midsagittal plane.
    NO_BODY = "NO_BODY"
    #: The points found bulge as no body does: they stand on something else.
    IMPLAUSIBLE_SHAPE = "IMPLAUSIBLE_SHAPE"
    #: Code and label name different levels; both are refused.
    LEVEL_CONFLICT = "LEVEL_CONFLICT"
    #: Several segments, of one object or of several, carry this level.
    LEVEL_DUPLICATED = "LEVEL_DUPLICATED"
    #: Neither the segmentation nor the images it names tell one frame of reference.
    FRAME_OF_REFERENCE_UNKNOWN = "FRAME_OF_REFERENCE_UNKNOWN"


class Flag(StrEnum):
    """What a reader should know of points that were placed."""

    #: Less than 95 % of the mask hangs together.
    FRAGMENTED = "FRAGMENTED"
    #: Symmetry, neighbours and the shape of the body disagree by more than 10 degrees about the midsagittal plane.
    PLANE_UNCERTAIN = "PLANE_UNCERTAIN"
    #: Body and posterior elements are joined in the midsagittal plane: cut at the posterior wall.
    POSTERIOR_JOINED = "POSTERIOR_JOINED"


class Note(StrEnum):
    """What a reader should know of the study's objects; each is followed by their number."""

    #: Files that are no readable DICOM object.
    UNREADABLE_FILES = "UNREADABLE_FILES"
    #: Segmentations that name vertebrae and were not measured: other points came first, or another frame of reference.
    SEGMENTATIONS_NOT_USED = "SEGMENTATIONS_NOT_USED"
    #: Reports that hold points of vertebrae and were not used.
    REPORTS_NOT_USED = "REPORTS_NOT_USED"
    #: A landmarks document was given and not used.
    DOCUMENT_NOT_USED = "DOCUMENT_NOT_USED"

    def told(self, count: int) -> str:
        """Return the word with how many objects it is about."""
        return f"{self}: {count}"

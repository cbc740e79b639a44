"""Coded words for what keeps an outline on a radiograph from being measured."""

from enum import StrEnum


class Reason(StrEnum):
    """Why no points were placed in an outline or a mask on a radiograph (docs/morphometry 3.3, 3.5)."""

    #: A closed line of five to seven corners: neither four corners nor an outline.
    TOO_FEW_VERTICES = "TOO_FEW_VERTICES"
    #: A line around a vertebra does not come back to where it began.
    NOT_CLOSED = "NOT_CLOSED"
    #: A coordinate is not a finite number.
    NOT_FINITE = "NOT_FINITE"
    #: The outline crosses or touches itself.
    SELF_INTERSECTION = "SELF_INTERSECTION"
    #: The outline encloses next to nothing.
    DEGENERATE = "DEGENERATE"
    #: The outline is a rectangle: a box around something, not a body.
    BOX = "BOX"
    #: The segment has no pixels on this image.
    EMPTY = "EMPTY"
    #: The pixel data is missing, short, or cannot be decoded, or the segment has no number.
    UNREADABLE = "UNREADABLE"
    #: The image is not in the study, or it is not said which one it is.
    IMAGE_MISSING = "IMAGE_MISSING"
    #: The outline is on an image of several frames, or on several images, and it is not said on which one.
    SEVERAL_IMAGES = "SEVERAL_IMAGES"
    #: The mask has another grid than its image, and it is not stated how one lies on the other.
    GRID_MISMATCH = "GRID_MISMATCH"
    #: The image is known not to show the vertebra from the side.
    NOT_LATERAL = "NOT_LATERAL"
    #: Without spacing, and pixels are not known to be square.
    ANISOTROPY_UNKNOWN = "ANISOTROPY_UNKNOWN"
    #: Neither the image nor a label says which side is anterior.
    ANTERIOR_UNDECIDABLE = "ANTERIOR_UNDECIDABLE"
    #: Neither the image nor the order of two levels says which end is superior.
    SUPERIOR_UNDECIDABLE = "SUPERIOR_UNDECIDABLE"
    #: Image, labels, order of the levels or posterior elements contradict each other about anterior or superior.
    ORIENTATION_CONFLICT = "ORIENTATION_CONFLICT"
    #: The outline is not that of a body, or the body cannot be told from what hangs on it.
    NO_BODY = "NO_BODY"
    #: The outline holds part of another vertebra, or another one's outline holds part of this one.
    MERGED_NEIGHBOUR = "MERGED_NEIGHBOUR"
    #: The points found bulge as no body does.
    IMPLAUSIBLE_SHAPE = "IMPLAUSIBLE_SHAPE"
    #: The body is cut off by the edge of the image.
    TOUCHES_BORDER = "TOUCHES_BORDER"
    #: Several outlines that do not cover each other, or outlines of several objects, carry this level.
    LEVEL_DUPLICATED = "LEVEL_DUPLICATED"

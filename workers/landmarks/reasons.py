"""Coded words for what keeps a mask from being measured, or makes its numbers less certain."""

from enum import StrEnum


class Reason(StrEnum):
    """Why no points were placed."""

    #: The segment has no pixels, the region no closed contour.
    EMPTY = "EMPTY"
    #: Pixel data or contour data is missing, short, in a syntax that cannot be decoded, or the segment has no number.
    UNREADABLE = "UNREADABLE"
    #: Fewer than two planes, or a frame without a position, or an orientation of two directions: there is no volume.
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
    #: One mask is given several levels, by code and label or by two descriptions of its number; all are refused.
    LEVEL_CONFLICT = "LEVEL_CONFLICT"
    #: Several segments, of one object or of several, carry this level.
    LEVEL_DUPLICATED = "LEVEL_DUPLICATED"
    #: This level and another one stand in the wrong order down the column; a flag says which and how.
    LABEL_ORDER = "LABEL_ORDER"
    #: Plain numbers name the levels, and the column does not bear out that they are VerSe's.
    NUMBER_UNCONFIRMED = "NUMBER_UNCONFIRMED"
    #: The mask holds part of another vertebra, or another vertebra's mask holds part of this one.
    MERGED_NEIGHBOUR = "MERGED_NEIGHBOUR"
    #: Neither the object nor the images it names tell one frame of reference.
    FRAME_OF_REFERENCE_UNKNOWN = "FRAME_OF_REFERENCE_UNKNOWN"


class Flag(StrEnum):
    """What a reader should know of points that were placed."""

    #: Less than 95 % of the mask hangs together.
    FRAGMENTED = "FRAGMENTED"
    #: Symmetry, neighbours and the shape of the body disagree by more than 10 degrees about the midsagittal plane.
    PLANE_UNCERTAIN = "PLANE_UNCERTAIN"
    #: Body and posterior elements are joined in the midsagittal plane: cut at the posterior wall.
    POSTERIOR_JOINED = "POSTERIOR_JOINED"
    #: No image tells how far the volume reaches, so a body that is cut off would not be noticed.
    EDGE_UNKNOWN = "EDGE_UNKNOWN"
    #: Contours leave out planes between others; the planes were filled in by shape.
    PLANES_FILLED = "PLANES_FILLED"
    #: The input marks cement or hardware in a mask that cannot be read: any vertebra may hold it.
    DEVICE_UNREADABLE = "DEVICE_UNREADABLE"
    #: Holes of a mask on a radiograph, 1 to 5 % of it each, were filled.
    HOLES_FILLED = "HOLES_FILLED"
    #: On a radiograph the endplates show double contours wider than 2 mm: the beam met the vertebra obliquely.
    OBLIQUE = "OBLIQUE"
    #: Another radiograph of the study shows the vertebra with heights that are different by a tenth or more.
    READINGS_DIFFER = "READINGS_DIFFER"


class Note(StrEnum):
    """What a reader should know of the study's objects; each is followed by their number."""

    #: Files that are no readable DICOM object.
    UNREADABLE_FILES = "UNREADABLE_FILES"
    #: Segmentations that name vertebrae and were not measured: other points came first, or another frame of reference.
    SEGMENTATIONS_NOT_USED = "SEGMENTATIONS_NOT_USED"
    #: RT Structure Sets that name vertebrae and were not measured: other points or masks came first.
    STRUCTURE_SETS_NOT_USED = "STRUCTURE_SETS_NOT_USED"
    #: Reports that hold points of vertebrae and were not used.
    REPORTS_NOT_USED = "REPORTS_NOT_USED"
    #: Presentation states that hold points of vertebrae and were not used.
    PRESENTATIONS_NOT_USED = "PRESENTATIONS_NOT_USED"
    #: Spatial Fiducials that hold points of vertebrae and were not used.
    FIDUCIALS_NOT_USED = "FIDUCIALS_NOT_USED"
    #: Reports and presentation states of ours with points that were not measured, and nobody named who placed them.
    OWN_REPORT_UNSIGNED = "OWN_REPORT_UNSIGNED"
    #: A landmarks document was given and not used.
    DOCUMENT_NOT_USED = "DOCUMENT_NOT_USED"
    #: Vertebrae of the study's own points or masks, none of which could be used: the site's finder was asked instead.
    OWN_SOURCES_UNUSABLE = "OWN_SOURCES_UNUSABLE"
    #: Reviews that may be newer than the one that was used: one of both clocks does not state its offset from UTC.
    REVIEW_ORDER_UNSURE = "REVIEW_ORDER_UNSURE"
    #: Objects that name a patient whom others contradict: nothing is compared with the study, nor the study with it.
    PATIENTS_DIFFER = "PATIENTS_DIFFER"

    def told(self, count: int) -> str:
        """Return the word with how many objects it is about."""
        return f"{self}: {count}"

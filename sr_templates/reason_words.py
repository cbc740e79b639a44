"""What each coded reason says to a person, in the sentences of a report (docs/morphometry 3.5, 6.1). PURE.

Several readers of points use one word; its sentence fits them all, their own page tells them apart.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sr_templates.comparison import NotCompared

#: Why a study as a whole has no numbers.
_OF_STUDIES: Final = {
    "NO_LANDMARKS": "the study has neither points nor masks of vertebrae",
    "NO_VERTEBRA_MEASURED": "none of the marked vertebrae could be measured",
    "ONLY_OWN_REPORTS": "the study has nothing but earlier reports of this kind",
    "FINDER_FAILED": "the image model ended with an error",
    "FINDER_TIMED_OUT": "the image model took too long",
    "FINDER_OUT_OF_MEMORY": "the image model needed too much memory",
    "FINDER_ANSWER_UNUSABLE": "the answer of the image model could not be used",
    "FINDER_FOUND_NOTHING": "the image model found no vertebra",
    "FINDER_HAS_NO_IMAGE": "the study has no image that the image model can look at",
}
#: Why a vertebra has no numbers.
_OF_VERTEBRAE: Final = {
    "ANISOTROPY_UNKNOWN": "the image has no pixel size, and its pixels are not known to be square",
    "ANTERIOR_UNDECIDABLE": "it is not known which side of the image is anterior",
    "AP_SWAPPED": "anterior and posterior points are exchanged",
    "BOX": "what marks it is a rectangle, not the outline or the corners of a body",
    "DEGENERATE": "its points enclose next to nothing",
    "DISPLAY_UNITS": "its points are not placed in pixels of the image",
    "EMPTY": "its mask or contour is empty",
    "FRAME_OF_REFERENCE_UNKNOWN": "it is not stated in which frame of reference its points or masks lie",
    "GRID_MISMATCH": "its mask does not fit the image",
    "IMAGE_MISSING": "the image that its points lie on is not in the study",
    "IMPLAUSIBLE_ANGLE": "its endplates are more than 45 degrees apart",
    "IMPLAUSIBLE_SHAPE": "its points have a shape that no vertebral body has",
    "IMPLAUSIBLE_SIZE": "its size is not that of a vertebra",
    "INCOMPLETE_POINTS": "one of its four corner points is missing",
    "IRREGULAR_SPACING": "the planes of its mask are not parallel or not equally spaced",
    "LABEL_AMBIGUOUS": "it is not clear which label belongs to which points",
    "LABEL_ORDER": "it and another level stand in the wrong order",
    "LEVEL_CONFLICT": "codes and labels name different vertebrae",
    "LEVEL_DUPLICATED": "its level is given more than once",
    "LEVEL_UNKNOWN": "its label names no level from C1 to S1",
    "MERGED_NEIGHBOUR": "its mask or outline and that of a neighbour share a body",
    "MIXED_SPACES": "its points do not lie in one image or one frame of reference",
    "NOT_CLOSED": "its outline is not closed",
    "NOT_DRAWN": "the report that was reviewed could not show its points",
    "NOT_FINITE": "a coordinate is not a number",
    "NOT_IN_REVIEW": "the report that was reviewed does not have it",
    "NOT_LATERAL": "the image does not show it from the side",
    "NO_BODY": "no vertebral body could be told from the rest of its mask or outline",
    "NO_END_POINTS": "its points do not mark the ends of heights",
    "NO_GEOMETRY": "its mask has no usable position or orientation",
    "NUMBER_UNCONFIRMED": "only a number names it, and the column does not bear the number out",
    "ORDER_UNKNOWN": "its points have no names, and where they lie does not tell which is which",
    "ORIENTATION_CONFLICT": "signs of anterior or superior contradict each other",
    "ORIENTATION_UNKNOWN": "too few signs tell which side is anterior",
    "OUT_OF_IMAGE": "a point lies outside its image",
    "OFF_PLANE": "a point lies more than 5 mm off the plane of the others",
    "SELF_INTERSECTION": "its outline crosses itself",
    "SEVERAL_IMAGES": "it is not stated on which image or frame its points lie",
    "SI_SWAPPED": "superior and inferior points are exchanged",
    "SUPERIOR_UNDECIDABLE": "it is not known which end of the image is superior",
    "TOO_FEW_VERTICES": "its outline has too few corners",
    "TOUCHES_BORDER": "the body is cut off by the edge of the image",
    "UNREADABLE": "its mask or contour could not be read",
}
#: Why a study, a level, or its heights or losses are not compared with an earlier study: "then", as against "now".
_OF_COMPARISONS: Final = {
    NotCompared.OTHER_MODALITY: "it is of another modality",
    NotCompared.MODALITY_UNKNOWN: "the modality of one of both is not known",
    NotCompared.OTHER_PROTOCOL: "its points were placed by another protocol",
    NotCompared.OTHER_POSTURE: "the patient was in another posture",
    NotCompared.LEVEL_MISSING_THEN: "the level was not there then",
    NotCompared.LEVEL_MISSING_NOW: "the level is not there now",
    NotCompared.NOT_MEASURED_THEN: "the level was not measured then",
    NotCompared.NOT_MEASURED_NOW: "the level is not measured now",
    NotCompared.UNCALIBRATED: "one of both has no known pixel size",
    NotCompared.OTHER_SPACING_SOURCE: "millimetres of both are not of one kind",
    NotCompared.MAGNIFICATION_UNKNOWN: "the magnification of a radiograph is not known",
    NotCompared.OTHER_SAMPLING: "one of both is sampled too coarsely to be set beside the other",
    NotCompared.NOT_GRADED_THEN: "the level was not graded then",
    NotCompared.NOT_GRADED_NOW: "the level is not graded now",
    NotCompared.OTHER_REFERENCE: "expected heights come from other vertebrae",
}
#: The sentence of each coded reason that the text of a report can hold, without capital and full stop.
SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {**_OF_STUDIES, **_OF_VERTEBRAE, **{str(word): said for word, said in _OF_COMPARISONS.items()}}
)


def explained(word: str) -> str:
    """Return a reason as its sentence with the coded word in brackets; a word without a sentence by itself."""
    said = SENTENCES.get(word)
    return word if said is None else f"{said} ({word})"

"""The coded words of morphometry: what is wrong with a vertebra, and what that means for its numbers. PURE data."""

from enum import Enum, StrEnum
from typing import Final, Self


class Effect(Enum):
    """What a word does to the vertebra that carries it."""

    #: No numbers; the word is the reason.
    REJECTS = "rejects"
    #: Heights, ratios and angle only: no losses, no grade, no shape, and no reference for others.
    HEIGHTS_ONLY = "heights_only"
    #: The numbers stand; a reader should know the word.
    WARNS = "warns"


class Flag(StrEnum):
    """Coded words with their effect and meaning (docs/morphometry 3.5, 4, 4b).

    OFF_PLANE warns above 2 mm and is also the reason of a rejection above 5 mm.
    """

    effect: Effect
    meaning: str

    def __new__(cls, word: str, effect: Effect, meaning: str) -> Self:
        """Make the member; its value is the word alone."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.effect = effect
        member.meaning = meaning
        return member

    LEVEL_UNKNOWN = "LEVEL_UNKNOWN", Effect.REJECTS, "the label names no level from C1 to S1"
    LEVEL_DUPLICATED = "LEVEL_DUPLICATED", Effect.REJECTS, "several vertebrae carry this level"
    LABEL_ORDER = "LABEL_ORDER", Effect.REJECTS, "this level and its neighbour stand in the wrong order"
    INCOMPLETE_POINTS = "INCOMPLETE_POINTS", Effect.REJECTS, "one of the four corner points is missing"
    NOT_FINITE = "NOT_FINITE", Effect.REJECTS, "a coordinate is not a finite number"
    OUT_OF_IMAGE = "OUT_OF_IMAGE", Effect.REJECTS, "a point lies outside its image"
    ANISOTROPY_UNKNOWN = "ANISOTROPY_UNKNOWN", Effect.REJECTS, "no spacing, and pixels are not known to be square"
    TOUCHES_BORDER = "TOUCHES_BORDER", Effect.REJECTS, "the body is cut off by the edge of the image"
    DEGENERATE = "DEGENERATE", Effect.REJECTS, "the points lie on a line, or depth or height is next to nothing"
    SELF_INTERSECTION = "SELF_INTERSECTION", Effect.REJECTS, "the outline of the points crosses itself"
    ORIENTATION_CONFLICT = "ORIENTATION_CONFLICT", Effect.REJECTS, "both directions contradict those of the image"
    AP_SWAPPED = "AP_SWAPPED", Effect.REJECTS, "anterior and posterior points are exchanged"
    SI_SWAPPED = "SI_SWAPPED", Effect.REJECTS, "superior and inferior points are exchanged"
    IMPLAUSIBLE_SIZE = "IMPLAUSIBLE_SIZE", Effect.REJECTS, "larger, smaller, longer or flatter than a vertebral body"
    IMPLAUSIBLE_ANGLE = "IMPLAUSIBLE_ANGLE", Effect.REJECTS, "the endplates are more than 45 degrees apart"

    SAMPLING_TOO_COARSE = "SAMPLING_TOO_COARSE", Effect.HEIGHTS_ONLY, "sampled at more than 3.5 mm along the axis"
    LEVEL_NOT_GRADED = "LEVEL_NOT_GRADED", Effect.HEIGHTS_ONLY, "grades exist for thoracic and lumbar levels only"
    CEMENT = "CEMENT", Effect.HEIGHTS_ONLY, "the input says that the body holds cement"
    HARDWARE = "HARDWARE", Effect.HEIGHTS_ONLY, "the input says that the body holds hardware"
    FUSION = "FUSION", Effect.HEIGHTS_ONLY, "the input says that the body is fused with another"
    TUMOUR = "TUMOUR", Effect.HEIGHTS_ONLY, "the input says that the body holds a tumour"
    INFECTION = "INFECTION", Effect.HEIGHTS_ONLY, "the input says that the body is infected"

    OFF_PLANE = "OFF_PLANE", Effect.WARNS, "a point lies more than 2 mm off the plane; heights are taken in the plane"
    UNCALIBRATED = "UNCALIBRATED", Effect.WARNS, "no spacing: ratios, losses and angle only"
    DETECTOR_PLANE = "DETECTOR_PLANE", Effect.WARNS, "mm are those of the detector, magnified by an unknown factor"
    MAGNIFICATION_CORRECTED = "MAGNIFICATION_CORRECTED", Effect.WARNS, "mm rest on an estimated magnification"
    ORIENTATION_UNVERIFIED = (
        "ORIENTATION_UNVERIFIED",
        Effect.WARNS,
        "the image does not say where anterior or superior is",
    )
    LATERAL_TILT = "LATERAL_TILT", Effect.WARNS, "the vertebra is tilted by more than 20 degrees to the side"
    LIMITED_SAMPLING = "LIMITED_SAMPLING", Effect.WARNS, "sampled at 1.5 to 3.5 mm along the axis: wider uncertainty"
    CRUSH_NOT_ASSESSABLE = "CRUSH_NOT_ASSESSABLE", Effect.WARNS, "no usable neighbour to compare heights with"
    BICONCAVITY_NOT_ASSESSABLE = "BICONCAVITY_NOT_ASSESSABLE", Effect.WARNS, "there are no mid-points"
    MIXED = "MIXED", Effect.WARNS, "wedge and biconcavity are alike in size"
    PREDOMINANCE_ANTERIOR = "PREDOMINANCE_ANTERIOR", Effect.WARNS, "crush, by 10 points or more stronger anteriorly"
    PREDOMINANCE_POSTERIOR = "PREDOMINANCE_POSTERIOR", Effect.WARNS, "crush, by 10 points or more stronger posteriorly"
    REFERENCE_DOUBTFUL = "REFERENCE_DOUBTFUL", Effect.WARNS, "what is expected is contradicted: wider uncertainty"
    OWN_RATIO_LOW = (
        "OWN_RATIO_LOW",
        Effect.WARNS,
        "20 % or more below the vertebra's own wall, but not below its neighbours",
    )
    MAY_BE_GRADE_0 = "MAY_BE_GRADE_0", Effect.WARNS, "the grade is borderline, grade 0 is the other one"
    MAY_BE_GRADE_1 = "MAY_BE_GRADE_1", Effect.WARNS, "the grade is borderline, grade 1 is the other one"
    MAY_BE_GRADE_2 = "MAY_BE_GRADE_2", Effect.WARNS, "the grade is borderline, grade 2 is the other one"
    MAY_BE_GRADE_3 = "MAY_BE_GRADE_3", Effect.WARNS, "the grade is borderline, grade 3 is the other one"
    UNUSUAL_DIRECTION = "UNUSUAL_DIRECTION", Effect.WARNS, "posterior wedging here: check level label and orientation"
    ADJACENT_MILD_WEDGING = (
        "ADJACENT_MILD_WEDGING",
        Effect.WARNS,
        "three or more bodies in a row wedged anteriorly by 5 to 15 degrees, alike",
    )


#: What only the input can know of a body: a landmarks document may say it, and a report of ours hands it back.
INPUT_WORDS: Final = (Flag.CEMENT, Flag.HARDWARE, Flag.FUSION, Flag.TUMOUR, Flag.INFECTION)


def strongest(words: tuple[str, ...], effect: Effect) -> str | None:
    """Return the first of `words` that has this effect; words from elsewhere only warn."""
    return next((word for word in words if word in Flag.__members__ and Flag[word].effect is effect), None)

"""A study beside an earlier one of the same patient: what changed, or the coded reason why that is not said. PURE.

Numbers are changes, now minus then: a height that is lower now has a negative change, a loss that is larger now a
positive one. Beside each stands the least significant change (docs/morphometry 6.1).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

#: Name of the rule that `HeightChange.meets_rule` speaks of: at least 20 % and at least 4 mm lower.
RULE: Final = "20_percent_and_4_mm"


class NotCompared(StrEnum):
    """Why a study, a level, or the heights or losses of a level are not compared (docs/morphometry 6.1)."""

    # Of the study.
    OTHER_MODALITY = "OTHER_MODALITY"
    MODALITY_UNKNOWN = "MODALITY_UNKNOWN"
    OTHER_PROTOCOL = "OTHER_PROTOCOL"
    OTHER_POSTURE = "OTHER_POSTURE"
    # Of a level.
    LEVEL_MISSING_THEN = "LEVEL_MISSING_THEN"
    LEVEL_MISSING_NOW = "LEVEL_MISSING_NOW"
    NOT_MEASURED_THEN = "NOT_MEASURED_THEN"
    NOT_MEASURED_NOW = "NOT_MEASURED_NOW"
    # Of its heights.
    UNCALIBRATED = "UNCALIBRATED"
    OTHER_SPACING_SOURCE = "OTHER_SPACING_SOURCE"
    MAGNIFICATION_UNKNOWN = "MAGNIFICATION_UNKNOWN"
    OTHER_SAMPLING = "OTHER_SAMPLING"
    # Of its losses.
    NOT_GRADED_THEN = "NOT_GRADED_THEN"
    NOT_GRADED_NOW = "NOT_GRADED_NOW"
    OTHER_REFERENCE = "OTHER_REFERENCE"


class Remark(StrEnum):
    """What a reader of a comparison should know (docs/morphometry 6.1)."""

    #: The points of both studies were supplied: nobody says that they were placed alike.
    PROTOCOL_NOT_STATED = "PROTOCOL_NOT_STATED"
    #: One of both does not say how the patient lay or stood.
    POSTURE_NOT_STATED = "POSTURE_NOT_STATED"
    #: A reader went over the points of one of both only.
    REVIEWED_IN_ONE = "REVIEWED_IN_ONE"


@dataclass(frozen=True, kw_only=True)
class HeightChange:
    """One height then and now, mm; percent are of the height then.

    `is_significant`: the change, as printed with one decimal, is at least the least significant one, as printed.
    """

    then_mm: float
    now_mm: float
    change_mm: float
    change_percent: float
    least_significant_mm: float
    least_significant_percent: float
    is_significant: bool
    #: Whether it is lower by 20 % and 4 mm, as printed: RULE.
    meets_rule: bool


@dataclass(frozen=True, kw_only=True)
class LossChange:
    """One loss then and now, percent of the expected height; its change in percentage points."""

    then_percent: float
    now_percent: float
    change_points: float
    least_significant_points: float
    is_significant: bool


@dataclass(frozen=True, kw_only=True)
class Heights:
    """The changes of three heights, None where one of both was not measured; all None with a reason."""

    anterior: HeightChange | None = None
    middle: HeightChange | None = None
    posterior: HeightChange | None = None
    reason: NotCompared | None = None


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The changes of three losses, as `Heights`."""

    anterior: LossChange | None = None
    middle: LossChange | None = None
    posterior: LossChange | None = None
    reason: NotCompared | None = None


@dataclass(frozen=True, kw_only=True)
class LevelComparison:
    """One level then and now, or the reason why it is not compared at all."""

    level: str
    #: Tracking Unique Identifier that the vertebra had then and keeps; None where the level is new.
    tracking_uid: str | None
    reason: NotCompared | None = None
    heights: Heights = field(default_factory=Heights)
    losses: Losses = field(default_factory=Losses)
    #: Genant-type grade; None where there was none, and where the level is not compared.
    grade_then: int | None = None
    grade_now: int | None = None


@dataclass(frozen=True, kw_only=True)
class PriorReport:
    """Our report on the earlier study."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class PriorStudy:
    """The earlier study of the same patient."""

    study_instance_uid: str
    #: Study Date (0008,0020), YYYYMMDD.
    study_date: str
    software: str
    landmark_protocol: str
    modalities: tuple[str, ...]
    patient_positions: tuple[str, ...]
    #: None where it is not known to have a report.
    report: PriorReport | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The study beside `prior`: its levels from cranial to caudal, or the reason why they are not compared."""

    prior: PriorStudy
    reason: NotCompared | None = None
    remarks: tuple[Remark, ...] = ()
    levels: tuple[LevelComparison, ...] = ()

    def __post_init__(self) -> None:
        if self.reason is not None and self.levels:
            raise ValueError(f"{self.reason}: a study that is not compared has no levels to compare")

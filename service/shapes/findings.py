"""What `spondyl.findings/1` looks like: `spondyl measure --json`, the API and the page's JSON.

Every key is there unless it has a default here; a number that does not exist is null. Units stand in the names.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Position = Literal["AS", "MS", "PS", "AI", "MI", "PI"]
Probability = Annotated[float, Field(ge=0, le=1)]
Grade = Annotated[int, Field(ge=0, le=3)]


class Shape(BaseModel):
    """A JSON object that has these keys and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Triple(Shape):
    """A number at each position of a vertebra."""

    anterior: float | None
    middle: float | None
    posterior: float | None


class Points(Shape):
    """Points of a vertebra: (column, row), 0,0 the top left corner of the first pixel; or LPS (x, y, z), mm."""

    space: Literal["patient", "image"]
    sop_instance_uid: str | None
    frame: int | None = None
    points: dict[Position, Annotated[list[float], Field(min_length=2, max_length=3)]]
    counterparts: list["Points"] = []


class Ratios(Shape):
    """Heights over heights."""

    wedge: float | None
    biconcavity: float | None
    crush_above: float | None
    crush_below: float | None


class Reference(Shape):
    """What the losses stand against."""

    rule: Literal["fit", "adjacent_2", "adjacent_1", "within_vertebra"] | None
    levels: list[str]
    heights_mm: Triple


class Wedging(Shape):
    """Which way, and against its limits."""

    direction: Literal["none", "anterior", "posterior"] | None
    assessment: Literal["within_limits", "borderline", "outside_limits", "no_limit_for_level"] | None


class Vertebra(Shape):
    """One vertebra: its numbers, or the coded reason why there are none."""

    level: str
    status: Literal["measured", "unmeasurable"]
    reason: str | None
    landmark_source: Literal[
        "reviewed",
        "supplied_sr",
        "supplied_gsps",
        "supplied_fiducials",
        "supplied_json",
        "segmentation",
        "model",
    ]
    flags: list[str]
    tracking_uid: str | None
    landmarks: Points | None
    heights_mm: Triple
    ratios: Ratios
    wedging_percent: float | None
    wedge_angle_deg: float | None
    wedge_angle_sd_deg: float | None
    axial_spacing_mm: float | None
    spacing_source: str | None
    height_loss_percent: Triple
    loss_sd_points: float | None
    reference: Reference
    genant_grade: Grade | None
    grade_probabilities: Annotated[list[Probability], Field(min_length=4, max_length=4)] | None
    borderline: bool | None
    deformity: Literal["none", "anterior_wedge", "posterior_wedge", "biconcave", "crush"] | None
    wedging: Wedging


class Kyphosis(Shape):
    """Segmental kyphosis, positive for flexion."""

    level: str
    above: str
    below: str
    angle_deg: float
    beyond_limit: bool
    limit_deg: float
    limit_source: str


class Slip(Shape):
    """Listhesis, positive for anterolisthesis."""

    upper: str
    lower: str
    slip_mm: float
    slip_percent: float
    meyerding_grade: int


class Pattern(Shape):
    """What several levels show together."""

    pattern: str
    levels: list[str]


class Summary(Shape):
    """The study at a glance."""

    graded: int
    deformed: int
    ungradable: list[str]
    max_grade: Grade | None
    spinal_deformity_index: int | None
    sdi_is_lower_bound: bool
    kyphosis: list[Kyphosis] | None
    listhesis: list[Slip]
    patterns: list[Pattern]


class PriorReport(Shape):
    """Our report on the earlier study."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


class Prior(Shape):
    """The earlier study that this one is set beside."""

    study_instance_uid: str
    #: Null for who sees no patients: the role viewer, of page and API.
    study_date: str | None
    software: str
    landmark_protocol: str
    modalities: list[str]
    patient_positions: list[str]
    report: PriorReport | None


class HeightChange(Shape):
    """A height then and now."""

    then_mm: float
    now_mm: float
    change_mm: float
    change_percent: float
    least_significant_mm: float
    least_significant_percent: float
    is_significant: bool
    meets_rule: bool


class LossChange(Shape):
    """A loss then and now."""

    then_percent: float
    now_percent: float
    change_points: float
    least_significant_points: float
    is_significant: bool


class Heights(Shape):
    """The heights of a level, or why they are not compared."""

    reason: str | None
    anterior: HeightChange | None
    middle: HeightChange | None
    posterior: HeightChange | None


class Losses(Shape):
    """The losses of a level, or why they are not compared."""

    reason: str | None
    anterior: LossChange | None
    middle: LossChange | None
    posterior: LossChange | None


class Grades(Shape):
    """The grade then and now."""

    then: Grade | None
    now: Grade | None


class Level(Shape):
    """One level then and now."""

    level: str
    tracking_uid: str | None
    reason: str | None
    heights: Heights
    losses: Losses
    genant_grade: Grades


class Comparison(Shape):
    """What changed since the earlier study, or why nothing is compared."""

    prior: Prior
    reason: str | None
    remarks: list[str]
    #: By which a change of a height counts (docs/morphometry 6.1).
    rule: Literal["20_percent_and_4_mm"]
    levels: list[Level]


class Findings(Shape):
    """The findings of a study."""

    model_config = ConfigDict(title="spondyl.findings/1")

    schema_: Annotated[Literal["spondyl.findings/1"], Field(alias="schema")]
    study_instance_uid: str
    software: str
    config_digest: str
    landmark_protocol: str
    modalities: list[str]
    patient_positions: list[str]
    #: What the numbers are, in words.
    definitions: dict[str, str]
    vertebrae: list[Vertebra]
    summary: Summary
    observers: list[str]
    #: For a reader's own words; null in all that we write.
    reader_interpretation: str | None
    comparison: Comparison | None
    reason: str | None = None
    notes: list[str] = []

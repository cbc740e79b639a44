"""What was measured: the contract between morphometry, the report and the reader. PURE.

A vertebra that cannot be measured is a finding with a reason and no number. JSON schema `spondyl.findings/1`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sr_templates.comparison import Comparison

#: Landmark names: anterior, middle, posterior x superior, inferior.
POINT_NAMES: Final = ("AS", "MS", "PS", "AI", "MI", "PI")
SCHEMA: Final = "spondyl.findings/1"


class Space(StrEnum):
    """Where points live."""

    #: (column, row); 0, 0 is the top left corner of the first pixel (PS3.3 C.18.6.1.1).
    IMAGE = "image"
    #: (x, y, z) mm, LPS, in a frame of reference (PS3.3 C.18.9).
    PATIENT = "patient"


class LandmarkSource(StrEnum):
    """Where landmarks came from; the first that is found wins, in this order."""

    REVIEWED = "reviewed"
    SUPPLIED_SR = "supplied_sr"
    SUPPLIED_GSPS = "supplied_gsps"
    SUPPLIED_FIDUCIALS = "supplied_fiducials"
    SUPPLIED_JSON = "supplied_json"
    #: Derived from masks or contours: SEG, RTSTRUCT, or an outline on a radiograph.
    SEGMENTATION = "segmentation"
    #: A finder that the site plugged in.
    MODEL = "model"


class ReferenceRule(StrEnum):
    """Which heights the expected height comes from (docs/morphometry 2.2)."""

    #: Linear fit, same position, over at least three valid vertebrae within three levels.
    FIT = "fit"
    #: Mean of both direct neighbours.
    ADJACENT_2 = "adjacent_2"
    #: The one valid direct neighbour.
    ADJACENT_1 = "adjacent_1"
    #: The vertebra's own largest of anterior and posterior height: crush is then not assessable.
    WITHIN_VERTEBRA = "within_vertebra"


class Deformity(StrEnum):
    """Shape of a height loss."""

    NONE = "none"
    ANTERIOR_WEDGE = "anterior_wedge"
    POSTERIOR_WEDGE = "posterior_wedge"
    BICONCAVE = "biconcave"
    CRUSH = "crush"


class WedgingDirection(StrEnum):
    """Which of anterior and posterior height is the smaller."""

    NONE = "none"
    ANTERIOR = "anterior"
    POSTERIOR = "posterior"


class WedgingAssessment(StrEnum):
    """Wedging against limits: a deformity's at any level, else the level's own for posterior wedging."""

    WITHIN_LIMITS = "within_limits"
    #: Within one SD of the limit.
    BORDERLINE = "borderline"
    OUTSIDE_LIMITS = "outside_limits"
    NO_LIMIT_FOR_LEVEL = "no_limit_for_level"


Point = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """The points a vertebra was measured at.

    `points` maps POINT_NAMES (without MS, MI where there are no mid-points) to (column, row) or LPS (x, y, z) mm.
    `sop_instance_uid` is the image of image points, or the object that patient points came from.
    """

    space: Space
    points: Mapping[str, Point]
    sop_instance_uid: str | None = None
    frame: int | None = None
    frame_of_reference_uid: str | None = None
    #: The same points in the other space, as far as an image tells: on each image that shows some, or in the patient.
    counterparts: "tuple[Landmarks, ...]" = ()


@dataclass(frozen=True, kw_only=True)
class Triple:
    """One number for each of the anterior, middle and posterior position; None where it was not measured."""

    anterior: float | None
    middle: float | None
    posterior: float | None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Which expected heights the losses stand against; `heights` in the unit of the measured heights."""

    rule: ReferenceRule
    levels: tuple[str, ...]
    heights: Triple


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The numbers of one vertebra: to 8 digits, so that unlike hosts agree; losses, and what is made of them, to 0.1.

    `heights_mm` is None where the image has no spacing; ratios, losses and angle remain.
    Signs: wedging and angle are positive for posterior wedging.
    """

    landmarks: Landmarks
    heights_mm: Triple | None
    wedge_ratio: float
    biconcavity_ratio: float | None
    crush_above: float | None
    crush_below: float | None
    wedging_percent: float
    wedge_angle_deg: float
    height_loss_percent: Triple
    loss_sd_points: float
    reference: Reference
    #: None where the sampling or an input flag forbids a grade; the flag says which.
    genant_grade: int | None
    #: P(grade 0..3), sums to 1; None together with the grade.
    grade_probabilities: tuple[float, float, float, float] | None
    borderline: bool
    deformity: Deformity | None
    wedging_direction: WedgingDirection
    wedging_assessment: WedgingAssessment
    wedge_angle_sd_deg: float | None = None
    #: Sampling distance along the vertebral axis, mm; None where it is not known or does not apply (3.4).
    axial_spacing_mm: float | None = None
    #: Whose mm the heights are: "patient" (sections, masks), or what a radiograph's are worth (3.3: "calibrated",
    #: "magnification_corrected", "detector_plane"); None without a spacing.
    spacing_source: str | None = None


@dataclass(frozen=True, kw_only=True)
class VertebraFinding:
    """One vertebra: numbers, or the coded reason why there are none."""

    level: str
    landmark_source: LandmarkSource
    measured: Measured | None
    reason: str | None = None
    flags: tuple[str, ...] = ()
    #: Tracking Unique Identifier (112040, DCM): the same in every report on this vertebra, over those studies of the
    #: patient that we know of; None where it was not given one.
    tracking_uid: str | None = None

    def __post_init__(self) -> None:
        if (self.measured is None) == (self.reason is None):
            raise ValueError(f"{self.level}: a vertebra has numbers or a reason, never both, never neither")


@dataclass(frozen=True, kw_only=True)
class Kyphosis:
    """Segmental kyphosis over one deformity, degrees, positive for flexion (docs/morphometry 1.5).

    `beyond_limit` says whether the angle, as it is printed, exceeds `limit_deg`; `limit_source` where that comes from.
    """

    level: str
    above: str
    below: str
    angle_deg: float
    beyond_limit: bool
    limit_deg: float
    limit_source: str


@dataclass(frozen=True, kw_only=True)
class Slip:
    """Listhesis of `upper` on `lower`; positive mm means anterolisthesis (docs/morphometry 1.5)."""

    upper: str
    lower: str
    slip_mm: float
    slip_percent: float
    meyerding_grade: int


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """What adjacent vertebrae show together, as a coded word (docs/morphometry 5); they carry it as a flag too."""

    word: str
    #: From cranial to caudal.
    levels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The study at a glance."""

    graded: int
    #: How many of them have grade 1, 2 or 3.
    deformed: int
    ungradable: tuple[str, ...]
    max_grade: int | None
    #: Sum of the grades of T4 to L4 (Kerkeni 2009); None where none of them has a grade.
    spinal_deformity_index: int | None
    sdi_is_lower_bound: bool
    kyphosis: tuple[Kyphosis, ...] = ()
    listhesis: tuple[Slip, ...] = ()
    patterns: tuple[Pattern, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StudyFindings:
    """Everything that is said about one study."""

    study_instance_uid: str
    software: str
    config_digest: str
    landmark_protocol: str
    vertebrae: tuple[VertebraFinding, ...]
    summary: Summary
    #: Modality (0008,0060) and Patient Position (0018,5100) of the images that the points lie on, each once: numbers
    #: of two modalities, or of two postures, must not be compared (docs/morphometry 5).
    modalities: tuple[str, ...] = ()
    patient_positions: tuple[str, ...] = ()
    #: Why the study as a whole is not analysable; None where at least one vertebra was measured.
    reason: str | None = None
    #: What a reader should know about the inputs, as coded words.
    notes: tuple[str, ...] = ()
    #: The persons who reviewed the points, where the source names them, as DICOM writes names ("Doe^Jane").
    observers: tuple[str, ...] = ()
    #: Beside an earlier study of the same patient; None where none is known.
    comparison: Comparison | None = None

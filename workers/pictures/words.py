"""What a page says, in words and numbers as the report prints them; no patient's name or number, no date.

Words only measure and grade (docs/morphometry 6.3).
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sr_templates import codes
from sr_templates.context import ReportContext
from sr_templates.findings import Measured, StudyFindings, Triple, VertebraFinding, WedgingAssessment
from sr_templates.narrative import chance
from sr_templates.reason_words import explained
from sr_templates.summary import NOT_ASSESSED, RESEARCH_ONLY
from workers.morphometry.flags import Flag

TITLE: Final = "Vertebral morphometry"
UNVERIFIED: Final = "UNVERIFIED, FOR REVIEW"
#: Heads of the columns: level, heights, losses, standard deviation of the largest loss, grade.
HEADS: Final = ("Level", "Height, mm", "Loss, %", "+/-", "Grade")
#: Above the three numbers of heights and losses.
POSITIONS: Final = ("ant", "mid", "post")
NONE: Final = "-"
_COMPARED: Final = "An earlier study of the patient is known: the report has the comparison."
_NOT_COMPARED: Final = "An earlier study of the patient is known, and not compared: the report has the reason."
LEGEND: Final = (
    "Points: anterior, middle and posterior, superior and inferior. Thick lines: endplates; thin lines: the three "
    "heights. Heights and losses: anterior, middle, posterior. +/-: SD of the largest loss, percentage points. In "
    "brackets: probability of the grade."
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured vertebra as a page prints it."""

    level: str
    heights: tuple[str, str, str]
    losses: tuple[str, str, str]
    loss_sd: str
    grade: str
    #: Form, wedging, flags: what stands below the numbers.
    detail: str
    #: 0 to 3, None where it is not graded; it chooses the colour.
    severity: int | None

    @property
    def cells(self) -> tuple[str, ...]:
        """All numbers, from left to right."""
        return (self.level, *self.heights, *self.losses, self.loss_sd, self.grade)


def rows(findings: StudyFindings) -> list[Row]:
    """Return a row for each measured vertebra, in the order of the findings."""
    return [_row(vertebra, vertebra.measured) for vertebra in findings.vertebrae if vertebra.measured is not None]


def remarks(findings: StudyFindings, context: ReportContext, *, origin: str = "") -> list[str]:
    """Return the lines below the table: what was not measured, the study at a glance, settings, notes, limits.

    `origin` says how the points came about and may name a person: the parameter that repeats it is left out.
    """
    parameters = [line for line in context.parameters if not origin or origin not in line]
    lines = [
        *_exceptions(findings),
        _at_a_glance(findings),
        *_patterns(findings),
        *_flags(findings),
        f"Landmarks: {'; '.join(_sources(findings))}. Settings: {'; '.join(parameters) or 'none stated'}.",
        *([f"Notes: {', '.join(findings.notes)}."] if findings.notes else []),
        *([] if findings.comparison is None else [_NOT_COMPARED if findings.comparison.reason else _COMPARED]),
        f"{NOT_ASSESSED} {RESEARCH_ONLY}",
    ]
    return [_ascii(line) for line in lines]


def _ascii(text: str) -> str:
    """Return text in the characters that the font of the pictures has: no accents, "?" for what has no letter."""
    letters = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return letters.encode("ascii", "replace").decode("ascii")


def _row(vertebra: VertebraFinding, measured: Measured) -> Row:
    grade, probabilities = measured.genant_grade, measured.grade_probabilities
    sure = "" if grade is None or probabilities is None else f" ({chance(probabilities[grade])})"
    return Row(
        level=vertebra.level,
        heights=_three(measured.heights_mm),
        losses=_three(measured.height_loss_percent),
        loss_sd=NONE if grade is None else f"{measured.loss_sd_points:.1f}",
        grade="not graded" if grade is None else f"{grade}{sure}",
        detail="; ".join(_details(vertebra, measured)),
        severity=grade,
    )


def _details(vertebra: VertebraFinding, measured: Measured) -> Iterator[str]:
    if measured.deformity is not None:
        yield codes.DEFORMITIES[measured.deformity].meaning
    if measured.borderline:
        yield "grade is borderline"
    yield f"wedging {measured.wedging_percent:+.1f} %, angle {measured.wedge_angle_deg:+.1f} deg"
    has_limit = measured.wedging_assessment is not WedgingAssessment.NO_LIMIT_FOR_LEVEL
    if measured.genant_grade is not None and has_limit:
        yield f"wedging {measured.wedging_assessment.value.replace('_', ' ')}"
    yield from vertebra.flags


def _three(values: Triple | None) -> tuple[str, str, str]:
    if values is None:
        return NONE, NONE, NONE
    a, m, p = (NONE if v is None else f"{v:.1f}" for v in (values.anterior, values.middle, values.posterior))
    return a, m, p


def _exceptions(findings: StudyFindings) -> Iterator[str]:
    unmeasured = [f"{v.level}: {explained(str(v.reason))}" for v in findings.vertebrae if v.measured is None]
    if unmeasured:
        yield f"Not measured: {'; '.join(unmeasured)}."
    ungraded = [v.level for v in findings.vertebrae if v.measured is not None and v.measured.genant_grade is None]
    if ungraded:
        yield f"Measured, not graded (see the flags): {', '.join(ungraded)}."


def _flags(findings: StudyFindings) -> Iterator[str]:
    """Give what the flags in the table mean; a word that is none of the measurement's stands in its documents."""
    words = dict.fromkeys(word for v in findings.vertebrae if v.measured is not None for word in v.flags)
    told = [f"{word}: {Flag[word].meaning}" for word in words if word in Flag.__members__]
    if told:
        yield f"Flags. {'; '.join(told)}."


def _at_a_glance(findings: StudyFindings) -> str:
    summary = findings.summary
    highest = NONE if summary.max_grade is None else str(summary.max_grade)
    index = NONE if summary.spinal_deformity_index is None else str(summary.spinal_deformity_index)
    bound = " (lower bound)" if summary.sdi_is_lower_bound and summary.spinal_deformity_index is not None else ""
    counts = f"Graded: {summary.graded}. Grade 1 to 3: {summary.deformed}. Highest grade: {highest}."
    return f"{counts} Spinal deformity index T4 to L4: {index}{bound}."


def _patterns(findings: StudyFindings) -> Iterator[str]:
    summary = findings.summary
    found = [f"{k.level} kyphosis {k.angle_deg:.1f} deg ({k.above} to {k.below})" for k in summary.kyphosis]
    found += [f"{s.upper} on {s.lower} {s.slip_mm:+.1f} mm, positive is anterior" for s in summary.listhesis]
    found += [f"{', '.join(p.levels)}: {p.word}" for p in summary.patterns]
    if found:
        yield f"Alignment: {'; '.join(found)}."


def _sources(findings: StudyFindings) -> list[str]:
    sources = dict.fromkeys(v.landmark_source for v in findings.vertebrae if v.measured is not None)
    return [codes.LANDMARK_SOURCES[source].meaning for source in sources]

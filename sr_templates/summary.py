"""The study at a glance: TID 1500 row 12, "Qualitative Evaluations", which highdicom cannot build.

A vertebra without numbers is named here and never as an empty measurement group: OHIF cannot open such a report.
Wording (docs/morphometry 6.3): what was measured, never a diagnosis, cause, age or treatment.
"""

from collections.abc import Iterator
from typing import Final

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.sr.coding import Code

from sr_templates import codes
from sr_templates.change import study_lines
from sr_templates.findings import Kyphosis, Slip, StudyFindings, Summary, VertebraFinding
from sr_templates.narrative import narrative

RESEARCH_ONLY: Final = (
    "For research use only. Not a medical device; not for diagnosis or treatment decisions. "
    "Measurements need review by a qualified reader."
)
NOT_ASSESSED: Final = "Cause and acuity of a deformity are not assessable from morphometry."


def qualitative_evaluations(findings: StudyFindings) -> ContainerContentItem:
    """Return TID 1500 row 12: highest grade (row 13), then as text (row 14) all else that is said of the study."""
    container = ContainerContentItem(
        codes.QUALITATIVE_EVALUATIONS, is_content_continuous=False, relationship_type=RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = ContentSequence(list(_items(findings)))
    return container


def _items(findings: StudyFindings) -> Iterator[ContentItem]:
    grade = findings.summary.max_grade
    yield CodeContentItem(
        codes.MAX_GRADE,
        codes.NOT_GRADABLE if grade is None else codes.GRADES[grade],
        RelationshipTypeValues.CONTAINS,
    )
    for name, line in _lines(findings):
        yield TextContentItem(name, line, RelationshipTypeValues.CONTAINS)


def _lines(findings: StudyFindings) -> Iterator[tuple[Code, str]]:
    summary = findings.summary
    if findings.reason is not None:
        yield codes.NOT_ANALYSABLE, findings.reason
    yield codes.GRADED_COUNT, str(summary.graded)
    yield codes.DEFORMED_COUNT, str(summary.deformed)
    yield codes.SDI, _index(summary)
    yield from ((codes.KYPHOSIS, _kyphosis(one)) for one in summary.kyphosis)
    yield from ((codes.LISTHESIS, _slip(one)) for one in summary.listhesis)
    yield from ((codes.NOT_EVALUABLE, line) for one in findings.vertebrae if (line := _exception(one)))
    yield from ((codes.PATTERN, f"{', '.join(one.levels)}: {one.word}") for one in summary.patterns)
    if findings.comparison is not None:
        yield from ((codes.COMPARISON, line) for line in study_lines(findings.comparison))
    yield codes.SUMMARY, narrative(findings)
    yield from ((codes.COMMENT, f"Input: {note}") for note in findings.notes)
    yield codes.COMMENT, NOT_ASSESSED
    yield codes.COMMENT, RESEARCH_ONLY


def _index(summary: Summary) -> str:
    if summary.spinal_deformity_index is None:
        return "not available: no level from T4 to L4 is graded"
    bound = "; lower bound, not every level from T4 to L4 is graded" if summary.sdi_is_lower_bound else ""
    return f"{summary.spinal_deformity_index}{bound}"


def _kyphosis(kyphosis: Kyphosis) -> str:
    angle = f"{kyphosis.level}: {kyphosis.angle_deg:.1f} deg from {kyphosis.above} to {kyphosis.below}"
    limit = f", above the limit of {kyphosis.limit_deg:g} deg (source: {kyphosis.limit_source})"
    return angle + limit if kyphosis.beyond_limit else angle


def _slip(slip: Slip) -> str:
    size = f"{slip.slip_mm:.1f} mm, {slip.slip_percent:.1f} %, positive is anterior"
    return f"{slip.upper} on {slip.lower}: {size}; Meyerding-type grade {slip.meyerding_grade}"


def _exception(vertebra: VertebraFinding) -> str | None:
    """Return why a vertebra has no numbers or no grade; None where it has both."""
    if vertebra.measured is None:
        return f"{vertebra.level}: {vertebra.reason}"
    if vertebra.measured.genant_grade is None:
        return f"{vertebra.level}: measured but not graded: {', '.join(vertebra.flags) or 'reason not stated'}"
    return None

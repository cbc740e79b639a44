"""The study at a glance: Spinal Deformity Index, largest grade, what could not be graded. PURE."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sr_templates.findings import Kyphosis, Pattern, Slip, Summary, VertebraFinding
from workers.morphometry.levels import SDI_LEVELS


@dataclass(frozen=True, kw_only=True)
class DeformityIndex:
    """Sum of the grades of T4 to L4 (Kerkeni 2009); None where none of them has a grade."""

    total: int | None
    #: Whether one of the thirteen has no grade, so that the true sum may be larger.
    is_lower_bound: bool
    evaluable: int
    deformed: int


def deformity_index(grades: Mapping[str, int | None]) -> DeformityIndex:
    """Return the index of grades by level; a level that is absent or None was not graded."""
    known = [grade for level in SDI_LEVELS if (grade := grades.get(level)) is not None]
    return DeformityIndex(
        total=sum(known) if known else None,
        is_lower_bound=len(known) < len(SDI_LEVELS),
        evaluable=len(known),
        deformed=sum(grade > 0 for grade in known),
    )


def summarise(
    findings: Sequence[VertebraFinding],
    kyphosis: Iterable[Kyphosis] = (),
    listhesis: Iterable[Slip] = (),
    patterns: Iterable[Pattern] = (),
) -> Summary:
    """Return the summary of the findings, cranial to caudal."""
    grades = {finding.level: grade_of(finding) for finding in findings}
    known = [grade for grade in grades.values() if grade is not None]
    index = deformity_index(grades)
    return Summary(
        graded=len(known),
        deformed=sum(grade > 0 for grade in known),
        ungradable=tuple(level for level, grade in grades.items() if grade is None),
        max_grade=max(known, default=None),
        spinal_deformity_index=index.total,
        sdi_is_lower_bound=index.is_lower_bound,
        kyphosis=tuple(kyphosis),
        listhesis=tuple(listhesis),
        patterns=tuple(patterns),
    )


def grade_of(finding: VertebraFinding) -> int | None:
    """Return the grade of a finding, None where it has none."""
    return None if finding.measured is None else finding.measured.genant_grade

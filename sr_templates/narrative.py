"""The report in plain language: what was measured, how surely, the highest grade, and which limits apply. PURE.

Sentences as a radiologist dictates them, from the same findings as the numbers. They measure and grade: no diagnosis,
cause, age or treatment, and never that something is healthy (docs/morphometry 6.3).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sr_templates.comparison import Comparison, HeightChange, LevelComparison, LossChange
from sr_templates.findings import (
    Deformity,
    LandmarkSource,
    Measured,
    ReferenceRule,
    StudyFindings,
    VertebraFinding,
    WedgingAssessment,
    WedgingDirection,
)
from sr_templates.reason_words import explained

_SHAPES: Final = {
    Deformity.NONE: "no height-loss deformity by shape",
    Deformity.ANTERIOR_WEDGE: "anterior wedge shape",
    Deformity.POSTERIOR_WEDGE: "posterior wedge shape",
    Deformity.BICONCAVE: "biconcave shape",
    Deformity.CRUSH: "crush shape",
}
_SOURCES: Final = {
    LandmarkSource.REVIEWED: "were reviewed by a reader",
    LandmarkSource.SEGMENTATION: "come from a segmentation and are unreviewed",
    LandmarkSource.MODEL: "come from an image model and are unreviewed",
}
_RULES: Final = {
    ReferenceRule.FIT: "a linear fit over",
    ReferenceRule.ADJACENT_2: "the mean of",
    ReferenceRule.ADJACENT_1: "the one neighbour",
}
_AGAINST_LIMIT: Final = {
    WedgingAssessment.WITHIN_LIMITS: "within its limits",
    WedgingAssessment.BORDERLINE: "near its limit",
    WedgingAssessment.OUTSIDE_LIMITS: "beyond its limit",
}
#: Characters of a date, YYYYMMDD (PS3.5 6.2).
_DATE_LENGTH: Final = 8
_NEARLY_CERTAIN: Final = 0.99
#: Levels whose change is told in words; the tables of the report have them all.
_MOST_LEVELS: Final = 5
_POSITIONS: Final = ("anterior", "middle", "posterior")
_Found = tuple[VertebraFinding, Measured]


def narrative(findings: StudyFindings) -> str:
    """Return the findings in sentences."""
    return " ".join(_sentences(findings))


def _sentences(findings: StudyFindings) -> Iterator[str]:
    measured = [(one, one.measured) for one in findings.vertebrae if one.measured is not None]
    if not measured:
        yield f"No vertebra was measured: {explained(findings.reason or 'reason not stated')}."
    else:
        yield _scope(findings, measured)
        yield from _landmarks([one for one, _ in measured])
        yield _greatest(findings, measured)
        yield from _borderline(measured)
        yield from _posterior_wedging(measured)
        if any(numbers.heights_mm is None for _, numbers in measured):
            yield "The image has no known pixel size: heights are not given in mm."
    yield from _not_evaluable(findings.vertebrae)
    if findings.comparison is not None:
        yield _comparison(findings.comparison)


def shown_date(date: str) -> str:
    """Return YYYYMMDD as YYYY-MM-DD; what is no such date is said to be unknown."""
    is_date = len(date) == _DATE_LENGTH and date.isascii() and date.isdigit()
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if is_date else "unknown date"


def _scope(findings: StudyFindings, measured: Sequence[_Found]) -> str:
    levels = _listed([one.level for one, _ in measured])
    graded, deformed = findings.summary.graded, findings.summary.deformed
    return f"{_counted(len(measured))} measured ({levels}), {graded} graded, {deformed} with grade 1, 2 or 3."


def _landmarks(measured: Sequence[VertebraFinding]) -> Iterator[str]:
    """Give who placed the points, of several each with its levels: no reader has seen what stands beside a review."""
    sources = dict.fromkeys(one.landmark_source for one in measured)
    for source in sources:
        levels = _listed([one.level for one in measured if one.landmark_source is source])
        of_levels = f" of {levels}" if len(sources) > 1 else ""
        placed = _SOURCES.get(source, "were supplied; whether they were reviewed is not stated")
        yield f"The points{of_levels} {placed}."


def _greatest(findings: StudyFindings, measured: Sequence[_Found]) -> str:
    """Return the highest grade with the vertebra of greatest loss that has it, its certainty and its reference."""
    highest = findings.summary.max_grade
    if highest is None:
        return "No vertebra could be graded."
    if highest == 0:
        return "No height loss of 20 % or more was measured at the graded levels."
    finding, numbers = max(measured, key=lambda one: (one[1].genant_grade or 0, _greatest_loss(one)))
    chances = numbers.grade_probabilities
    sure = "" if chances is None else f" (probability {chance(chances[highest])})"
    shape = "" if numbers.deformity is None else f", {_SHAPES[numbers.deformity]}"
    loss = f"{_greatest_loss((finding, numbers)):.1f} % (SD {numbers.loss_sd_points:.1f} points)"
    reference = _reference(numbers)
    return f"Highest Genant-type grade {highest}{sure}: {finding.level}, height loss {loss}{shape}; {reference}."


def _greatest_loss(found: _Found) -> float:
    losses = found[1].height_loss_percent
    return max((one for one in (losses.anterior, losses.middle, losses.posterior) if one is not None), default=0.0)


def chance(probability: float) -> str:
    """Return a probability in whole percent; nothing measured is certain, so no text of ours says 100 %."""
    return f"{100 * probability:.0f} %" if probability <= _NEARLY_CERTAIN else f"above {100 * _NEARLY_CERTAIN:.0f} %"


def _reference(numbers: Measured) -> str:
    rule = _RULES.get(numbers.reference.rule)
    if rule is None:
        return "compared with the same vertebra, so crush is not assessable"
    return f"expected heights from {rule} {_listed(numbers.reference.levels)}"


def _borderline(measured: Sequence[_Found]) -> Iterator[str]:
    if levels := [one.level for one, numbers in measured if numbers.borderline]:
        yield f"Borderline between two grades: {_listed(levels)}."


def _posterior_wedging(measured: Sequence[_Found]) -> Iterator[str]:
    """Give posterior wedging where a limit applies to it."""
    for one, numbers in measured:
        against = _AGAINST_LIMIT.get(numbers.wedging_assessment)
        is_posterior = numbers.wedging_direction is WedgingDirection.POSTERIOR
        if against is not None and is_posterior and numbers.genant_grade is not None:
            yield f"Posterior wedging of {one.level} is {numbers.wedging_percent:.1f} %, {against}."


def _not_evaluable(vertebrae: Sequence[VertebraFinding]) -> Iterator[str]:
    """Give each reason once, with the levels that have it."""
    left_out = [one for one in vertebrae if one.measured is None]
    for reason in dict.fromkeys(one.reason or "" for one in left_out):
        levels = [one.level for one in left_out if one.reason == reason]
        are = "are" if len(levels) > 1 else "is"
        yield f"{_listed(levels)} {are} not evaluable: {explained(reason)}."


def _comparison(comparison: Comparison) -> str:
    when = f"the study of {shown_date(comparison.prior.study_date)}"
    if comparison.reason is not None:
        return f"Not compared with {when}: {explained(comparison.reason)}."
    if not any(_compared(level) for level in comparison.levels):
        reasons = dict.fromkeys(reason for level in comparison.levels for reason in _not_compared(level))
        return f"No number could be compared with {when}{': ' if reasons else ''}{'; '.join(map(explained, reasons))}."
    changed = [level for level in comparison.levels if any(one.is_significant for one in _compared(level))]
    if not changed:
        return f"Compared with {when}, no change reaches the least significant change."
    largest = sorted(changed, key=_largest, reverse=True)[:_MOST_LEVELS]
    told = [f"{level.level} {_change(level)}" for level in changed if level in largest]
    if more := len(changed) - len(told):
        told.append(f"and {more} more {'level' if more == 1 else 'levels'}")
    return f"Compared with {when}, these changes reach the least significant change: {'; '.join(told)}."


def _compared(level: LevelComparison) -> list[HeightChange | LossChange]:
    parts = (level.heights, level.losses)
    return [one for part in parts for one in (part.anterior, part.middle, part.posterior) if one is not None]


def _not_compared(level: LevelComparison) -> list[str]:
    return [reason for reason in (level.reason, level.heights.reason, level.losses.reason) if reason is not None]


def _largest(level: LevelComparison) -> float:
    """Return the largest change that counts, percent of a height or points of a loss."""
    return max(_size(one) for one in _compared(level) if one.is_significant)


def _size(change: HeightChange | LossChange) -> float:
    return abs(change.change_percent if isinstance(change, HeightChange) else change.change_points)


def _change(level: LevelComparison) -> str:
    """Return which heights are lower or higher, and by how much; of a level without such a height, which losses."""
    heights = (level.heights.anterior, level.heights.middle, level.heights.posterior)
    told = [
        f"{position} height {'lower' if one.change_mm < 0 else 'higher'} by {abs(one.change_mm):.1f} mm"
        f" ({abs(one.change_percent):.1f} %)"
        for position, one in zip(_POSITIONS, heights, strict=True)
        if one is not None and one.is_significant
    ]
    losses = (level.losses.anterior, level.losses.middle, level.losses.posterior)
    return _listed(told) or _listed(
        [
            f"{position} height loss {'smaller' if one.change_points < 0 else 'greater'} by"
            f" {abs(one.change_points):.1f} points"
            for position, one in zip(_POSITIONS, losses, strict=True)
            if one is not None and one.is_significant
        ]
    )


def _counted(count: int) -> str:
    return f"{count} vertebra" if count == 1 else f"{count} vertebrae"


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)

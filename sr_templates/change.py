"""What a report says of an earlier study of the same patient: numbers and answers of a vertebra, and lines of text.

The words are those of docs/morphometry 6.1; a change is now minus then. What is not compared has its reason instead.
"""

from collections.abc import Iterator
from typing import Final

from pydicom.sr.coding import Code

from sr_templates import codes
from sr_templates.comparison import Comparison, HeightChange, LevelComparison, LossChange
from sr_templates.findings import StudyFindings
from sr_templates.narrative import shown_date

_HEIGHTS: Final = tuple(
    zip(codes.CHANGE_HEIGHTS_MM, codes.CHANGE_HEIGHTS_PERCENT, codes.LEAST_HEIGHTS, strict=True),
)
_LOSSES: Final = tuple(zip(codes.CHANGE_LOSSES, codes.LEAST_LOSSES, strict=True))


def change_of(findings: StudyFindings, level: str) -> LevelComparison | None:
    """Return how a level compares with the prior study; None where there is none, or it is not compared at all."""
    levels = () if findings.comparison is None else findings.comparison.levels
    return next((one for one in levels if one.level == level), None)


def numbers(change: LevelComparison) -> Iterator[tuple[Code, float, Code]]:
    """Give name, value and unit of every change and of its least significant change."""
    for names, height in zip(_HEIGHTS, _height_changes(change), strict=True):
        if height is not None:
            yield names[0], height.change_mm, codes.MILLIMETRE
            yield names[1], height.change_percent, codes.PERCENT
            yield names[2], height.least_significant_mm, codes.MILLIMETRE
    for (name, least), loss in zip(_LOSSES, _loss_changes(change), strict=True):
        if loss is not None:
            yield name, loss.change_points, codes.PERCENT
            yield least, loss.least_significant_points, codes.PERCENT


def answers(change: LevelComparison) -> Iterator[tuple[Code, Code]]:
    """Give question and answer: the grade then, and whether a change counts; nothing where nothing was compared."""
    if change.grade_then is not None:
        yield codes.PRIOR_GRADE, codes.GRADES[change.grade_then]
    heights = [one for one in _height_changes(change) if one is not None]
    reached = [one.is_significant for one in heights]
    reached += [one.is_significant for one in _loss_changes(change) if one is not None]
    if reached:
        yield codes.CHANGE_REACHED, _yes(any(reached))
    if heights:
        yield codes.CHANGE_RULE, _yes(any(one.meets_rule for one in heights))


def reasons(change: LevelComparison) -> Iterator[str]:
    """Give a line for each part of a vertebra that is not compared, with its coded word."""
    named = {"vertebra": change.reason, "heights": change.heights.reason, "losses": change.losses.reason}
    for part, reason in named.items():
        if reason is not None:
            yield f"{part} not compared: {reason}"


def study_lines(comparison: Comparison) -> Iterator[str]:
    """Give what was compared with, why it was not, and what a reader should know; then the levels left out."""
    prior = comparison.prior
    what = ", ".join([*prior.modalities, prior.software, f"protocol {prior.landmark_protocol}"])
    outcome = f"not compared: {comparison.reason}" if comparison.reason else "change is now minus then"
    yield f"prior study of {shown_date(prior.study_date)} ({what}): {outcome}"
    for remark in comparison.remarks:
        yield str(remark)
    for level in comparison.levels:
        if level.reason is not None:
            yield f"{level.level} not compared: {level.reason}"


def _height_changes(change: LevelComparison) -> tuple[HeightChange | None, ...]:
    heights = change.heights
    return heights.anterior, heights.middle, heights.posterior


def _loss_changes(change: LevelComparison) -> tuple[LossChange | None, ...]:
    losses = change.losses
    return losses.anterior, losses.middle, losses.posterior


def _yes(is_so: bool) -> Code:
    return codes.YES if is_so else codes.NO

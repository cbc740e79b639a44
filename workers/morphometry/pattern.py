"""Adjacent bodies that are wedged alike: a pattern of several causes, none of them named (docs/morphometry 5). PURE."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from sr_templates.findings import Measured, Pattern, VertebraFinding
from workers.morphometry.digits import printed
from workers.morphometry.flags import Flag
from workers.morphometry.grading import rounded

#: So many adjacent bodies, each wedged by 5 degrees or more: Sorensen 1964, as later papers quote him (5).
LEAST_BODIES: Final = 3
#: Anterior wedging that is mild, degrees, both ends included (5).
MILD_DEG: Final = (5.0, 15.0)
#: Losses are alike where they differ by no more than two readings of one loss do: limits of agreement, points (2.2).
ALIKE_POINTS: Final = 7.0


def mild_wedging(findings: Sequence[VertebraFinding], places: Mapping[str, int]) -> Iterator[Pattern]:
    """Yield every longest run of adjacent bodies that are mildly wedged, with like losses, cranial to caudal.

    A body without a grade has no loss and takes no part. Runs may overlap where losses drift along the column.
    """
    wedged = [
        (places[finding.level], finding.level, loss)
        for finding in findings
        if finding.measured is not None and (loss := _mild_loss(finding.measured)) is not None
    ]
    reached = 0
    for first in range(len(wedged)):
        last = _end_of_run(wedged, first)
        if last - first >= LEAST_BODIES and last > reached:
            yield Pattern(
                word=str(Flag.ADJACENT_MILD_WEDGING), levels=tuple(level for _, level, _ in wedged[first:last])
            )
            reached = last


def _mild_loss(measured: Measured) -> float | None:
    """Return the loss that the grade is made from, None where the body is not mildly wedged or has no grade."""
    losses = measured.height_loss_percent
    known = [loss for loss in (losses.anterior, losses.middle, losses.posterior) if loss is not None]
    is_mild = MILD_DEG[0] <= printed(-measured.wedge_angle_deg) <= MILD_DEG[1]
    return max(known) if known and is_mild else None


def _end_of_run(wedged: Sequence[tuple[int, str, float]], first: int) -> int:
    """Return where the run that starts at `first` ends, which is behind its last body."""
    start, _, loss = wedged[first]
    lowest = highest = loss
    for step, (place, _, loss) in enumerate(wedged[first:]):
        lowest, highest = min(lowest, loss), max(highest, loss)
        if place != start + step or rounded(highest - lowest) > ALIKE_POINTS:
            return first + step
    return len(wedged)

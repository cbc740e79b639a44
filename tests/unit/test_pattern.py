import math

import pytest
from outlines import Heights, film, stack, without

from sr_templates.findings import VertebraFinding
from workers.landmarks.points import VertebraLandmarks
from workers.morphometry.findings import Policy, measure
from workers.morphometry.flags import Flag

SOUND: Heights = (28.0, 28.0, 28.0)


def wedge(angle_deg: float, *, posterior: float = 28.0, depth: float = 34.0) -> Heights:
    """Return the heights of a body that is wedged anteriorly: Ha = Hp - 2 D tan(angle / 2) (1.5)."""
    anterior = posterior - 2 * depth * math.tan(math.radians(angle_deg / 2))
    return (anterior, (anterior + posterior) / 2, posterior)


def runs(vertebrae: list[VertebraLandmarks]) -> list[tuple[str, ...]]:
    """Return the levels of each pattern; who carries the word must be who is named."""
    findings, summary = measure(vertebrae, Policy())
    carried = {finding.level for finding in findings if Flag.ADJACENT_MILD_WEDGING in finding.flags}
    assert carried == {level for pattern in summary.patterns for level in pattern.levels}
    assert {"ADJACENT_MILD_WEDGING"} >= {pattern.word for pattern in summary.patterns}
    return [pattern.levels for pattern in summary.patterns]


def column(*heights: Heights, first: int = 7) -> list[VertebraLandmarks]:
    """Return vertebrae from T`first` on."""
    return stack({f"T{first + step}": own for step, own in enumerate(heights)})


def test_three_in_a_row_are_a_pattern() -> None:
    """Three adjacent bodies wedged by 8 degrees, among sound ones, are one, and no others."""
    mild = wedge(8.0)
    assert [("T8", "T9", "T10")] == runs(column(SOUND, mild, mild, mild, SOUND))


def test_two_in_a_row_are_none() -> None:
    """Two bodies are no pattern, nor are three that a sound one or a missing one parts."""
    mild = wedge(8.0)
    assert [] == runs(column(SOUND, mild, mild, SOUND, SOUND))
    assert [] == runs(column(mild, mild, SOUND, mild, SOUND))
    assert [] == runs([one for one in column(mild, mild, SOUND, mild, mild) if one.level != "T9"])


@pytest.mark.parametrize(
    ("angle", "found"), [(4.9, False), (4.96, True), (5.0, True), (15.0, True), (15.04, True), (15.1, False)]
)
def test_mild_is_5_to_15_degrees_as_printed(angle: float, found: bool) -> None:
    """Both ends of the range count, on the angle with one decimal."""
    mild = wedge(angle)
    assert ([("T8", "T9", "T10")] if found else []) == runs(column(SOUND, mild, mild, mild, SOUND))


def test_posterior_wedging_is_no_such_pattern() -> None:
    """The source speaks of anterior wedging."""
    anterior, middle, posterior = wedge(8.0)
    assert [] == runs(column(SOUND, *[(posterior, middle, anterior)] * 3, SOUND))


def test_like_losses() -> None:
    """Losses may differ by 7.0 points, the limits of agreement of two readings (2.2); a lower body ends the run."""
    parallel = [(19.0, 22.0, 23.0), (19.0, 22.0, 23.0)]
    mild = wedge(8.0)
    found = measure(column(SOUND, SOUND, mild, mild, *parallel, SOUND, SOUND, first=5), Policy())[0]
    losses = {f.level: largest(f) for f in found if f.level in {"T7", "T8", "T9", "T10"}}
    assert max(losses.values()) - min(losses.values()) > 7.0
    assert all(5 <= -f.measured.wedge_angle_deg <= 15 for f in found if f.measured and f.level in losses)
    assert [] == runs(column(SOUND, SOUND, mild, mild, *parallel, SOUND, SOUND, first=5))


def largest(finding: VertebraFinding) -> float:
    """Return the loss that the grade is made from."""
    assert finding.measured is not None
    losses = finding.measured.height_loss_percent
    return max(loss for loss in (losses.anterior, losses.middle, losses.posterior) if loss is not None)


def test_a_long_run_is_one_pattern() -> None:
    """Five bodies alike are one run of five, not three of three."""
    mild = wedge(6.0)
    assert [("T7", "T8", "T9", "T10", "T11")] == runs(column(*[mild] * 5))


def test_a_body_without_a_grade_takes_no_part() -> None:
    """A body of which the input says that it holds hardware has no loss; nor has one that was not measured."""
    mild = wedge(8.0)
    for other in (film("T9", mild, flags=("HARDWARE",)), without(film("T9", mild), ["AS"])):
        vertebrae = [one if one.level != "T9" else other for one in column(SOUND, mild, mild, mild, SOUND)]
        assert [] == runs(vertebrae)


def test_the_pattern_lies_across_t13() -> None:
    """A T13 is a link of the column where the study names one."""
    mild = wedge(8.0)
    with_13 = {"T11": SOUND, "T12": mild, "T13": mild, "L1": mild, "L2": SOUND}
    assert [("T12", "T13", "L1")] == runs(stack(with_13))
    assert [] == runs(stack({level: own for level, own in with_13.items() if level != "T13"}))


def test_the_numbers_stand_as_they_are() -> None:
    """The pattern adds a word: grade, probabilities and shape are those of the same bodies without it."""
    mild = wedge(8.0)
    with_it = {f.level: f for f in measure(column(SOUND, mild, mild, mild, SOUND), Policy())[0]}
    for level in ("T8", "T9", "T10"):
        assert with_it[level].measured is not None
        assert Flag.ADJACENT_MILD_WEDGING == with_it[level].flags[-1]
    assert [] == [word for word in with_it["T7"].flags if word == Flag.ADJACENT_MILD_WEDGING]

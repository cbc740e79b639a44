import pytest
from outlines import Heights, film, moved, stack

from sr_templates.findings import LandmarkSource
from workers.landmarks.points import VertebraLandmarks
from workers.morphometry.admission import Rejected, admit
from workers.morphometry.flags import Flag

HEIGHTS: dict[str, Heights] = dict.fromkeys(("T12", "L1", "L2"), (28.0, 27.0, 28.0))
#: A point that is out of its image.
OUTSIDE = {"AS": (-5.0, 5.0)}


def reasons(vertebrae: list[VertebraLandmarks]) -> list[str | None]:
    """Return the reason of each vertebra, None where it is measured."""
    return [one.reason if isinstance(one, Rejected) else None for one in admit(vertebrae)]


def nowhere(level: str) -> VertebraLandmarks:
    """Return a vertebra that the finder could not place."""
    return VertebraLandmarks(level=level, source=LandmarkSource.SEGMENTATION, landmarks=None, reason="NO_BODY")


def test_sound_vertebrae_are_admitted() -> None:
    """A clean column is measured."""
    assert [None, None, None] == reasons(stack(HEIGHTS))


@pytest.mark.parametrize(
    ("vertebra", "reason"),
    [
        (nowhere("L3"), "NO_BODY"),
        (nowhere("tail"), "NO_BODY"),
        (film("L3", flags=("PLANE_UNCERTAIN", "TOUCHES_BORDER")), Flag.TOUCHES_BORDER),
        (moved(film("L3", flags=("TOUCHES_BORDER",)), OUTSIDE), Flag.TOUCHES_BORDER),
        (moved(film("tail"), OUTSIDE), Flag.LEVEL_UNKNOWN),
        (moved(film("L3", depth=5.0), OUTSIDE), Flag.OUT_OF_IMAGE),
        (film("L3", depth=5.0), Flag.DEGENERATE),
    ],
)
def test_first_reason_counts(vertebra: VertebraLandmarks, reason: str) -> None:
    """The finder's reason comes first, then the input's flags, the label, the points."""
    assert [reason] == reasons([vertebra])


def test_a_level_twice_is_no_level() -> None:
    """Of two vertebrae with one label neither is measured; one without points keeps its own reason."""
    vertebrae = [*stack(HEIGHTS), film("L3", at=(150.0, 250.0)), film("L3", at=(150.0, 290.0)), nowhere("L3")]
    assert [None, None, None, Flag.LEVEL_DUPLICATED, Flag.LEVEL_DUPLICATED, "NO_BODY"] == reasons(vertebrae)


def test_wrong_order_rejects_the_pair() -> None:
    """Neighbours in the wrong order are both rejected, others are not, and earlier reasons stay."""
    upper, first, second = (film("T11", at=(150, 60)), film("L1", at=(150, 100)), film("T12", at=(150, 140)))
    vertebrae = [upper, second, first, nowhere("L2")]
    assert [None, Flag.LABEL_ORDER, Flag.LABEL_ORDER, "NO_BODY"] == reasons(vertebrae)

import math

import pytest
from outlines import Heights, film, stack, without

from workers.landmarks.points import VertebraLandmarks
from workers.morphometry.levels import places
from workers.morphometry.trend import trend_losses
from workers.morphometry.vertebra import outlines

LEVELS = ("T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")


def losses(vertebrae: list[VertebraLandmarks]) -> dict[str, float]:
    """Return the losses against the trend of vertebrae that are all sound."""
    bodies = outlines(vertebrae)
    return trend_losses(bodies, places(one.level for one in vertebrae))


def growing(share: float, low: dict[str, float] | None = None) -> dict[str, Heights]:
    """Return a column that grows by a share a level, some levels by a percentage lower anteriorly."""
    column: dict[str, Heights] = {}
    for step, level in enumerate(LEVELS):
        height = 20 * (1 + share) ** step
        column[level] = (height * (1 - (low or {}).get(level, 0.0) / 100), height, height)
    return column


@pytest.mark.parametrize("share", [0.0, 0.03, 0.0663])
def test_a_growing_column_has_no_loss(share: float) -> None:
    """Up to the published growth of 6.63 % a level the trend is the column."""
    assert dict.fromkeys(LEVELS, 0.0) == pytest.approx(losses(stack(growing(share))), abs=1e-9)


@pytest.mark.parametrize(
    "low",
    [
        ("T11", "T12", "L1", "L2"),
        ("L3", "L4", "L5"),
        ("T8", "T9", "T10"),
        ("T9", "T11", "L1", "L3"),
    ],
)
def test_deformed_vertebrae_do_not_bend_the_trend(low: tuple[str, ...]) -> None:
    """Three or four low vertebrae of ten, in a row or not, at an end or not, stand out as such, and nobody else."""
    found = losses(stack(growing(0.04, dict.fromkeys(low, 30.0))))
    assert set(low) == {level for level, loss in found.items() if loss >= 20}


def test_the_slope_is_that_of_a_spine() -> None:
    """Heights that fall from level to level, or grow faster than published, are no trend: it is held at the bounds."""
    falling = dict(zip(LEVELS[:4], [(height,) * 3 for height in (28.0, 26.0, 24.0, 22.0)], strict=True))
    upper = math.exp((3 * math.log(26) + math.log(28)) / 4)
    assert 100 * (1 - 22 / upper) == pytest.approx(losses(stack(falling))["T11"])
    steep = losses(stack(growing(0.2)))
    assert steep["L5"] < 0 < steep["T8"]


def test_a_trend_needs_four_of_one_unit() -> None:
    """Three vertebrae have none, and vertebrae of another unit do not help."""
    column = growing(0.04)
    assert losses(stack({level: column[level] for level in LEVELS[:3]})) == {}
    assert set(LEVELS[:4]) == set(losses(stack({level: column[level] for level in LEVELS[:4]})))


def test_a_position_without_four_heights_has_no_say() -> None:
    """Where only three vertebrae have mid-points, the middle heights are not judged."""
    four = [without(film(level, (25.0, 25.0, 25.0)), ["MS", "MI"]) for level in ("T12", "L1")]
    six = [film(level, (25.0, middle, 25.0)) for level, middle in (("L2", 25.0), ("L3", 25.0), ("L4", 15.0))]
    assert 0 == pytest.approx(max(losses([*four, *six]).values()))

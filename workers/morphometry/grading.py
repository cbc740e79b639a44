"""Losses to Genant-type grades, and how certain they are (docs/morphometry 1.1, 3.5, 4). PURE."""

import math
from typing import Final

from workers.morphometry.digits import settled
from workers.morphometry.geometry import Array

#: Lower borders of grades 1, 2 and 3, percent (Genant 1993 as read in 1.1).
MILD, MODERATE, SEVERE = BORDERS = (20.0, 25.0, 40.0)
#: A grade less probable than this is borderline (3.5).
CERTAIN_ENOUGH: Final = 0.8

Probabilities = tuple[float, float, float, float]


def loss_percent(heights: Array, expected: Array) -> Array:
    """Return 100 (1 - H / E): how much of the expected height is missing, unrounded; NaN where there is no height."""
    loss: Array = 100 * (1 - heights / expected)
    return loss


def rounded(value: float) -> float:
    """Return `value` rounded half-up to 0.1: the number that is printed is the number that is graded.

    Binary noise below 1e-7 is not part of the number: 100 (1 - 24/30) = 19.999999999999996 is 20.0.
    """
    return math.floor(round(value * 10, 6) + 0.5) / 10


def genant_grade(max_loss_percent: float, severe_border_grade: int = 2) -> int:
    """Return grade 0 to 3 of the largest loss: <20, [20, 25), [25, 40], >40, on the rounded number.

    `severe_border_grade` is the grade of exactly 40.0: 2 as Genant words it, 3 as data sets do (0, decision 3).
    """
    loss = rounded(max_loss_percent)
    if loss == SEVERE:
        return severe_border_grade
    return sum(loss >= border for border in BORDERS)


def distance_to_border(max_loss_percent: float) -> float:
    """Return the distance of the unrounded loss to the nearest border, points."""
    return min(abs(max_loss_percent - border) for border in BORDERS)


def grade_probabilities(max_loss_percent: float, sd_points: float) -> Probabilities:
    """Return P(grade 0..3) where the true loss is normal around the unrounded one; `sd_points` > 0."""
    below = [_below(border, max_loss_percent, sd_points) for border in BORDERS]
    return below[0], below[1] - below[0], below[2] - below[1], 1 - below[2]


def borderline(max_loss_percent: float, sd_points: float) -> bool:
    """Whether no grade has a probability of 0.8, or a border lies within one SD of the loss (3.5)."""
    unsure = max(grade_probabilities(max_loss_percent, sd_points)) < CERTAIN_ENOUGH
    return unsure or settled(distance_to_border(rounded(max_loss_percent))) <= settled(sd_points)


def other_grade(max_loss_percent: float, grade: int) -> int:
    """Return the grade on the other side of the border that is nearest to the rounded loss; the lower of two."""
    loss = rounded(max_loss_percent)
    below = min(range(len(BORDERS)), key=lambda border: rounded(abs(loss - BORDERS[border])))
    return below if grade > below else below + 1


def largest(losses: Array) -> tuple[int, float]:
    """Return position and size of the largest of (3,) losses; positions without a height do not take part.

    Of losses that differ by binary noise only the first counts, so that turning the input does not change which.
    """
    known = [(position, loss) for position, loss in enumerate(losses.tolist()) if not math.isnan(loss)]
    return max(known, key=lambda one: settled(one[1]))


def _below(border: float, mean: float, sd: float) -> float:
    return (1 + math.erf((border - mean) / (sd * math.sqrt(2)))) / 2

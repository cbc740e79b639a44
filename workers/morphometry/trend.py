"""What the whole column expects of a vertebra: a trend that deformed vertebrae do not bend. PURE.

Logarithms of the heights against the level, each position for itself: heights grow by a share, not by mm
(docs/morphometry 2.2).
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import median, quantiles
from typing import Final

from workers.morphometry.reference import GROWTH
from workers.morphometry.vertebra import Unit, Vertebra

#: Fewer vertebrae have no trend: two deformed ones are then as many as the sound ones, or more.
LEAST: Final = 4


def trend_losses(vertebrae: Sequence[Vertebra], places: Mapping[str, int]) -> dict[str, float]:
    """Return by level the largest loss against the trend, percent; without those that have no trend.

    A trend needs 4 vertebrae of one unit. Its slope is the median over all pairs (Theil-Sen), between none and the
    published growth; its height is that of the upper quartile, since deformity lowers and nothing raises.
    """
    columns: dict[Unit, list[Vertebra]] = {}
    for vertebra in vertebrae:
        columns.setdefault(vertebra.unit, []).append(vertebra)
    found: dict[str, float] = {}
    for column in columns.values():
        for position in range(3):
            for level, loss in _losses(_known(column, position, places)).items():
                found[level] = max(loss, found.get(level, loss))
    return found


def _known(column: Sequence[Vertebra], position: int, places: Mapping[str, int]) -> dict[str, tuple[int, float]]:
    """Return place and logarithm of the height by level, where there is a height."""
    heights = {vertebra.level: float(vertebra.heights[position]) for vertebra in column}
    return {level: (places[level], math.log(height)) for level, height in heights.items() if not math.isnan(height)}


def _losses(known: Mapping[str, tuple[int, float]]) -> dict[str, float]:
    if len(known) < LEAST:
        return {}
    steps = median((b - a) / (y - x) for (x, a), (y, b) in combinations(known.values(), 2))
    slope = min(max(steps, 0.0), math.log1p(GROWTH))
    level_heights = {level: height - slope * place for level, (place, height) in known.items()}
    upper = quantiles(level_heights.values(), n=4, method="inclusive")[2]
    return {level: 100 * (1 - math.exp(height - upper)) for level, height in level_heights.items()}

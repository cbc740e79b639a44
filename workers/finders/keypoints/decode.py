"""From what a keypoint network gives to points of its input. PURE.

Points are (x, y) with 0, 0 at the top left corner of the input's first pixel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from workers.finders.keypoints.description import Output
from workers.landmarks.document import CORNERS

Array = npt.NDArray[np.float64]
#: A shift of a peak by more than half a pixel is no refinement of it.
_FARTHEST: Final = 0.5


class UnexpectedOutput(ValueError):
    """The network gives something else than its description says."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """Every point of the description, (n, 2), and whether each is placed, (n,); levels first, in each the points."""

    places: Array
    placed: npt.NDArray[np.bool_]


def decoded(found: npt.NDArray[np.generic], output: Output, size: tuple[int, int]) -> Points:
    """Return the points in an input of `size` (width, height); raises UnexpectedOutput where the shape is another.

    A point is placed where its score reaches the threshold and its numbers are finite.
    """
    values = np.asarray(found, dtype=np.float64)
    places, scores = (_peaks if output.kind == "heatmaps" else _given)(values, output, size)
    # A score that is no number is below every threshold.
    least = -np.inf if output.score_threshold is None else output.score_threshold
    return Points(places=places, placed=np.isfinite(places).all(axis=1) & np.asarray(scores >= least))


def by_level(
    places: Array, placed: npt.NDArray[np.bool_], output: Output
) -> dict[str, Mapping[str, tuple[float, float]]]:
    """Return the levels of which all four corners are placed; the middle points only where both are."""
    found: dict[str, Mapping[str, tuple[float, float]]] = {}
    for number, level in enumerate(output.levels):
        first = number * len(output.points)
        points = {
            name: (float(places[place][0]), float(places[place][1]))
            for place, name in enumerate(output.points, start=first)
            if placed[place]
        }
        if points.keys() >= CORNERS:
            found[level] = points if len(points) == len(output.points) else {n: points[n] for n in sorted(CORNERS)}
    return found


def _peaks(values: Array, output: Output, size: tuple[int, int]) -> tuple[Array, Array]:
    """Return the highest place of each heatmap, finer than its pixels, and its height there."""
    count = len(output.levels) * len(output.points)
    if values.ndim != 4 or values.shape[:2] != (1, count):  # noqa: PLR2004 - batch, heatmaps, rows, columns
        raise UnexpectedOutput(f"expected heatmaps (1, {count}, h, w), found {values.shape}")
    maps = values[0]
    rows, columns = maps.shape[1:]
    flat = np.where(np.isfinite(maps), maps, -np.inf).reshape(count, -1)
    at = np.stack(np.unravel_index(flat.argmax(axis=1), (rows, columns)), axis=1)
    fine = [_refined(maps[number], int(row), int(column)) for number, (row, column) in enumerate(at)]
    places = (np.array(fine) + 0.5) * (size[0] / columns, size[1] / rows)
    return places, flat.max(axis=1)


def _refined(heatmap: Array, row: int, column: int) -> tuple[float, float]:
    """Return (x, y) of the top of the parabola through the logarithms around the peak: exact for a Gaussian.

    Zhang 2020, Distribution-Aware Coordinate Representation for Human Pose Estimation (CVPR), for axes apart.
    """
    across = _shift(heatmap[row, max(0, column - 1) : column + 2])
    down = _shift(heatmap[max(0, row - 1) : row + 2, column])
    return column + across, row + down


def _shift(three: Array) -> float:
    """Return the place of the top against the middle one of three values, -0.5 to 0.5; 0 at the edge of the map."""
    if three.size != 3 or not (three > 0).all() or not np.isfinite(three).all():  # noqa: PLR2004 - with both neighbours
        return 0.0
    before, here, behind = np.log(three)
    bend = before - 2 * here + behind
    return float(np.clip((before - behind) / (2 * bend), -_FARTHEST, _FARTHEST)) if bend < 0 else 0.0


def _given(values: Array, output: Output, size: tuple[int, int]) -> tuple[Array, Array]:
    """Return the points as they stand there, in pixels from the corner, and their scores."""
    levels, points = len(output.levels), len(output.points)
    numbers = 2 if output.score_threshold is None else 3
    if values.shape not in {(1, levels * points, numbers), (1, levels, points, numbers)}:
        raise UnexpectedOutput(f"expected points (1, {levels * points}, {numbers}), found {values.shape}")
    rows = values.reshape(levels * points, numbers)
    places = (
        rows[:, :2] * size
        if output.coordinates == "normalised"
        else rows[:, :2] + 0.5 - (output.first_pixel_centre or 0)
    )
    return places, rows[:, 2] if numbers > 2 else np.zeros(len(rows))  # noqa: PLR2004 - x, y, score

"""The six points of a body in one sagittal plane: rims limited to the walls, which cuts osteophytes.

Where endplate slopes are extrapolated to the wall, errors have catastrophic tails (docs/morphometry 3.4). Here a
rim is the outline's extreme point; the endplate next to it may level it by half a millimetre, no more.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from workers.landmarks.mask.body import Section
from workers.landmarks.volumes import Array, Mask

Counts = npt.NDArray[np.int_]

#: Share of the height, about its middle, over which a wall's position is the median.
_WALL_ROWS: Final = 0.44
#: How far beyond or before its wall a rim may lie, as a share of the depth.
_RIM_REACH: Final = 0.10
#: Half the share of the depth over which a middle point is the median.
_MIDDLE_REACH: Final = 0.06
#: Share of the height, about its middle, over which the joined posterior wall is looked for.
_CUT_ROWS: Final = 0.80
#: Share of the depth by which the median wall lies behind the cut wall where posterior elements hang on the body.
_JOINED: Final = 0.15
#: Share of the depth, from the wall inwards, over which the endplate's line is fitted that levels a rim.
_LEVEL_REACH: Final = 0.15
#: How far that line may move a rim up or down, mm: half the voxel by which a sampled corner is ragged.
_LEVEL_LIMIT_MM: Final = 0.5
#: Samples of an endplate that a line needs.
_LEAST_SAMPLES: Final = 3
#: Share of the depth, about its middle, over which the height is judged.
_CENTRAL: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Rims:
    """Six points, (posterior, superior) mm, in POINT_NAMES' order AS MS PS AI MI PI: (6, 2)."""

    points: Array
    #: Angle of the bisector of the endplates' middle halves against the posterior axis, radians: a first guess.
    lean_rad: float
    #: Whether posterior elements hang on the body in this plane and were cut off at the posterior wall.
    joined: bool


def find_rims(body: Section, *, alone: bool = False) -> Rims | None:
    """Return the six points of a section; None where it has no height, depth or walls.

    `alone` says that nothing hangs on the body: its posterior wall is then where it ends.
    """
    tops, bottoms = _ends(body.values, body.up)
    high, low = _middle_heights(body, tops, bottoms)
    if not high - low > 0:
        return None
    fronts, rears = _runs(body)
    middle, half = (high + low) / 2, (high - low) / 2
    rows = np.abs(body.up - middle)
    near = (rows < _WALL_ROWS * half) & ~np.isnan(fronts)
    if not near.any():
        return None
    front, rear = float(np.nanmedian(fronts[near])), float(np.nanmedian(rears[near]))
    cut = float(np.nanquantile(rears[rows < _CUT_ROWS * half], 0.25))
    joined = not alone and rear - cut > _JOINED * (cut - front)
    rear = cut if joined else rear
    if not rear - front > 0:
        return None
    points = _six(_outline(body, tops, bottoms), body.across, tops, bottoms, (front, rear, middle))
    return None if points is None else Rims(points=points, lean_rad=_lean(body, tops, bottoms), joined=joined)


def _six(outline: Array, across: Array, tops: Array, bottoms: Array, walls: tuple[float, float, float]) -> Array | None:
    """Return the six points; None where the outline comes nowhere near a wall, as that of a step does not."""
    front, rear, middle = walls
    depth = rear - front
    corners = []
    for end, line in ((1.0, tops), (-1.0, bottoms)):
        for wall, side in ((front, -1.0), (rear, 1.0)):
            rim = _extreme(outline, wall=wall, reach=_RIM_REACH * depth, middle=middle, side=side, end=end)
            if rim is None:
                return None
            inwards = (wall - across) * side
            near = (inwards >= 0) & (inwards <= _LEVEL_REACH * depth) & ~np.isnan(line)
            corners.append(_levelled(rim, across[near], line[near]))
    centre = (front + rear) / 2
    central = np.abs(across - centre) < max(_MIDDLE_REACH * depth, across[1] - across[0])
    superior, inferior = (np.array([centre, np.nanmedian(line[central])]) for line in (tops, bottoms))
    return np.stack([corners[0], superior, corners[1], corners[2], inferior, corners[3]])


def _extreme(outline: Array, *, wall: float, reach: float, middle: float, side: float, end: float) -> Array | None:
    """Return the outline's farthest point along the outward diagonal, no farther than `reach` from the wall, if any."""
    near = np.abs(outline[:, 0] - wall) <= reach
    beyond = (outline[:, 1] - middle) * end > 0
    candidates = outline[near & beyond]
    if not len(candidates):
        return None
    return np.asarray(candidates[int((candidates @ np.array([side, end])).argmax())])


def _levelled(rim: Array, across: Array, endplate: Array) -> Array:
    """Return the rim at the level of the line through the endplate next to it, at most 0.5 mm from where it was."""
    if len(across) < _LEAST_SAMPLES:
        return rim
    level = float(endplate.mean()) + _slope(across, endplate) * (float(rim[0]) - float(across.mean()))
    return np.array([rim[0], min(max(level, rim[1] - _LEVEL_LIMIT_MM), rim[1] + _LEVEL_LIMIT_MM)])


def _middle_heights(body: Section, tops: Array, bottoms: Array) -> tuple[float, float]:
    """Return the level of the endplates over the middle of the body; nan, nan where there is no body."""
    central = _central(body, tops)
    return (float(np.median(tops[central])), float(np.median(bottoms[central]))) if central.any() else (np.nan, np.nan)


def _lean(body: Section, tops: Array, bottoms: Array) -> float:
    central = _central(body, tops)
    return float(np.mean([np.arctan(_slope(body.across[central], line[central])) for line in (tops, bottoms)]))


def _slope(across: Array, endplate: Array) -> float:
    """Return the slope of the line through the endplate; none where it is a single point."""
    run = across - across.mean()
    return float(run @ endplate / max(float(run @ run), 1e-9))


def _central(body: Section, tops: Array) -> Mask:
    """Return which columns lie in the middle half of the body, about the origin; none where there is no body."""
    held = body.across[~np.isnan(tops)]
    reach = _CENTRAL / 2 * (held[-1] - held[0]) if held.size else 0.0
    return np.asarray((np.abs(body.across) <= reach) & ~np.isnan(tops))


def _ends(values: Array, along: Array) -> tuple[Array, Array]:
    """Return where each column of `values` last and first crosses zero, mm along axis 0; nan for empty columns."""
    filled = values > 0
    empty = ~filled.any(axis=0)
    first = filled.argmax(axis=0)
    last = len(along) - 1 - filled[::-1].argmax(axis=0)
    high = _crossing(values, along, last, +1)
    low = _crossing(values, along, first, -1)
    return np.where(empty, np.nan, high), np.where(empty, np.nan, low)


def _runs(body: Section) -> tuple[Array, Array]:
    """Return where each row leaves the body going forward and backward from the origin; nan where it is not in it."""
    filled = body.values > 0
    centre = int(np.abs(body.across).argmin())
    empty = ~filled[:, centre]
    last = centre + _length(filled[:, centre:]) - 1
    first = centre - _length(filled[:, : centre + 1][:, ::-1]) + 1
    front = _crossing(body.values.T, body.across, first, -1)
    rear = _crossing(body.values.T, body.across, last, +1)
    return np.where(empty, np.nan, front), np.where(empty, np.nan, rear)


def _length(filled: Mask) -> Counts:
    """Return how many samples are filled without a gap from the first, for each row."""
    gaps = ~filled
    return np.asarray(np.where(gaps.any(axis=1), gaps.argmax(axis=1), filled.shape[1]))


def _crossing(values: Array, along: Array, place: Counts, step: int) -> Array:
    """Return the zero between sample `place` and the next one in direction `step`, for each column, mm."""
    beyond = np.clip(place + step, 0, len(along) - 1)
    columns = np.arange(values.shape[1])
    inside, outside = values[place, columns], values[beyond, columns]
    share = np.where(inside > outside, inside / np.where(inside > outside, inside - outside, 1.0), 0.0)
    return np.asarray(along[place] + np.clip(share, 0, 1) * (along[beyond] - along[place]))


def _outline(body: Section, tops: Array, bottoms: Array) -> Array:
    """Return points on the body's edge, (n, 2) posterior and superior mm."""
    rears, fronts = _ends(body.values.T, body.across)
    columns = [np.column_stack([body.across, line]) for line in (tops, bottoms)]
    rows = [np.column_stack([line, body.up]) for line in (fronts, rears)]
    points = np.concatenate([*columns, *rows])
    return np.asarray(points[~np.isnan(points).any(axis=1)])

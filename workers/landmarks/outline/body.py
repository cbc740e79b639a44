"""The six points of an outlined body: found as in a section of a mask, after the frame has been fitted to the body."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import ndimage

from workers.landmarks.mask.body import Section
from workers.landmarks.mask.checks import misshapen
from workers.landmarks.mask.rims import Rims, find_rims
from workers.landmarks.outline.contours import gap
from workers.landmarks.outline.frame import PlaneFrame
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.outline.section import STEP, enclosed, sample
from workers.landmarks.volumes import Array

#: Turns by the endplates' middle halves, which hold for any lean, then by their chords (docs/morphometry 3.2, step 5).
_ROUGH_TURNS, _FINE_TURNS = 2, 4
#: A turn by less than this is none.
_TURNED_RAD: Final = np.radians(0.05)
#: Share of the height, about its middle, over which a wall's position is the median (docs/morphometry 3.2, step 6).
_WALL_ROWS: Final = 0.44
#: Widest node that may look like a wall, as a share of the depth before it.
_NODE: Final = 0.35
#: Share of the depth before such a wall over which the body stands again behind it, and of its height by which the
#: endplates there are in line.
_BEHIND_WALL: Final = 0.1
_IN_LINE: Final = 0.15
#: Share that the six points' hexagon and the outline between the walls have in common, at least: a body that is hollow
#: by a quarter of its height has 0.9; with posterior elements that cannot be told from it, it has less than this.
_LEAST_COMMON: Final = 0.8
#: Share of the depth before the anterior wall that an osteophyte may reach, and what may lie farther, as a share of the
#: body: a bridge of 8 by 12 mm. More are posterior elements on the wrong side.
_BEFORE_WALL: Final = 0.1
_MOST_BEFORE: Final = 0.12


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The six points of one outline, (6, 2) posterior and superior, nominal mm, in POINT_NAMES' order, in its frame."""

    frame: PlaneFrame
    points: Array
    #: Whether posterior elements hang on the body and were cut off at the posterior wall.
    joined: bool
    #: How thick a layer is parted from the body at an endplate, nominal mm; 0 where there is none.
    gap: float

    @property
    def in_plane(self) -> Array:
        """The points as those of the plane, (6, 2)."""
        return self.frame.to_plane(self.points)


def place(rings: Sequence[Array], seed: PlaneFrame, others: Sequence[Array] = ()) -> Placed | Reason:
    """Return the points of what `rings` enclose, or the reason why there are none.

    `others` are parts of the same mask that do not hang together with it.
    """
    frame, body = seed, _body(rings, seed)
    for turns in range(_ROUGH_TURNS + _FINE_TURNS):
        if body is None:
            return Reason.NO_BODY
        rough = turns < _ROUGH_TURNS
        turn = body.rims.lean_rad if rough else _bisector(body.rims.points)
        if not rough and abs(turn) < _TURNED_RAD:
            break
        frame = frame.fitted(body.rims.points.mean(axis=0), _depth(body.rims.points), turn)
        body = _body(rings, frame)
    if body is None:
        return Reason.NO_BODY
    points = body.rims.points
    reason = _implausible(body.section, points, [frame.to_local(part) for part in others])
    return reason or Placed(frame=frame, points=points, joined=body.joined, gap=gap(body.section, points))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Body:
    section: Section
    rims: Rims
    joined: bool


def _body(rings: Sequence[Array], frame: PlaneFrame) -> _Body | None:
    """Return the section and its points; where posterior elements hang on it, it ends at the posterior wall.

    In a projection pedicles and articular processes lie beside the rims, not in other planes. A deep node may look
    like a wall; it is none where the body goes on behind it.
    """
    section = sample(rings, frame)
    rims = _rims(section)
    if section is None or rims is None:
        return None
    if not rims.joined:
        return _Body(section=section, rims=rims, joined=False)
    front = _anterior_wall(section, rims.points)
    rear = 2 * rims.points[1, 0] - front
    if _goes_on(section, rims.points, rear):
        section, joined = _bridged(section, _NODE * (rear - front)), False
    else:
        section, joined = replace(section, values=np.minimum(section.values, rear - section.across)), True
    rims = _rims(section)
    return None if rims is None or rims.joined else _Body(section=section, rims=rims, joined=joined)


def _rims(section: Section | None) -> Rims | None:
    rims = None if section is None else find_rims(section)
    return rims if rims is not None and np.isfinite(rims.points).all() and _depth(rims.points) > 0 else None


def _goes_on(section: Section, points: Array, rear: float) -> bool:
    """Whether the body stands behind the wall as high as before it, no higher and no lower: then that is no wall.

    Pedicles are lower than the body, articular processes reach above or below it.
    """
    low, high = points[3:, 1].mean(), points[:3, 1].mean()
    room = _IN_LINE * (high - low)
    filled = section.values > 0
    within = filled[(section.up > low + room) & (section.up < high - room)].all(axis=0)
    beyond = filled[(section.up < low - room) | (section.up > high + room)].any(axis=0)
    columns = within & ~beyond & (section.across > rear)
    return bool(columns.sum() * STEP > _BEHIND_WALL * (rear - points[0, 0]))


def _bridged(section: Section, width: float) -> Section:
    """Return the section with gaps along its rows filled that are no wider than `width`."""
    bridge = np.ones((1, 1 + round(width / STEP)), dtype=np.bool_)
    filled = ndimage.binary_closing(section.values > 0, bridge)
    return replace(section, values=np.where(filled, np.maximum(section.values, STEP), section.values))


def _anterior_wall(section: Section, points: Array) -> float:
    """Return where the anterior wall is: as far before the middle points as the posterior one is behind them."""
    level, half = points[[1, 4], 1].mean(), (points[1, 1] - points[4, 1]) / 2
    before = section.across <= points[1, 0]
    rows = np.abs(section.up - level) < _WALL_ROWS * half
    empty = section.values[np.ix_(rows, before)][:, ::-1] <= 0
    first = np.where(empty.any(axis=1), empty.argmax(axis=1), empty.shape[1])
    return float(np.median(section.across[before][::-1][np.minimum(first, empty.shape[1] - 1)]))


def _depth(points: Array) -> float:
    return float(points[[2, 5], 0].mean() - points[[0, 3], 0].mean())


def _bisector(points: Array) -> float:
    """Return the angle of the bisector of the two endplate chords against the posterior axis, radians."""
    chords = points[[2, 5]] - points[[0, 3]]
    return float(np.arctan2(chords[:, 1], chords[:, 0]).mean())


def _implausible(section: Section, points: Array, others: Sequence[Array]) -> Reason | None:
    """Return why the points do not stand for a body: shape, what lies before it, what they have in common with it."""
    if misshapen(points):
        return Reason.IMPLAUSIBLE_SHAPE
    filled = section.values > 0
    front, rear = points[[0, 3], 0].max(), points[[2, 5], 0].min()
    body = enclosed([points[[0, 1, 2, 5, 4, 3]]], section.across, section.up)
    before = filled[:, section.across < front - _BEFORE_WALL * (rear - front)].sum()
    for part in others:
        ahead = enclosed([part], section.across, section.up)
        before += ahead[:, section.across < front].sum()
    if before > _MOST_BEFORE * body.sum():
        return Reason.ORIENTATION_CONFLICT
    between = (section.across >= front) & (section.across <= rear)
    common = (filled & body)[:, between].sum() / max(1, (filled | body)[:, between].sum())
    return Reason.NO_BODY if common < _LEAST_COMMON else None

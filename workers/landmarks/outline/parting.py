"""The body in a section of a projection, apart from the posterior elements that hang on it.

In a lateral projection pedicles, processes and laminae lie in the same plane as the body. It ends at its posterior
wall; what cannot be parted so is left to the checks of the six points.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import ndimage

from workers.landmarks.mask.body import Section
from workers.landmarks.mask.rims import Rims, find_rims
from workers.landmarks.outline.section import STEP
from workers.landmarks.volumes import Array, Mask

#: Share of the height, about its middle, over which a wall's position is the median (docs/morphometry 3.2, step 6).
_WALL_ROWS: Final = 0.44
#: Share of the depth that an osteophyte may reach beyond its wall, and the share of the body's area that may lie
#: farther: a bridge of 8 by 12 mm. More are posterior elements.
BEYOND_WALL: Final = 0.1
MOST_BEYOND: Final = 0.12
#: Widest node that may look like a wall, as a share of the depth before it.
_NODE: Final = 0.35
#: Share of the depth before such a wall over which the body stands again behind it, and of its height by which the
#: endplates there are in line.
_BEHIND_NODE: Final = 0.1
_IN_LINE: Final = 0.15
#: Share of the depth before a wall over which an endplate's course is taken.
_RUN: Final = 0.4


@dataclass(frozen=True, kw_only=True, eq=False)
class Body:
    """A section that holds the body, with its six points."""

    section: Section
    #: (6, 2) posterior and superior, nominal mm, in POINT_NAMES' order.
    points: Array
    lean_rad: float
    #: Whether posterior elements hung on it and were cut off at the posterior wall.
    joined: bool

    @property
    def depth(self) -> float:
        """Distance between the rims in front and behind."""
        return _depth(self.points)


def parted(section: Section | None) -> Body | None:
    """Return the body of a section; None where it is none, as it may be before the frame is fitted to one.

    A deep node may look like a wall; it is none where the body goes on behind it.
    """
    rims = _rims(section)
    if section is None or rims is None:
        return None
    front = _anterior_wall(section, rims.points)
    rear = 2 * rims.points[1, 0] - front
    end = _tapered(section, front, rear) if rims.joined else None
    if end is not None:
        behind = section.across > end
        hangs = _area(section, behind) > MOST_BEYOND * _area(section, (section.across > front) & ~behind)
        cut = replace(section, values=np.minimum(section.values, end - section.across)) if hangs else section
        return _body(cut, _rims(cut, alone=True), joined=hangs)
    if rims.joined and _goes_on(section, rims.points, rear):
        bridged = _bridged(section, _NODE * (rear - front))
        return _body(bridged, _rims(bridged), joined=False)
    if rims.joined or _area(section, section.across > rear + BEYOND_WALL * (rear - front)) > MOST_BEYOND * _area(
        section, (section.across > front) & (section.across < rear)
    ):
        cut = replace(section, values=np.minimum(section.values, rear - section.across))
        return _body(cut, _rims(cut), joined=True)
    return _body(section, rims, joined=False)


def _body(section: Section, rims: Rims | None, *, joined: bool) -> Body | None:
    if rims is None or rims.joined:
        return None
    return Body(section=section, points=rims.points, lean_rad=rims.lean_rad, joined=joined)


def _rims(section: Section | None, *, alone: bool = False) -> Rims | None:
    try:
        rims = None if section is None else find_rims(section, alone=alone)
    except (ValueError, IndexError):
        # No edge lies near one of the walls, or only one column near the origin is filled.
        return None
    return rims if rims is not None and np.isfinite(rims.points).all() and _depth(rims.points) > 0 else None


def _depth(points: Array) -> float:
    return float(points[[2, 5], 0].mean() - points[[0, 3], 0].mean())


def _area(section: Section, columns: Mask) -> int:
    """Return how many samples of the columns are filled."""
    return int((section.values[:, columns] > 0).sum())


def _tapered(section: Section, front: float, rear: float) -> float | None:
    """Return where a body ends whose endplates run on behind the wall that was found; None where they do not.

    A steep posterior wedge is so low behind that most of its rows end early. Its endplates are in line all the way;
    where posterior elements begin, one of them is not.
    """
    filled, depth = section.values > 0, rear - front
    held = filled.any(axis=0)
    before = (section.across > rear - _RUN * depth) & (section.across < rear) & held
    if before.sum() * STEP < _BEHIND_NODE * depth:
        return None
    lines = section.up[len(section.up) - 1 - filled[::-1].argmax(axis=0)], section.up[filled.argmax(axis=0)]
    superior, inferior = (
        np.polynomial.Polynomial.fit(section.across[before], line[before], 1)(section.across) for line in lines
    )
    room = np.maximum(_IN_LINE * (superior - inferior), 2 * STEP)
    off = np.maximum(np.abs(lines[0] - superior), np.abs(lines[1] - inferior))
    in_line = held & (superior > inferior) & (off < room)
    beyond = in_line[section.across >= rear]
    run = float((beyond.argmin() if not beyond.all() else len(beyond)) * STEP)
    return rear + run if run > _BEHIND_NODE * depth else None


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
    return bool(columns.sum() * STEP > _BEHIND_NODE * (rear - points[0, 0]))


def _bridged(section: Section, width: float) -> Section:
    """Return the section with gaps along its rows filled that are no wider than `width`."""
    bridge = np.ones((1, 1 + round(width / STEP)), dtype=np.bool_)
    filled = ndimage.binary_closing(section.values > 0, bridge)
    return replace(section, values=np.where(filled, np.maximum(section.values, STEP), section.values))


def _anterior_wall(section: Section, points: Array) -> float:
    """Return where the anterior wall is: the posterior one is as far behind the middle points."""
    level, half = points[[1, 4], 1].mean(), (points[1, 1] - points[4, 1]) / 2
    before = section.across <= points[1, 0]
    rows = np.abs(section.up - level) < _WALL_ROWS * half
    empty = section.values[np.ix_(rows, before)][:, ::-1] <= 0
    first = np.where(empty.any(axis=1), empty.argmax(axis=1), empty.shape[1])
    return float(np.median(section.across[before][::-1][np.minimum(first, empty.shape[1] - 1)]))

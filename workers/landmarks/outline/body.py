"""The six points of an outlined body: found as in a section of a mask, in a frame that is fitted to the body."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from workers.landmarks.mask.checks import misshapen
from workers.landmarks.mask.neighbours import TALLER_THAN_DEEP
from workers.landmarks.mask.six import bisector
from workers.landmarks.outline.contours import gap
from workers.landmarks.outline.frame import PlaneFrame
from workers.landmarks.outline.parting import BEYOND_WALL, MOST_BEYOND, Body, parted
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.outline.section import REACH, STEP, enclosed, sample
from workers.landmarks.volumes import Array, Mask

#: Turns by the endplates' middle halves, which hold for any lean, then by their chords (docs/morphometry 3.2, step 5).
_ROUGH_TURNS, _FINE_TURNS = 2, 4
#: A turn by less than this is none.
_TURNED_RAD: Final = np.radians(0.05)
#: Cosine of the turn from the seed below which the frame has found something else: farther on, walls are endplates.
_LEAST_UPRIGHT: Final = 0.71
#: Share that the outline between the walls and what the six points describe have in common, at least: bodies of all
#: shapes have 0.88 and more; one with posterior elements that cannot be told from it has less than this.
_LEAST_COMMON: Final = 0.8
#: Share of a wall next to which another part makes the body one of two pieces: a pedicle is half as high as the body.
#: So near it lies, nominal mm; the canal is wider, and a half is only half as deep as what is taken for nominal.
_HALVED, _BESIDE = 0.75, 7.0


@dataclass(frozen=True, kw_only=True, eq=False)
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

    @property
    def heights(self) -> Array:
        """The three heights, in the unit of the plane."""
        return np.asarray(np.hypot(*(self.points[:3] - self.points[3:]).T) * self.frame.unit)

    @property
    def is_upright(self) -> bool:
        """Whether it is higher than it is deep: no body of a level that is graded is."""
        depth = float(np.hypot(*(self.points[[2, 5]] - self.points[[0, 3]]).T).mean()) * self.frame.unit
        return bool(self.heights.max() > TALLER_THAN_DEEP * depth)

    def tilt_deg(self, superior: Array) -> float:
        """Return the angle between its own axis and what is known of superior (2,), degrees."""
        cosine = float(self.frame.superior @ superior) / float(np.hypot(*superior))
        return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


def place(rings: Sequence[Array], seeds: Sequence[PlaneFrame], others: Sequence[Array] = ()) -> Placed | Reason:
    """Return the points of what `rings` enclose from the first seed that leads to a body, or why none does.

    The first seed stands in the middle of everything: what is found from there counts only where nothing had to be cut
    off, so that a low end of a body is not taken for posterior elements. `others` are parts of the same mask that do
    not hang together with it.
    """
    reasons = []
    for number, seed in enumerate(seeds):
        found = _from(seed, rings, others)
        if isinstance(found, Reason):
            reasons.append(found)
        elif number or len(seeds) == 1 or not found.joined:
            return found
    # A vertebra that faces the other way explains why the other seeds led nowhere.
    return Reason.ORIENTATION_CONFLICT if Reason.ORIENTATION_CONFLICT in reasons else reasons[-1]


def _from(seed: PlaneFrame, rings: Sequence[Array], others: Sequence[Array]) -> Placed | Reason:
    frame, body = seed, parted(sample(rings, seed))
    for turns in range(_ROUGH_TURNS + _FINE_TURNS):
        if body is None:
            return Reason.NO_BODY
        rough = turns < _ROUGH_TURNS
        turn = body.lean_rad if rough else bisector(body.points)
        if not rough and abs(turn) < _TURNED_RAD:
            break
        frame = frame.fitted(body.points.mean(axis=0), body.depth, turn)
        body = parted(sample(rings, frame))
    if body is None or seed.superior @ frame.superior < _LEAST_UPRIGHT:
        return Reason.NO_BODY
    reason = _implausible(body, [frame.to_local(part) for part in others])
    return reason or Placed(frame=frame, points=body.points, joined=body.joined, gap=gap(body.section, body.points))


def _implausible(body: Body, others: Sequence[Array]) -> Reason | None:
    """Return why the points do not stand for a body: shape, what lies before it, what they have in common with it."""
    if misshapen(body.points):
        return Reason.IMPLAUSIBLE_SHAPE
    if (np.abs(body.points) > np.array(REACH) - 2 * STEP).any():
        return Reason.NO_BODY
    across, up, filled = body.section.across, body.section.up, body.section.values > 0
    front, rear = _walls(body.points)
    if others and _halved(enclosed(others, across, up), body):
        return Reason.NO_BODY
    before = across < front - BEYOND_WALL * (rear - front)
    ahead = filled[:, before].sum() + sum(enclosed([part], across, up)[:, before].sum() for part in others)
    if ahead > MOST_BEYOND * enclosed([body.points[[0, 1, 2, 5, 4, 3]]], across, up).sum():
        return Reason.ORIENTATION_CONFLICT
    return Reason.NO_BODY if _common(body) < _LEAST_COMMON else None


def _halved(others: Mask, body: Body) -> bool:
    """Whether another part stands right before or behind a wall, about as high as the body: it is in two pieces."""
    section, (front, rear) = body.section, _walls(body.points)
    low, high = body.points[3:, 1].max(), body.points[:3, 1].min()
    beside = others[(section.up > low) & (section.up < high)]
    walls = (np.abs(section.across - wall) < _BESIDE for wall in (front, rear))
    return any(float(beside[:, wall].any(axis=1).mean()) > _HALVED for wall in walls) if len(beside) else False


def _common(body: Body) -> float:
    """Return how much of what either covers the outline and the six points' body both do, between the walls.

    The endplates of that body run through their three points, straight from one to the next or as parabolas, whichever
    has more in common with the outline.
    """
    front, rear = _walls(body.points)
    columns = (body.section.across >= front) & (body.section.across <= rear)
    across, filled = body.section.across[columns], body.section.values[:, columns] > 0
    shares = [0.0]
    for course in (_straight, _curved):
        superior, inferior = course(across, body.points[:3]), course(across, body.points[3:])
        described = (body.section.up[:, None] < superior) & (body.section.up[:, None] > inferior)
        shares.append(float((filled & described).sum() / max(1, (filled | described).sum())))
    return max(shares)


def _walls(points: Array) -> tuple[float, float]:
    """Return where both anterior points are behind, and both posterior ones ahead."""
    return float(points[[0, 3], 0].max()), float(points[[2, 5], 0].min())


def _straight(across: Array, points: Array) -> Array:
    return np.interp(across, points[:, 0], points[:, 1])


def _curved(across: Array, points: Array) -> Array:
    return np.asarray(np.polynomial.Polynomial.fit(points[:, 0], points[:, 1], 2)(across))

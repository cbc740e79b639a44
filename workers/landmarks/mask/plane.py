"""The midsagittal plane of a vertebra: a bounded search for symmetry, checked against neighbours.

An unbounded search lands on a wrong plane in more than one of twenty vertebrae (docs/morphometry 3.4).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from scipy import ndimage, optimize

from workers.landmarks.mask.field import Field
from workers.landmarks.mask.frame import Frame, angle_deg, unit
from workers.landmarks.mask.search import Place, least
from workers.landmarks.volumes import Array
from workers.morphometry.levels import places

#: How far from the seed the plane may be tilted.
_BOUND_DEG: Final = 30.0
#: Starts of the search along each tilt, and how many of the best are followed.
_STARTS_DEG: Final = (-24.0, -12.0, 0.0, 12.0, 24.0)
_FOLLOWED: Final = 3
#: Points that are mirrored in each trial: few to find the way, more to refine its end.
_FEW, _MANY = 600, 2500
#: First step, and how near to its end a search ends, degrees (the shift: half a step, and mm): on the way, then there.
_FOLLOW_DEG, _REFINE_DEG = (4.0, 0.5), (1.0, 0.1)
#: A search ends where all it compares are alike, too; and after so many steps.
_ALIKE, _MOST_STEPS = 1e-5, 120
#: Loss of overlap that is accepted for a plane nearer to the seed: at the bound.
_PRIOR: Final = 0.02
#: Two planes that differ by more do not agree (docs/morphometry 3.2, step 3).
AGREE_DEG: Final = 10.0
#: Turns of the body's own plane, at most; a turn by less is the last, degrees.
_MOST_TURNS, _TURNED_DEG = 4, 2.0
#: Vertebrae so many levels away take part in the check.
_NEIGHBOURS: Final = 2


@dataclass(frozen=True, kw_only=True)
class _Trials:
    """What each trial of a search about `seed` mirrors, prepared so that a trial costs few operations on arrays.

    Mirrored in a plane with the unit normal n, at the signed distance d of a point, its index in the grid moves by
    -2 d times n taken as an index.
    """

    field: Field
    seed: Frame
    #: (n, 3), mm from the seed's origin.
    positions: Array
    #: (3, n), the same points as indices of the grid.
    index: Array
    #: (3, 3), from a direction in the patient to one in the grid, twice as long.
    twice_to_grid: Array
    weights: Array
    whole_weight: float

    @classmethod
    def of(cls, field: Field, seed: Frame, count: int) -> Self:
        """Take about `count` of the voxels that the mask fills, evenly through the list: the same ones every time."""
        positions, weights = field.voxels(0.1)
        step = max(1, len(weights) // count)
        positions = positions[::step]
        to_grid = np.asarray(np.linalg.inv(field.affine[:3, :3]), dtype=np.float64)
        index = to_grid @ (positions - field.affine[:3, 3]).T
        return cls(
            field=field,
            seed=seed,
            positions=positions - seed.origin,
            index=index,
            twice_to_grid=2 * to_grid,
            weights=weights[::step],
            whole_weight=weights[::step].sum(),
        )

    @property
    def middle_mm(self) -> float:
        """Where the mask's weight lies along the seed's normal."""
        return float(self.positions @ self.seed.left @ self.weights / self.whole_weight)

    def asymmetry(self, tilt: Place) -> float:
        """Return how little the mirrored mask covers the mask, 0 to 1, plus the prior; 2 outside the bounds."""
        yaw, roll, shift = tilt
        if max(abs(yaw), abs(roll)) > _BOUND_DEG:
            return 2.0
        normal = _normal(self.seed, yaw, roll)
        distance = self.positions @ normal - shift
        mirrored = self.field.at_index(self.index - (self.twice_to_grid @ normal)[:, None] * distance)
        overlap = float(np.minimum(mirrored, self.weights).sum() / self.whole_weight)
        return 1 - overlap + _PRIOR * (yaw**2 + roll**2) / _BOUND_DEG**2

    def followed(self, start: Place, step: float, nearness: float) -> Place:
        """Return where the search from `start` ends: steps of so many degrees at first, ended within `nearness`."""
        yaw, roll, shift = start
        corners = (start, (yaw + step, roll, shift), (yaw, roll + step, shift), (yaw, roll, shift + step * 0.5))
        return least(self.asymmetry, corners, nearness=nearness, cost_nearness=_ALIKE, most=_MOST_STEPS)


def symmetric(field: Field, seed: Frame, *, followed: int = _FOLLOWED) -> Frame:
    """Return the frame, each of two tilts within 30 degrees of `seed`, about whose plane the mask is most symmetric.

    The origin is the seed's, moved into the plane. `followed` of the starts are followed, with few points; the best end
    is refined with many.
    """
    few, many = (_Trials.of(field, seed, count) for count in (_FEW, _MANY))
    starts = [(a, b, many.middle_mm) for a in _STARTS_DEG for b in _STARTS_DEG]
    starts.sort(key=few.asymmetry)
    ends = [few.followed(start, *_FOLLOW_DEG) for start in starts[:followed]]
    return _tilted(seed, many.followed(min(ends, key=many.asymmetry), *_REFINE_DEG))


def of_body(field: Field, frame: Frame, rear: Array) -> Frame:
    """Return the frame about whose plane the largest part before the posterior wall is most symmetric.

    Posterior elements that were lost on one side, to a surgeon or to the segmentation, do not turn it. `rear` (3,) is a
    point of the wall, LPS mm; `frame` is the seed. A turned plane cuts better at the wall, and so is turned again.
    """
    index = np.argwhere(field.values > 0)
    positions = index @ field.affine[:3, :3].T + field.affine[:3, 3]
    for _ in range(_MOST_TURNS):
        values = field.values.copy()
        values[tuple(index[(positions - rear) @ frame.posterior > 0].T)] = 0.0
        labels, count = ndimage.label(values > 0)
        if not count:
            return frame
        values[labels != np.bincount(labels.ravel())[1:].argmax() + 1] = 0.0
        seed, frame = frame, symmetric(replace(field, values=values), frame, followed=1)
        if angle_deg(seed.left, frame.left) < _TURNED_DEG:
            break
    return frame


def recentred(field: Field, frame: Frame) -> Frame:
    """Return `frame` moved along its normal to where the mask is most symmetric."""
    trials = _Trials.of(field, frame, _MANY)
    middle = trials.middle_mm
    best = optimize.minimize_scalar(
        lambda shift: trials.asymmetry((0.0, 0.0, shift)), bounds=(middle - 6, middle + 6), method="bounded"
    )
    return _tilted(frame, (0.0, 0.0, float(best.x)))


def disagreeing(normals: Mapping[str, Array]) -> dict[str, Array]:
    """Return the levels whose plane does not fit its neighbours', each with the normal the neighbours give.

    The worst is set aside first, and does not testify against the others.
    """
    kept, odd = dict(normals), dict[str, Array]()
    while kept:
        expected = {level: _from_neighbours(level, kept) for level in kept}
        off = {level: angle_deg(kept[level], normal) for level, normal in expected.items() if normal is not None}
        worst = max(off, key=lambda level: off[level], default=None)
        if worst is None or off[worst] <= AGREE_DEG:
            break
        odd[worst] = kept.pop(worst)
    fitted = {level: _from_neighbours(level, kept) for level in odd}
    return {level: odd[level] if normal is None else normal for level, normal in fitted.items()}


def _from_neighbours(level: str, normals: Mapping[str, Array]) -> Array | None:
    """Return the normal interpolated from the nearest levels above and below; None where one side has none."""
    place = places({*normals, level})
    near = [other for other in normals if 0 < abs(place[other] - place[level]) <= _NEIGHBOURS]
    above = max((other for other in near if place[other] < place[level]), key=place.__getitem__, default=None)
    below = min((other for other in near if place[other] > place[level]), key=place.__getitem__, default=None)
    if above is None or below is None:
        return None
    share = (place[level] - place[above]) / (place[below] - place[above])
    return unit((1 - share) * normals[above] + share * normals[below])


def _tilted(seed: Frame, tilt: Place) -> Frame:
    """Return the seed turned by (yaw, roll) degrees and moved by (shift) mm along its new normal."""
    turned = Frame.about(seed.origin, _normal(seed, tilt[0], tilt[1]), seed.superior)
    return replace(turned, origin=seed.origin + tilt[2] * turned.left)


def _normal(seed: Frame, yaw_deg: float, roll_deg: float) -> Array:
    yaw, roll = math.tan(math.radians(yaw_deg)), math.tan(math.radians(roll_deg))
    return unit(seed.left + yaw * seed.posterior + roll * seed.superior)

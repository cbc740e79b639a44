"""The midsagittal plane of a vertebra: a bounded search for symmetry, checked against neighbours.

An unbounded search lands on a wrong plane in more than one of twenty vertebrae (docs/morphometry 3.4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from scipy import ndimage, optimize

from workers.landmarks.mask.field import Field
from workers.landmarks.mask.frame import Frame, angle_deg, unit
from workers.landmarks.volumes import Array
from workers.morphometry.levels import places

#: How far from the seed the plane may be tilted.
_BOUND_DEG: Final = 30.0
#: Starts of the search along each tilt, and how many of the best are refined.
_STARTS_DEG: Final = (-24.0, -12.0, 0.0, 12.0, 24.0)
_REFINED: Final = 3
#: Points that are mirrored in each trial: few to find the start, more to refine.
_FEW, _MANY = 600, 2500
#: Loss of overlap that is accepted for a plane nearer to the seed: at the bound.
_PRIOR: Final = 0.02
#: Two planes that differ by more do not agree (docs/morphometry 3.2, step 3).
AGREE_DEG: Final = 10.0
#: Turns of the body's own plane, at most; a turn by less is the last, degrees.
_MOST_TURNS, _TURNED_DEG = 4, 2.0
#: Vertebrae so many levels away take part in the check.
_NEIGHBOURS: Final = 2


def symmetric(field: Field, seed: Frame, *, refined: int = _REFINED) -> Frame:
    """Return the frame, each of two tilts within 30 degrees of `seed`, about whose plane the mask is most symmetric.

    The origin is the seed's, moved into the plane. `refined` of the starts are followed to their end.
    """
    positions, weights = field.voxels(0.1)
    few, many = (_thinned(positions, weights, count) for count in (_FEW, _MANY))
    middle = float((positions - seed.origin) @ seed.left @ weights / weights.sum())
    starts = [np.array([a, b, middle]) for a in _STARTS_DEG for b in _STARTS_DEG]
    starts.sort(key=lambda start: _asymmetry(start, field, seed, *few))
    found = [
        optimize.minimize(
            _asymmetry,
            start,
            args=(field, seed, *many),
            method="Nelder-Mead",
            options={
                "initial_simplex": start + np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 2]]),
                "xatol": 0.1,
                "fatol": 1e-5,
                "maxiter": 120,
            },
        )
        for start in starts[:refined]
    ]
    best = min(found, key=lambda result: float(result.fun))
    return _tilted(seed, best.x)


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
        seed, frame = frame, symmetric(replace(field, values=values), frame, refined=1)
        if angle_deg(seed.left, frame.left) < _TURNED_DEG:
            break
    return frame


def recentred(field: Field, frame: Frame) -> Frame:
    """Return `frame` moved along its normal to where the mask is most symmetric."""
    positions, weights = field.voxels(0.1)
    many = _thinned(positions, weights, _MANY)
    middle = float((positions - frame.origin) @ frame.left @ weights / weights.sum())
    best = optimize.minimize_scalar(
        lambda shift: _asymmetry(np.array([0.0, 0.0, shift]), field, frame, *many),
        bounds=(middle - 6, middle + 6),
        method="bounded",
    )
    return _tilted(frame, np.array([0.0, 0.0, float(best.x)]))


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


def _thinned(positions: Array, weights: Array, count: int) -> tuple[Array, Array]:
    """Return about `count` of the points, evenly through the list: the same ones every time."""
    step = max(1, len(weights) // count)
    return positions[::step], weights[::step]


def _tilted(seed: Frame, tilt: Sequence[float] | Array) -> Frame:
    """Return the seed turned by (yaw, roll) degrees and moved by (shift) mm along its new normal."""
    yaw, roll, shift = tilt[0], tilt[1], tilt[2]
    normal = seed.left + np.tan(np.radians(yaw)) * seed.posterior + np.tan(np.radians(roll)) * seed.superior
    turned = Frame.about(seed.origin, normal, seed.superior)
    return replace(turned, origin=seed.origin + shift * turned.left)


def _asymmetry(tilt: Array, field: Field, seed: Frame, positions: Array, weights: Array) -> float:
    """Return how little the mirrored mask covers the mask, 0 to 1, plus the prior; 2 outside the bounds."""
    tilts = np.abs(tilt[:2])
    if tilts.max() > _BOUND_DEG:
        return 2.0
    frame = _tilted(seed, tilt)
    distance = (positions - frame.origin) @ frame.left
    mirrored = field.at(positions - 2 * distance[:, None] * frame.left)
    overlap = float(np.minimum(mirrored, weights).sum() / weights.sum())
    return 1 - overlap + _PRIOR * float((tilts**2).sum()) / _BOUND_DEG**2

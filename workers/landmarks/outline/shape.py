"""One level's outlines on one image in square units: drawn once, or twice where the endplates show double contours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from workers.landmarks.outline.drawn import DRAWN, Drawn
from workers.landmarks.outline.polygon import area, boxed, problem, tidied
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.outline.section import centre_and_radius, enclosed
from workers.landmarks.reasons import Flag
from workers.landmarks.volumes import Array

#: Share of what an outline encloses from which a hole leaves a ring: its inner edge is then a second contour.
_RING: Final = 0.5
#: What two outlines enclose together, as a share of what either does: above, they are contours of one vertebra.
_SAME: Final = 0.5
#: Samples along the longer side on which this is judged.
_SAMPLES: Final = 200
#: A double contour is two lines; more cannot be told from readings that contradict each other.
_MOST: Final = 2

Rings = tuple[Array, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """One level on one image; lines (n, 2) in square units: mm where there is a scale, else pixels."""

    #: One or two contours, each the rings of what it encloses, by even and odd.
    contours: tuple[Rings, ...]
    others: Rings
    #: Middle of the largest circle inside the first contour.
    centre: Array
    #: A guess at the depth of the body, more than half and less than twice of it.
    size: float
    #: Pixels of the image to one of the mask, (columns, rows); DRAWN where there is none.
    step: tuple[float, float]
    flags: tuple[Flag, ...]


def shape_of(drawn: Sequence[Drawn], pixel: Array) -> Shape | Reason:
    """Return the shape of one level, or the reason why there is none; `pixel` (2,) is its width and height."""
    contours: list[Rings] = []
    for one in drawn:
        rings = [tidied(ring * pixel) for ring in one.rings]
        reason = next(filter(None, map(problem, rings[:1])), None)
        if reason is not None:
            return reason
        if one.step == DRAWN and boxed(rings[0]):
            return Reason.BOX
        hollow = [ring for ring in rings[1:] if area(ring) >= _RING * area(rings[0])]
        contours += [(rings[0],), *((ring,) for ring in hollow)] if hollow else [tuple(rings)]
    several = len(contours) > _MOST or len({one.holder for one in drawn}) > 1
    if several or (len(contours) == _MOST and _common(*contours) < _SAME):
        return Reason.LEVEL_DUPLICATED
    centre, _ = centre_and_radius(contours[0])
    return Shape(
        contours=tuple(contours),
        others=tuple(ring * pixel for one in drawn for ring in one.others),
        centre=centre,
        size=float(np.sqrt(area(contours[0][0]))),
        step=max(one.step for one in drawn),
        flags=tuple(dict.fromkeys(flag for one in drawn for flag in one.flags)),
    )


def _common(first: Rings, second: Rings) -> float:
    points = np.concatenate([*first, *second])
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    step = float(size.max()) / _SAMPLES
    x, y = (start + step * (np.arange(int(extent / step) + 1) + 0.5) for start, extent in zip(low, size, strict=True))
    one, other = (enclosed(rings, x, y) for rings in (first, second))
    return float((one & other).sum() / max(1, (one | other).sum()))

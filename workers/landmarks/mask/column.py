"""The curve of the column through the bodies' centres: which way is superior at each of them."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from workers.landmarks.mask.frame import unit
from workers.landmarks.volumes import Array
from workers.morphometry.levels import places

#: Patient +z, LPS: towards the head.
HEAD: Final = np.array([0.0, 0.0, 1.0])
#: Vertebrae so many levels away shape the curve.
_NEIGHBOURS: Final = 2


def tangent(level: str, centres: Mapping[str, Array]) -> Array:
    """Return the unit direction towards superior at `level`: along the curve of its neighbours, else patient +z.

    Neighbours in one place make no curve.
    """
    place = places({*centres, level})
    near = [other for other in centres if abs(place[other] - place[level]) <= _NEIGHBOURS]
    near.sort(key=place.__getitem__)
    along = centres[near[0]] - centres[near[-1]] if near else HEAD
    return unit(along) if along.any() else HEAD


def upside_down(direction: Array) -> bool:
    """Whether the order of the levels runs against patient +z."""
    return bool(direction @ HEAD < 0)

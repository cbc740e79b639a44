"""Outlines that swallowed part of a neighbour, or lost part to it: docs/morphometry 3.7, in the plane of a radiograph.

Lengths are nominal mm, of each body's own frame.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from workers.landmarks.mask.neighbours import (
    CONTACT,
    CONTACT_MM,
    DEPTHS,
    HEIGHTS,
    LEAST,
    NEAR,
    ROOM_MM,
    SECOND_BODY,
    SWOLLEN,
    TALL,
    sharing,
)
from workers.landmarks.outline.body import Placed
from workers.landmarks.outline.polygon import area
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.outline.section import enclosed
from workers.landmarks.outline.shape import Shape
from workers.landmarks.volumes import Array
from workers.morphometry.levels import GRADED_LEVELS, places

#: Height over the median of the neighbours' above which an outline that meets the next one, with no disc between, holds
#: the disc or more: from one level to the next a body grows by a few percent.
_WITH_DISC: Final = 1.15
#: Above and below a body, so far it is looked whether its outline goes on.
_REACH, _STEP = 90.0, 0.25
_SHAPELESS: Final = frozenset({Reason.NO_BODY, Reason.IMPLAUSIBLE_SHAPE})


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Why the outline of a level is not that of its own body alone."""

    reason: Reason
    #: The neighbours it shares a body with, where they are known.
    others: tuple[str, ...]


def mixed(shapes: Mapping[str, Shape], found: Mapping[str, Sequence[Placed] | Reason]) -> dict[str, Mixed]:
    """Return the levels of one image whose outlines are mixed up.

    Something of a body's own size above or below it, which meets no neighbour, is a body in two parts, or another one
    that nobody named: then it is not known what is measured.
    """
    bodies = {level: one[0] for level, one in found.items() if not isinstance(one, Reason)}
    split = {level for level, body in bodies.items() if _goes_on(body, shapes[level])}
    large = {level for level in shapes if level in GRADED_LEVELS and _holds_two(level, shapes, found, bodies)}
    shared = sharing(
        shapes, split | large, lambda other, level: other in bodies and _meets(bodies[other], shapes[level])
    )
    return {
        level: Mixed(reason=Reason.MERGED_NEIGHBOUR if others or level in large else Reason.NO_BODY, others=others)
        for level, others in shared.items()
    }


def _goes_on(body: Placed, shape: Shape) -> bool:
    """Whether its own outline goes on beyond an endplate, between the walls, for up to the body's height."""
    height = float(body.heights.max()) / body.frame.unit
    return max(_beyond(body, shape, ROOM_MM + HEIGHTS * height)) > SECOND_BODY


def _meets(body: Placed, shape: Shape) -> bool:
    """Whether another outline lies right beyond an endplate."""
    return max(_beyond(body, shape, np.array(CONTACT_MM))) > CONTACT


def _beyond(body: Placed, shape: Shape, distances: Array) -> list[float]:
    """Return for either endplate the share of samples at `distances` beyond it that an outline covers."""
    up = np.arange(-_REACH, _REACH, _STEP)
    rings = [body.frame.to_local(ring) for ring in (*shape.contours[0], *shape.others)]
    shares = []
    for end, outwards in ((body.points[:3], 1.0), (body.points[3:], -1.0)):
        behind = end[0, 0] + DEPTHS * (end[2, 0] - end[0, 0])
        level = np.interp(behind, end[:, 0], end[:, 1]) + outwards * distances[:, None]
        rows = np.clip(np.rint((level + _REACH) / _STEP).astype(int), 0, len(up) - 1)
        shares.append(float(enclosed(rings, behind, up)[rows, np.arange(len(behind))].mean()))
    return shares


def _holds_two(
    level: str,
    shapes: Mapping[str, Shape],
    found: Mapping[str, Sequence[Placed] | Reason],
    bodies: Mapping[str, Placed],
) -> bool:
    """Whether an outline is too large for one body: by its neighbours, and by where it meets them."""
    place = places(shapes)
    near = [other for other in bodies if 0 < abs(place[other] - place[level]) <= NEAR]
    if level not in bodies:
        is_shapeless = found[level] in _SHAPELESS and len(near) >= LEAST
        return is_shapeless and _size(shapes[level]) > SWOLLEN * max(_size(shapes[other]) for other in near)
    body = bodies[level]
    meets = any(abs(place[other] - place[level]) == 1 and _meets(bodies[other], shapes[level]) for other in near)
    usual = median(float(bodies[other].heights.max()) for other in near) if len(near) >= LEAST else np.inf
    height = float(body.heights.max())
    return (body.is_upright and (meets or height > TALL * usual)) or (meets and height > _WITH_DISC * usual)


def _size(shape: Shape) -> float:
    return area(shape.contours[0][0]) + sum(area(ring) for ring in shape.others)

"""Masks that swallowed part of a neighbour, or lost part to it: one to two in a hundred of automatic ones.

docs/morphometry 3.1, 5. A vertebra has nothing of its own above or below its body, between the walls; a mask that has
holds part of another one, and the level it took that from is not whole either.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from workers.landmarks.mask.coarse import Coarse
from workers.landmarks.mask.six import Found
from workers.landmarks.reasons import Reason
from workers.landmarks.volumes import Array, Volume
from workers.morphometry.levels import GRADED_LEVELS, places

#: Samples to the left, mm, and along the depth and the height of the body, as shares.
_LEFT_MM: Final = (-4.0, 0.0, 4.0)
DEPTHS: Final = np.linspace(0.2, 0.8, 13)
HEIGHTS: Final = np.linspace(0.02, 1.0, 25)
#: Room beyond an endplate, mm, that osteophytes and the bowl of the endplate may take.
ROOM_MM: Final = 3.0
#: Share of the body's own size, looked for above and below, from which it is part of another vertebra.
SECOND_BODY: Final = 0.10
#: Distances beyond an endplate, mm, at which a neighbour is met where no disc is between, and share that must be met.
CONTACT_MM: Final = (1.0, 2.0)
CONTACT: Final = 0.5
#: Height over the median of the neighbours', and over the depth, above which two bodies are read as one. No body of the
#: levels that are graded is higher than it is deep.
TALL, TALLER_THAN_DEEP = 1.4, 1.0
#: Volume over the largest of the neighbours' above which a mask without a body holds two.
SWOLLEN: Final = 1.6
#: Levels so far away are compared, and so many are needed.
NEAR, LEAST = 2, 2
#: What is found without points, yet may be two vertebrae in one.
_SHAPELESS: Final = frozenset({Reason.NO_BODY, Reason.IMPLAUSIBLE_SHAPE})


@dataclass(frozen=True, kw_only=True)
class _End:
    """An endplate: anterior, middle and posterior point (3, 3), local mm, and which way is out of the body, 1 or -1."""

    points: Array
    outwards: float

    def beyond(self, distances: Array) -> Array:
        """Return samples (left, depth, distance, 3), local mm, at `distances` beyond the endplate's chords."""
        front, rear = self.points[0, 1], self.points[2, 1]
        behind = front + DEPTHS * (rear - front)
        level = np.interp(behind, self.points[:, 1], self.points[:, 2])
        left, posterior, distance = np.meshgrid(_LEFT_MM, behind, distances, indexing="ij")
        return np.stack([left, posterior, level[None, :, None] + self.outwards * distance], axis=-1)


def merged(seen: Mapping[str, Coarse], results: Mapping[str, Found | Reason]) -> dict[str, tuple[str, ...]]:
    """Return the levels whose masks are mixed up, each with the neighbours it shares a body with, where they are known.

    Only thoracic and lumbar levels accuse; the neighbour that touches such a mask, without a disc between, goes too.
    """
    found = {level: result for level, result in results.items() if isinstance(result, Found)}
    accused = [level for level in seen if level in GRADED_LEVELS and _holds_two(level, seen, results, found)]
    return sharing(seen, accused, lambda other, level: other in found and _touches(found[other], seen[level].volume))


def sharing(
    levels: Iterable[str], accused: Iterable[str], touches: Callable[[str, str], bool]
) -> dict[str, tuple[str, ...]]:
    """Return the accused levels and the neighbours that go with them, each with those it shares a body with.

    `touches` says of a neighbour and an accused level whether the endplate of the first meets what the second holds.
    """
    place = places(levels)
    shared: dict[str, set[str]] = {level: set() for level in accused}
    for level in tuple(shared):
        for other in (other for other in place if abs(place[other] - place[level]) == 1):
            if touches(other, level):
                shared[level].add(other)
                shared.setdefault(other, set()).add(level)
    return {level: tuple(sorted(others, key=place.__getitem__)) for level, others in shared.items()}


def _holds_two(
    level: str, seen: Mapping[str, Coarse], results: Mapping[str, Found | Reason], found: Mapping[str, Found]
) -> bool:
    place = places(seen)
    near = [other for other in found if 0 < abs(place[other] - place[level]) <= NEAR]
    result = results[level]
    if isinstance(result, Found):
        return _second_body(result, seen[level].volume) or _taller(result, [found[other] for other in near])
    if result not in _SHAPELESS or len(near) < LEAST:
        return False
    return _size_mm3(seen[level]) > SWOLLEN * max(_size_mm3(seen[other]) for other in near)


def _second_body(found: Found, volume: Volume) -> bool:
    """Whether the mask goes on beyond an endplate of its body, between the walls, for up to the body's height."""
    distances = ROOM_MM + HEIGHTS * max(_heights(found))
    return any(_filled(volume, found.frame.to_patient(end.beyond(distances))) > SECOND_BODY for end in _ends(found))


def _touches(found: Found, volume: Volume) -> bool:
    """Whether another mask lies right beyond an endplate."""
    near = np.array(CONTACT_MM)
    return any(_filled(volume, found.frame.to_patient(end.beyond(near))) > CONTACT for end in _ends(found))


def _taller(found: Found, near: list[Found]) -> bool:
    if len(near) < LEAST:
        return False
    depth = float(np.mean([np.ptp(end.points[:, 1]) for end in _ends(found)]))
    usual = median(max(_heights(other)) for other in near)
    return max(_heights(found)) > max(TALL * usual, TALLER_THAN_DEEP * depth)


def _ends(found: Found) -> Iterator[_End]:
    local = found.frame.to_local(found.points)
    yield _End(points=local[:3], outwards=1.0)
    yield _End(points=local[3:], outwards=-1.0)


def _filled(volume: Volume, points: Array) -> float:
    """Return the share of (..., 3) LPS points that lie in the mask."""
    index = np.rint(volume.to_index(points.reshape(-1, 3))).astype(np.int64)
    inside = index[((index >= 0) & (index < volume.mask.shape)).all(axis=1)]
    return float(volume.mask[tuple(inside.T)].sum()) / len(index)


def _heights(found: Found) -> list[float]:
    return [float(height) for height in np.linalg.norm(found.points[:3] - found.points[3:], axis=1)]


def _size_mm3(coarse: Coarse) -> float:
    return float(coarse.volume.mask.sum() * np.prod(coarse.volume.spacing_mm))

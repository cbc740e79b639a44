"""One radiograph with everything that is outlined on it: each level's points, checked against edge and neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final

import numpy as np

from sr_templates.findings import POINT_NAMES, Landmarks, LandmarkSource, Space
from workers.landmarks.outline.body import Placed, place
from workers.landmarks.outline.contours import OBLIQUE_MM, apart, midway
from workers.landmarks.outline.directions import anterior_of, superior_at
from workers.landmarks.outline.drawn import Device, Mark, Where
from workers.landmarks.outline.frame import PlaneFrame
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.outline.section import enclosed
from workers.landmarks.outline.shape import Shape
from workers.landmarks.points import MM_DECIMALS, ImagePlane, VertebraLandmarks
from workers.landmarks.reasons import Flag
from workers.landmarks.volumes import Array
from workers.morphometry.uncertainty import FULL_SAMPLING_MM

#: Room around the six points in which the edge of the image must not lie, nominal mm (docs/morphometry 3.2).
_ROOM: Final = 2.0
#: Share of a body that cement or hardware covers at least; less is a stray, as in a mask (docs/morphometry 3.2).
_LEAST_HELD: Final = 0.01
#: Where this is sampled, nominal mm.
_HELD_REACH, _HELD_STEP = 36.0, 0.5
#: A line that comes so near to the edge of its image is cut off by it, pixels.
_AT_EDGE: Final = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Film:
    """An image and the shapes on it, in square units: (column, row) times `pixel`, the width and height of a pixel."""

    where: Where
    plane: ImagePlane
    pixel: Array
    shapes: Mapping[str, Shape]
    marks: Sequence[Mark]
    devices: Sequence[Device]

    def measured(self, level: str) -> VertebraLandmarks | Reason:
        """Return the points of one level, or the reason why there are none."""
        shape, found = self.shapes[level], self._contours(level)
        if isinstance(found, Reason):
            return found
        frame, points = found[0].frame, midway([one.in_plane for one in found])
        if self._cut_off(shape, frame, points):
            return Reason.TOUCHES_BORDER
        # Without a scale the body is taken for one of nominal size, where mm decide on a word.
        mm = 1.0 if self.plane.scale is not None else 1.0 / frame.unit
        named = zip(POINT_NAMES, (points / self.pixel).tolist(), strict=True)
        return VertebraLandmarks(
            level=level,
            source=LandmarkSource.SEGMENTATION,
            landmarks=Landmarks(
                space=Space.IMAGE,
                points={name: (round(x, MM_DECIMALS), round(y, MM_DECIMALS)) for name, (x, y) in named},
                sop_instance_uid=self.where.sop_instance_uid,
                frame=self.where.frame,
            ),
            flags=tuple(map(str, (*shape.flags, *_flags(found, mm), *self._held(frame, points)))),
            plane=self.plane,
            axial_spacing_mm=_coarse(np.array(shape.step) * self.pixel * frame.superior * mm),
        )

    def _contours(self, level: str) -> list[Placed] | Reason:
        """Return each contour of a level with its six points, or why there are none."""
        shape, centres = self.shapes[level], {name: one.centre for name, one in self.shapes.items()}
        superior = superior_at(level, centres, self._direction(self.plane.superior))
        if isinstance(superior, Reason):
            return superior
        marks = [(mark.point * self.pixel, mark.is_anterior) for mark in self.marks]
        anterior = anterior_of(list(centres.values()), marks, self._direction(self.plane.anterior))
        if isinstance(anterior, Reason):
            return anterior
        placed = []
        for rings in shape.contours:
            seeds = PlaneFrame.seeds(rings[0], shape.centre, anterior, superior, shape.size)
            if not seeds:
                return Reason.ANTERIOR_UNDECIDABLE if self.plane.anterior is None else Reason.ORIENTATION_CONFLICT
            found = place(rings, seeds, shape.others)
            if isinstance(found, Reason):
                return found
            placed.append(found)
        return placed

    def _direction(self, known: tuple[float, float] | None) -> Array | None:
        """Return a direction of the image in square units, at length one."""
        if known is None:
            return None
        vector = np.array(known) * self.pixel
        return np.asarray(vector / np.hypot(*vector))

    def _held(self, frame: PlaneFrame, points: Array) -> list[str]:
        """Return what the body holds: cement and hardware that cover a part of its six points' hexagon."""
        grid = np.arange(-_HELD_REACH, _HELD_REACH, _HELD_STEP)
        body = enclosed([frame.to_local(points)[[0, 1, 2, 5, 4, 3]]], grid, grid)
        covered: dict[str, float] = {}
        for device in self.devices:
            lines = [frame.to_local(ring * self.pixel) for ring in device.rings]
            share = (enclosed(lines, grid, grid) & body).sum() / body.sum() if device.where is not None else 1.0
            covered[device.flag] = covered.get(device.flag, 0.0) + float(share)
        return [flag for flag, share in covered.items() if share >= _LEAST_HELD]

    def _cut_off(self, shape: Shape, frame: PlaneFrame, points: Array) -> bool:
        """Whether the outline meets the edge of the image, or of what is exposed of it, at the body."""
        box = frame.to_local(points)
        low, high = box.min(axis=0) - _ROOM, box.max(axis=0) + _ROOM
        lines = np.concatenate([ring for rings in shape.contours for ring in rings])
        local, inside = frame.to_local(lines), lines / self.pixel
        near = ((local > low) & (local < high)).all(axis=1)
        left, upper, right, lower = self.plane.exposed or (0.0, 0.0, self.plane.columns, self.plane.rows)
        first = np.maximum((left, upper), 0.0)
        last = np.minimum((right, lower), (self.plane.columns, self.plane.rows))
        edge = (inside <= first + _AT_EDGE) | (inside >= last - _AT_EDGE)
        return bool((near & edge.any(axis=1)).any())


def _flags(found: Sequence[Placed], mm: float) -> list[Flag]:
    """Return what a reader should know of the placed contours; `mm` is the length of a unit."""
    between = apart([one.in_plane for one in found], found[0].frame.superior)
    widest = max(between, *(one.gap * one.frame.unit for one in found))
    raised = {Flag.POSTERIOR_JOINED: any(one.joined for one in found), Flag.OBLIQUE: widest * mm > OBLIQUE_MM}
    return [flag for flag, is_raised in raised.items() if is_raised]


def _coarse(step_mm: Array) -> float | None:
    """Return a mask's sampling along the vertebral axis where it is coarse enough to count (docs/morphometry 3.4)."""
    spacing = hypot(*step_mm)
    return round(spacing, MM_DECIMALS) if spacing > FULL_SAMPLING_MM else None

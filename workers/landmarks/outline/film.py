"""One radiograph with everything that is outlined on it: each level's points, checked against edge and neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final

import numpy as np

from sr_templates.findings import POINT_NAMES, Landmarks, LandmarkSource, Space
from workers.landmarks.corners import MOST_TILT_DEG
from workers.landmarks.document import CORNERS
from workers.landmarks.outline.body import Placed, place
from workers.landmarks.outline.coarse import bowl_gap, corner_gap
from workers.landmarks.outline.contours import OBLIQUE_MM, apart, midway
from workers.landmarks.outline.directions import anterior_of, column_at, superior_at
from workers.landmarks.outline.drawn import DRAWN, Mark, Where
from workers.landmarks.outline.frame import PlaneFrame
from workers.landmarks.outline.neighbours import mixed
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.outline.shape import Shape
from workers.landmarks.points import MM_DECIMALS, ImagePlane, VertebraLandmarks, without_points
from workers.landmarks.reasons import Flag
from workers.landmarks.volumes import Array
from workers.morphometry.levels import GRADED_LEVELS
from workers.morphometry.uncertainty import COARSE_SAMPLING_MM, FULL_SAMPLING_MM

#: Room around the six points in which the edge of the image must not lie, nominal mm (docs/morphometry 3.2).
_ROOM: Final = 2.0
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

    def measured(self) -> list[VertebraLandmarks]:
        """Return the points of each level, or the reason why there are none."""
        found = {level: self._contours(level) for level in self.shapes}
        odd = mixed(self.shapes, found)
        vertebrae = []
        for level, placed in found.items():
            if level in odd:
                words = [f"MERGED_WITH_{other}" for other in odd[level].others]
                vertebrae.append(without_points(level, odd[level].reason, *words))
                continue
            result = placed if isinstance(placed, Reason) else self._vertebra(level, placed)
            vertebrae.append(without_points(level, result) if isinstance(result, Reason) else result)
        return vertebrae

    def _vertebra(self, level: str, found: Sequence[Placed]) -> VertebraLandmarks | Reason:
        """Return the points of one level midway between its contours, or why they cannot be believed."""
        if found[0].is_upright and (level in GRADED_LEVELS or column_at(level, self._centres) is None):
            # Its walls were taken for its endplates.
            return Reason.SUPERIOR_UNDECIDABLE
        shape, frame = self.shapes[level], found[0].frame
        points = midway([one.in_plane for one in found])
        if self._cut_off(shape, frame, points):
            return Reason.TOUCHES_BORDER
        # Without a scale the body is taken for one of nominal size, where mm decide on a word.
        mm = 1.0 if self.plane.scale is not None else 1.0 / frame.unit
        corner, bowl = _gaps(shape, found)
        # What lies between two vertices so far apart is not seen: the corners are known, the mid-points are not.
        is_seen = bowl * frame.unit * mm <= COARSE_SAMPLING_MM
        spacings = [hypot(*(np.array(shape.step) * self.pixel * frame.superior * mm)), corner * frame.unit * mm]
        named = zip(POINT_NAMES, (points / self.pixel).tolist(), strict=True)
        return VertebraLandmarks(
            level=level,
            source=LandmarkSource.SEGMENTATION,
            landmarks=Landmarks(
                space=Space.IMAGE,
                points={
                    name: (round(x, MM_DECIMALS), round(y, MM_DECIMALS))
                    for name, (x, y) in named
                    if is_seen or name in CORNERS
                },
                sop_instance_uid=self.where.sop_instance_uid,
                frame=self.where.frame,
            ),
            flags=tuple(map(str, (*shape.flags, *_flags(found, mm)))),
            plane=self.plane,
            axial_spacing_mm=_coarse([*spacings, bowl * frame.unit * mm if is_seen else 0.0]),
        )

    def _contours(self, level: str) -> list[Placed] | Reason:
        """Return each contour of a level with its six points, or why there are none."""
        shape, centres = self.shapes[level], self._centres
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
                return Reason.ANTERIOR_UNDECIDABLE
            found = place(rings, seeds, shape.others)
            if isinstance(found, Reason):
                return found
            if found.tilt_deg(superior) > MOST_TILT_DEG:
                return Reason.SUPERIOR_UNDECIDABLE
            placed.append(found)
        return placed

    @property
    def _centres(self) -> dict[str, Array]:
        return {level: shape.centre for level, shape in self.shapes.items()}

    def _direction(self, known: tuple[float, float] | None) -> Array | None:
        """Return a direction of the image in square units, at length one."""
        if known is None:
            return None
        vector = np.array(known) * self.pixel
        return np.asarray(vector / np.hypot(*vector))

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


def _gaps(shape: Shape, found: Sequence[Placed]) -> tuple[float, float]:
    """Return how far the truth may lie off drawn lines at a rim and at an endplate's middle, nominal mm; 0 of masks."""
    if shape.step != DRAWN:
        return 0.0, 0.0
    lines = [one.frame.to_local(rings[0]) for one, rings in zip(found, shape.contours, strict=True)]
    corner, bowl = (
        max(gap(line, one.points) for line, one in zip(lines, found, strict=True)) for gap in (corner_gap, bowl_gap)
    )
    return corner, bowl


def _coarse(spacings_mm: Sequence[float]) -> float | None:
    """Return the sampling along the vertebral axis where it is coarse enough to count (docs/morphometry 3.4)."""
    spacing = max(spacings_mm)
    return round(spacing, MM_DECIMALS) if spacing > FULL_SAMPLING_MM else None

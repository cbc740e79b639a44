"""From outlines on radiographs to six points a vertebra: docs/morphometry 3.3, as one composition."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from sr_templates.levels import ORDER
from workers.landmarks.outline.drawn import Drawn, Outlines
from workers.landmarks.outline.film import Film
from workers.landmarks.outline.images import Images
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.outline.shape import Shape, shape_of
from workers.landmarks.points import ImagePlane, VertebraLandmarks, without_points
from workers.landmarks.reasons import Flag
from workers.landmarks.volumes import Array

_SQUARE: Final = (1.0, 1.0)
#: Share by which two readings of a height agree: readers do within 8 points (docs/morphometry 2.2).
_AGREE: Final = 0.1


def find(outlines: Outlines, images: Images) -> list[VertebraLandmarks]:
    """Return points or a reason for each level that is outlined, from cranial to caudal; points lie in their image.

    A level that is outlined on several images is taken from the one on which most levels have points; that another one
    shows another shape of it is said.
    """
    places = {one.where: None for one in sorted(outlines.drawn, key=_name)}
    found = [
        _on_image(
            [one for one in outlines.drawn if one.where == where],
            outlines,
            images.plane(where),
        )
        for where in places
    ]
    readings: dict[str, list[VertebraLandmarks]] = {}
    for vertebra in (one for vertebrae in sorted(found, key=_placed, reverse=True) for one in vertebrae):
        readings.setdefault(vertebra.level, []).append(vertebra)
    chosen = {level: _settled(every) for level, every in readings.items()} | dict(outlines.refused)
    return sorted(chosen.values(), key=lambda vertebra: ORDER[vertebra.level])


def _settled(readings: Sequence[VertebraLandmarks]) -> VertebraLandmarks:
    """Return the first reading of a level that has points, and say where one on another image has another shape."""
    placed = [one for one in readings if one.landmarks is not None]
    if not placed:
        return readings[0]
    shapes = [_shape(one) for one in placed]
    differs = any(np.abs(shape - shapes[0]).max() > _AGREE * np.maximum(shape, shapes[0]).max() for shape in shapes)
    return replace(placed[0], flags=(*placed[0].flags, Flag.READINGS_DIFFER)) if differs else placed[0]


def _shape(vertebra: VertebraLandmarks) -> Array:
    """Return anterior and posterior height, and the middle one where there is one, over the depth: of no scale."""
    if vertebra.landmarks is None or vertebra.plane is None:
        return np.zeros(3)
    scale = vertebra.plane.scale
    pixel = np.array((scale.column_mm, scale.row_mm) if scale else _SQUARE)
    points = {name: np.array(point) * pixel for name, point in vertebra.landmarks.points.items()}
    depth = np.hypot(*(points["PS"] + points["PI"] - points["AS"] - points["AI"])) / 2
    pairs = (("AS", "AI"), ("MS", "MI"), ("PS", "PI"))
    anterior, middle, posterior = (
        np.hypot(*(points[one] - points[other])) / depth if one in points else np.nan for one, other in pairs
    )
    return np.asarray(np.nan_to_num([anterior, middle, posterior], nan=(anterior + posterior) / 2))


def _name(drawn: Drawn) -> tuple[str, int]:
    return drawn.where.sop_instance_uid, drawn.where.frame or 0


def _placed(vertebrae: Sequence[VertebraLandmarks]) -> int:
    return sum(vertebra.landmarks is not None for vertebra in vertebrae)


def _on_image(drawn: Sequence[Drawn], outlines: Outlines, plane: ImagePlane | Reason) -> list[VertebraLandmarks]:
    """Return what comes of everything that is outlined on one image."""
    levels = {one.level: _bodies([other for other in drawn if other.level == one.level]) for one in drawn}
    if isinstance(plane, Reason):
        return [without_points(level, plane) for level in levels]
    pixel = np.array((plane.scale.column_mm, plane.scale.row_mm) if plane.scale else _SQUARE)
    shapes = {level: shape_of(some, pixel) for level, some in levels.items()}
    where = drawn[0].where
    film = Film(
        where=where,
        plane=plane,
        pixel=pixel,
        shapes={level: shape for level, shape in shapes.items() if isinstance(shape, Shape)},
        marks=[mark for mark in outlines.marks if mark.where == where],
    )
    return [*film.measured(), *(without_points(level, one) for level, one in shapes.items() if isinstance(one, Reason))]


def _bodies(drawn: Sequence[Drawn]) -> list[Drawn]:
    """Return the bodies where some are said to be bodies; else all."""
    return [one for one in drawn if one.body_only] or list(drawn)

"""From outlines on radiographs to six points a vertebra: docs/morphometry 3.3, as one composition."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from sr_templates.levels import ORDER
from workers.landmarks.outline.drawn import Drawn, Outlines, refused
from workers.landmarks.outline.film import Film
from workers.landmarks.outline.images import Images
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.outline.shape import Shape, shape_of
from workers.landmarks.points import ImagePlane, VertebraLandmarks

_SQUARE: Final = (1.0, 1.0)


def find(outlines: Outlines, images: Images) -> list[VertebraLandmarks]:
    """Return points or a reason for each level that is outlined, from cranial to caudal; points lie in their image.

    A level that is outlined on several images is taken from the one on which most levels have points.
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
    chosen = dict(outlines.refused)
    for vertebrae in sorted(found, key=_placed, reverse=True):
        for vertebra in vertebrae:
            known = chosen.get(vertebra.level)
            is_better = known is not None and known.landmarks is None and vertebra.landmarks is not None
            if vertebra.level not in outlines.refused and (known is None or is_better):
                chosen[vertebra.level] = vertebra
    return sorted(chosen.values(), key=lambda vertebra: ORDER[vertebra.level])


def _name(drawn: Drawn) -> tuple[str, int]:
    return drawn.where.sop_instance_uid, drawn.where.frame or 0


def _placed(vertebrae: Sequence[VertebraLandmarks]) -> int:
    return sum(vertebra.landmarks is not None for vertebra in vertebrae)


def _on_image(drawn: Sequence[Drawn], outlines: Outlines, plane: ImagePlane | Reason) -> list[VertebraLandmarks]:
    """Return what comes of everything that is outlined on one image."""
    levels = {one.level: [other for other in drawn if other.level == one.level] for one in drawn}
    if isinstance(plane, Reason):
        return [refused(level, plane) for level in levels]
    pixel = np.array((plane.scale.column_mm, plane.scale.row_mm) if plane.scale else _SQUARE)
    shapes = {level: shape_of(some, pixel) for level, some in levels.items()}
    where = drawn[0].where
    film = Film(
        where=where,
        plane=plane,
        pixel=pixel,
        shapes={level: shape for level, shape in shapes.items() if isinstance(shape, Shape)},
        marks=[mark for mark in outlines.marks if mark.where == where],
        devices=[device for device in outlines.devices if device.where in {None, where}],
    )
    results = {level: film.measured(level) if isinstance(shape, Shape) else shape for level, shape in shapes.items()}
    return [refused(level, result) if isinstance(result, Reason) else result for level, result in results.items()]

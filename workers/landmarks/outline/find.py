"""From outlines on radiographs to six points a vertebra: docs/morphometry 3.3, as one composition."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from sr_templates.findings import LandmarkSource
from sr_templates.levels import ORDER
from workers.landmarks.outline.drawn import Drawn, Mark, Where
from workers.landmarks.outline.film import Film
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.outline.shape import Shape, shape_of
from workers.landmarks.points import ImagePlane, VertebraLandmarks

PlaneOf = Callable[[Where], ImagePlane | None]
_SQUARE: Final = (1.0, 1.0)


def find(drawn: Sequence[Drawn], marks: Sequence[Mark], plane_of: PlaneOf) -> list[VertebraLandmarks]:
    """Return points or a reason for each level of `drawn`, from cranial to caudal; points lie in their image.

    A level that is outlined on several images is taken from the one on which most levels have points. `plane_of` gives
    what is known of an image; None where it is not in the study.
    """
    images = [
        _on_image([one for one in drawn if one.where == where], [one for one in marks if one.where == where], plane_of)
        for where in sorted({one.where for one in drawn}, key=lambda where: (where.sop_instance_uid, where.frame or 0))
    ]
    chosen: dict[str, VertebraLandmarks] = {}
    for vertebrae in sorted(images, key=_placed, reverse=True):
        for vertebra in vertebrae:
            known = chosen.get(vertebra.level)
            if known is None or (known.landmarks is None and vertebra.landmarks is not None):
                chosen[vertebra.level] = vertebra
    return sorted(chosen.values(), key=lambda vertebra: ORDER[vertebra.level])


def refused(level: str, reason: Reason, *flags: str) -> VertebraLandmarks:
    """Return a vertebra without points, and why."""
    return VertebraLandmarks(
        level=level, source=LandmarkSource.SEGMENTATION, landmarks=None, reason=reason.value, flags=flags
    )


def _on_image(drawn: Sequence[Drawn], marks: Sequence[Mark], plane_of: PlaneOf) -> list[VertebraLandmarks]:
    """Return what comes of everything that is outlined on one image."""
    where = drawn[0].where
    levels = {one.level: [other for other in drawn if other.level == one.level] for one in drawn}
    plane = plane_of(where)
    reason = _unusable(plane)
    if plane is None or reason is not None:
        return [refused(level, reason or Reason.IMAGE_MISSING) for level in levels]
    pixel = np.array((plane.scale.column_mm, plane.scale.row_mm) if plane.scale else _SQUARE)
    shapes = {level: shape_of(some, pixel) for level, some in levels.items()}
    film = Film(
        where=where,
        plane=plane,
        pixel=pixel,
        shapes={level: shape for level, shape in shapes.items() if isinstance(shape, Shape)},
        marks=marks,
    )
    results = {level: film.measured(level) if isinstance(shape, Shape) else shape for level, shape in shapes.items()}
    return [refused(level, result) if isinstance(result, Reason) else result for level, result in results.items()]


def _placed(vertebrae: Sequence[VertebraLandmarks]) -> int:
    return sum(vertebra.landmarks is not None for vertebra in vertebrae)


def _unusable(plane: ImagePlane | None) -> Reason | None:
    """Return why nothing on this image can be measured."""
    if plane is None:
        return Reason.IMAGE_MISSING
    if plane.is_lateral is False:
        return Reason.NOT_LATERAL
    return None if plane.scale is not None or plane.square_pixels else Reason.ANISOTROPY_UNKNOWN

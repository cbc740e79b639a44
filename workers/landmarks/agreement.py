"""Whether what was drawn lies where the points lie: an outline against the points of its vertebra, whatever the space.

Points of the patient are looked at in the pixels of the slice that a line is drawn on, as our reports draw them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from sr_templates.findings import Landmarks, Space
from sr_templates.projection import projected
from sr_templates.slices import slice_of
from workers.landmarks.claims import Claim, Flag, Shape, Spot, Study
from workers.landmarks.points import VertebraLandmarks

#: What writers round away, pixels or mm: a presentation state of ours has a thousandth of a pixel, a report 32 bits.
ROUNDING: Final = 0.05
_Array = npt.NDArray[np.float64]


def with_outlines(
    vertebrae: Iterable[VertebraLandmarks], claims: Mapping[str, Claim], study: Study
) -> list[VertebraLandmarks]:
    """Return the vertebrae, saying of which an outline of ours goes elsewhere than through the points that count."""
    return [
        replace(one, flags=(*one.flags, Flag.OUTLINE_DIFFERS))
        if one.landmarks is not None
        and any(_is_beside(line, one.landmarks, study.image_of) for line in claims[one.level].outlines)
        else one
        for one in vertebrae
    ]


def is_moved(claims: Mapping[str, Claim], vertebrae: Iterable[VertebraLandmarks], study: Study) -> bool:
    """Whether a carrier has a point of any level where none of the points of that level is."""
    placed = {one.level: one.landmarks for one in vertebrae}
    for level, claim in claims.items():
        landmarks = placed.get(level)
        spots = [spot for item in claim.items if not isinstance(item, Shape) for spot in item.spots]
        if spots and (landmarks is None or _is_elsewhere(spots, landmarks, study.image_of)):
            return True
    return False


def _is_beside(outline: Sequence[Spot], landmarks: Landmarks, image_of: Callable[[str], Dataset | None]) -> bool:
    """Whether an outline goes elsewhere than through these points, or leaves one of them out.

    False, too, where nobody can tell, since the image that one of both lies in is not there.
    """
    places = _seen(landmarks, outline[0], image_of)
    if places is None:
        return False
    gaps = _gaps([spot.point for spot in outline], places)
    return not gaps.size or bool(max(gaps.min(axis=0).max(), gaps.min(axis=1).max()) > ROUNDING)


def _is_elsewhere(spots: Iterable[Spot], landmarks: Landmarks, image_of: Callable[[str], Dataset | None]) -> bool:
    """Whether any of these places is none of the points; False where nobody can tell."""
    for spot in spots:
        places = _seen(landmarks, spot, image_of)
        if places is not None and not np.any(_gaps([spot.point], places) <= ROUNDING):
            return True
    return False


def _gaps(some: Sequence[Sequence[float]], others: _Array) -> _Array:
    """Return the (n, m) distances of points."""
    found: _Array = np.linalg.norm(np.array(some, dtype=float)[:, None] - others[None], axis=-1)
    return found


def _seen(landmarks: Landmarks, spot: Spot, image_of: Callable[[str], Dataset | None]) -> _Array | None:
    """Return the points in what `spot` lies in: (n, 2 or 3); (0, 2) beside that image, None where nobody can tell."""
    points = np.array(list(landmarks.points.values()), dtype=float)
    if landmarks.space is spot.space:
        is_same = spot.space is Space.PATIENT or (landmarks.sop_instance_uid, landmarks.frame or 1) == (
            spot.sop_instance_uid,
            spot.frame or 1,
        )
        return points if is_same else None
    image = image_of(spot.sop_instance_uid) if spot.space is Space.IMAGE else None
    plane = None if image is None else slice_of(image, spot.frame or 1)
    if plane is None or plane.pixel_mm is None:
        return None
    found = projected(points, plane)
    return np.empty((0, 2)) if found is None else found

"""A first look at a mask: where its body is, whether it hangs together."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from workers.landmarks.mask.field import Field, occupancy
from workers.landmarks.reasons import Reason
from workers.landmarks.volumes import Array, Volume

#: Share of the mask below which an unconnected part is dropped as a stray.
_STRAY: Final = 0.01
#: Radius of the largest ball below which a mask holds no vertebral body, mm; a body of 6 mm is higher.
_LEAST_RADIUS_MM: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class Coarse:
    """A mask at low resolution: its field, the centre of the largest ball inside it, its connectedness."""

    volume: Volume
    field: Field
    #: Centre of the largest inscribed ball, LPS mm: it lies in the body, the thickest part of a vertebra.
    centre: Array
    #: Share of the mask that hangs together in one piece.
    largest_share: float


def look(volume: Volume) -> Coarse | Reason:
    """Drop strays and find the body's centre; a mask without room for a body gives the reason."""
    labels, count = ndimage.label(volume.mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:] / volume.mask.sum()
    if count > 1:
        kept = np.concatenate([[False], sizes >= min(_STRAY, sizes.max())])
        volume = Volume(mask=kept[labels], affine=volume.affine, low=volume.low, high=volume.high)
    field = occupancy(volume)
    spacing = np.linalg.norm(field.affine[:3, :3], axis=0)
    depth = ndimage.distance_transform_edt(field.values > 0.5, sampling=spacing)  # noqa: PLR2004 # half full
    if depth.max() < _LEAST_RADIUS_MM:
        return Reason.NO_BODY
    deepest = np.argwhere(depth > depth.max() - spacing.min() / 2).mean(axis=0)
    centre = field.affine[:3, :3] @ deepest + field.affine[:3, 3]
    return Coarse(volume=volume, field=field, centre=centre, largest_share=float(sizes.max()))

"""Cement and hardware that the input marks beside the vertebrae: which bodies hold them.

A vertebra that holds either has heights and no grade (docs/morphometry 4, row 1).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom import Dataset
from scipy import ndimage

from workers.landmarks.device_words import device_word
from workers.landmarks.reasons import Flag as MaskFlag
from workers.landmarks.volumes import Array, Mask, Volume
from workers.morphometry.flags import Flag

#: Property types of hardware, SNOMED CT as PS3.16 uses them (CID 7157, 7307); none for bone cement stands there.
HARDWARE_CODES: Final = {
    "68183006": "Bone screw",
    "271003": "Bone plate",
    "77444004": "Bone pin",
    "63289001": "Surgical metal nail",
    "40388003": "Implant",
    "53350007": "Prosthesis",
    "16349000": "Orthopedic device",
}
#: Less of it, mm3, is a stray; ten millimetres of a thin screw are a hundred.
_LEAST_MM3: Final = 20.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Device:
    """A mask of cement or hardware."""

    #: The header of the object that holds it.
    holder: Dataset
    number: int
    #: Flag.CEMENT or Flag.HARDWARE.
    flag: Flag


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Some voxels of a device: their centres (n, 3), LPS mm, and the volume of one, mm3."""

    flag: Flag
    #: None where the mask of the device cannot be read.
    centres: Array | None
    voxel_mm3: float = 0.0


def device_flag(kind: tuple[str, str], label: str) -> Flag | None:
    """Return what a mask with this property type and label is; None where neither says cement or hardware."""
    if kind[0] == "SCT" and kind[1] in HARDWARE_CODES:
        return Flag.HARDWARE
    return device_word(label)


def held(masks: Mapping[str, Volume], devices: Iterable[Filled]) -> dict[str, tuple[str, ...]]:
    """Return the flags of each level whose mask overlaps or touches cement or hardware, 20 mm3 at least.

    Touching counts, since masks that exclude each other cannot overlap: a voxel of the device next to the vertebra.
    Where the mask of a device cannot be read, any level may hold it, and all of them say so.
    """
    reaches: dict[str, Volume] = {}
    found: dict[tuple[str, str], float] = {}
    for part in devices:
        if part.centres is None:
            found |= {(level, MaskFlag.DEVICE_UNREADABLE): _LEAST_MM3 for level in masks}
            continue
        reaches = reaches or {level: _reach(mask) for level, mask in masks.items()}
        for level, reach in reaches.items():
            key = level, part.flag
            found[key] = found.get(key, 0.0) + _count(reach, part.centres) * part.voxel_mm3
    words = (Flag.CEMENT, Flag.HARDWARE, MaskFlag.DEVICE_UNREADABLE)
    flags = {level: tuple(str(w) for w in words if found.get((level, w), 0.0) >= _LEAST_MM3) for level in masks}
    return {level: said for level, said in flags.items() if said}


def parts(flag: Flag, volumes: Iterable[Volume]) -> Iterator[Filled]:
    """Give the voxels of whole masks."""
    for volume in volumes:
        centres = volume.to_patient(np.argwhere(volume.mask).astype(np.float64))
        yield Filled(flag=flag, centres=centres, voxel_mm3=float(np.prod(volume.spacing_mm)))


def _reach(volume: Volume) -> Volume:
    """Return a mask grown by a voxel to all sides."""
    grown: Mask = ndimage.binary_dilation(np.pad(volume.mask, 1), np.ones((3, 3, 3), dtype=np.bool_))
    affine = volume.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.ones(3)
    return Volume(mask=grown, affine=affine, low=volume.low, high=volume.high)


def _count(volume: Volume, centres: Array) -> int:
    """Return how many of (n, 3) LPS positions lie in the mask."""
    index = np.rint(volume.to_index(centres)).astype(np.int64)
    inside = index[((index >= 0) & (index < volume.mask.shape)).all(axis=1)]
    return int(volume.mask[tuple(inside.T)].sum())

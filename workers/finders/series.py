"""Which CT series of a study a volume model is given: the axial one with the most slices.

Most slices over the same body are the thinnest; ties go to the smaller spacing, then to the lower Series Instance UID.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from sr_templates import headers

#: Fewer slices are a few images, not a volume: 12 of 3 mm hold one lumbar vertebra.
LEAST_SLICES: Final = 12
#: A series is axial where rows run to the left and columns to posterior within 25 degrees (cosine); the writers of
#: masks turn other series wrongly, and some mirror one whose rows run to the right.
_UPRIGHT: Final = 0.9
#: Cosine between the line through the slices' corners and their normal: 1.8 degrees of gantry tilt at most.
_UNTILTED: Final = 0.9995
#: Distances of slices may differ by this share of their median; a missing slice doubles one.
_EVEN: Final = 0.05
#: Cosines of two slices differ by rounding only, below this.
_PARALLEL: Final = 1e-3
#: Elements that are read of each slice.
_NEEDED: Final = (
    "SeriesInstanceUID",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "Rows",
    "Columns",
    "ImageType",
)


@dataclass(frozen=True, kw_only=True)
class Series:
    """The files of one axial series, from caudal to cranial, and the distance of their planes."""

    uid: str
    files: tuple[Path, ...]
    spacing_mm: float


def best_series(files: Iterable[Path]) -> Series | None:
    """Return the series to look at; None where no series of `files` is an even stack of untilted axial slices."""
    members: dict[str, list[tuple[Path, Dataset]]] = {}
    for file in files:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_NEEDED))
        if "LOCALIZER" not in headers.text(header, "ImageType").upper().split("\\"):
            members.setdefault(headers.text(header, "SeriesInstanceUID"), []).append((file, header))
    found = [series for uid, slices in members.items() if (series := _stack(uid, slices)) is not None]
    return min(found, key=lambda one: (-len(one.files), one.spacing_mm, one.uid), default=None)


def _stack(uid: str, slices: Sequence[tuple[Path, Dataset]]) -> Series | None:
    geometry = [_geometry(header) for _, header in slices]
    if len(slices) < LEAST_SLICES or None in geometry or len({one[2] for one in geometry if one is not None}) > 1:
        return None
    axes, positions = (np.array([one[part] for one in geometry if one is not None]) for part in (0, 1))
    normal = np.cross(axes[0, :3], axes[0, 3:])
    if min(axes[:, 0].min(), axes[:, 4].min()) < _UPRIGHT or np.abs(axes - axes[0]).max() > _PARALLEL:
        return None
    order = np.argsort(positions @ normal)
    steps = np.diff(positions[order], axis=0)
    along = steps @ normal
    spacing_mm = float(np.median(along))
    even = np.abs(along - spacing_mm).max() <= _EVEN * spacing_mm
    untilted = along.sum() >= _UNTILTED * np.linalg.norm(steps.sum(axis=0))
    if spacing_mm <= 0 or not even or not untilted:
        return None
    return Series(uid=uid, files=tuple(slices[place][0] for place in order), spacing_mm=spacing_mm)


def _geometry(header: Dataset) -> tuple[list[float], list[float], tuple[float, ...]] | None:
    """Return the six cosines, the position and the size of a slice; None where it lacks one of them."""
    axes, position = (headers.numbers(header, name) for name in ("ImageOrientationPatient", "ImagePositionPatient"))
    size = (*headers.numbers(header, "Rows"), *headers.numbers(header, "Columns"))
    return (axes, position, size) if (len(axes), len(position), len(size)) == (6, 3, 2) else None

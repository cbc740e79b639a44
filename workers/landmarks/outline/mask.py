"""A mask on a radiograph as outlines: strays dropped, small holes filled, the edge followed between pixels."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from workers.landmarks.outline.edges import LEVEL, loops
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.reasons import Flag
from workers.landmarks.volumes import Array, Mask

#: Share of the mask below which an unconnected part is dropped, and that must hang together (docs/morphometry 3.2).
_STRAY: Final = 0.01
_WHOLE: Final = 0.95
#: Share of its part up to which a hole is a fault of the mask and filled; a foramen behind the body is larger.
_FAULT: Final = 0.05
#: Background hangs together over corners where the mask does not.
_OVER_CORNERS: Final = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The edges of a mask, closed lines (n, 2) of (column, row), 0, 0 the corner of the first pixel."""

    #: Around the body's part of the mask, then around what is left empty in it.
    rings: tuple[Array, ...]
    #: Around the parts that do not hang together with it.
    others: tuple[Array, ...]
    flags: tuple[Flag, ...]


def parts_of(share: Array, pixel: tuple[float, float]) -> Parts | Reason:
    """Return the edges of a mask; `share` (rows, columns), 0 to 1, says how much of each pixel is filled.

    The body's part is the thickest one; `pixel` is the width and height of a pixel, in any unit.
    """
    filled = share >= LEVEL
    if not filled.any():
        return Reason.EMPTY
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    # Pixels beside the mask count too: how little of them is filled says where the edge is.
    values = np.pad(share, 1)[rows[0] : rows[-1] + 3, columns[0] : columns[-1] + 3]
    labels, count = ndimage.label(values >= LEVEL)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:] / (labels > 0).sum()
    kept = [number for number in range(1, count + 1) if sizes[number - 1] >= min(_STRAY, sizes.max())]
    body = max(kept, key=lambda number: _thickness(labels == number, pixel))
    whole, mended = _mended(labels == body)
    flags = {Flag.FRAGMENTED: sizes[body - 1] < _WHOLE, Flag.HOLES_FILLED: mended}
    corner = np.array([columns[0], rows[0]]) - 1
    return Parts(
        rings=tuple(ring + corner for ring in loops(whole, values)),
        others=tuple(loops(labels == number, values)[0] + corner for number in kept if number != body),
        flags=tuple(flag for flag, raised in flags.items() if raised),
    )


def _thickness(part: Mask, pixel: tuple[float, float]) -> float:
    return float(ndimage.distance_transform_edt(np.pad(part, 1), sampling=pixel[::-1]).max())


def _mended(part: Mask) -> tuple[Mask, bool]:
    """Return the part without the holes that are faults, and whether they are more than strays."""
    labels, count = ndimage.label(~part, structure=_OVER_CORNERS)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    outside = labels[0, 0]
    faults = [n for n in range(1, count + 1) if n != outside and sizes[n] <= _FAULT * part.sum()]
    holes = np.isin(labels, faults)
    return part | holes, bool(holes.sum() > _STRAY * part.sum())

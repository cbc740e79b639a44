"""Double contours of the endplates: how far apart they are, and the points midway between them."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from workers.landmarks.mask.body import Section
from workers.landmarks.volumes import Array, Mask

#: A double contour wider than this says that the beam met the vertebra obliquely, mm (docs/morphometry 3.3).
OBLIQUE_MM: Final = 2.0
#: Share of the depth, about its middle, over which a gap below an endplate is looked for.
_CENTRAL: Final = 0.5


def midway(contours: Sequence[Array]) -> Array:
    """Return the points (6, 2) midway between those of one or two contours."""
    return np.asarray(np.mean(contours, axis=0))


def apart(contours: Sequence[Array], superior: Array) -> float:
    """Return how far the contours' points (6, 2) lie apart along `superior` at most; 0 for one contour."""
    heights = np.stack([points @ superior for points in contours])
    return float(np.ptp(heights, axis=0).max())


def gap(section: Section, points: Array) -> float:
    """Return how thick a layer is parted from the body at an endplate, gap included; 0 where there is none.

    `points` are the six (6, 2), posterior and superior, in the section's unit. A mask whose endplates are drawn double
    has such a layer along most of an endplate: its median over the central columns counts.
    """
    front, rear = points[[0, 3], 0].mean(), points[[2, 5], 0].mean()
    central = np.abs(section.across - (front + rear) / 2) < _CENTRAL / 2 * (rear - front)
    row = int(np.abs(section.up - points[:, 1].mean()).argmin())
    filled = section.values[:, central] > 0
    filled = filled[:, filled[row]]
    if not filled.any():
        return 0.0
    step = float(section.up[1] - section.up[0])
    return step * max(_layer(filled[row:]), _layer(filled[: row + 1][::-1]))


def _layer(filled: Mask) -> float:
    """Return the samples between the first gap and the last filled one, the median over the columns."""
    unbroken = np.where(filled.all(axis=0), len(filled), (~filled).argmax(axis=0))
    last = len(filled) - filled[::-1].argmax(axis=0)
    return float(np.median(last - unbroken))

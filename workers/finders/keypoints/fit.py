"""From a radiograph to a network's input and back: mirrored, scaled, padded. PURE but for SciPy's interpolation.

Coordinates are (column, row) with 0, 0 at the top left corner of the first pixel, in the radiograph as in the input, so
the centre of a pixel is at a half.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How one radiograph lies in the input; sizes are (columns, rows)."""

    source: tuple[int, int]
    target: tuple[int, int]
    #: Pixels of the input a pixel of the radiograph, along columns and rows.
    scale: tuple[float, float]
    #: Where the radiograph's corner lies in the input.
    offset: tuple[float, float]
    mirrored: bool

    def to_input(self, points: Array) -> Array:
        """Map (..., 2) points of the radiograph to the input."""
        across = self.source[0] - points[..., 0] if self.mirrored else points[..., 0]
        return np.stack([across, points[..., 1]], axis=-1) * self.scale + self.offset

    def to_source(self, points: Array) -> Array:
        """Map (..., 2) points of the input to the radiograph."""
        upright = (points - np.array(self.offset)) / self.scale
        across = self.source[0] - upright[..., 0] if self.mirrored else upright[..., 0]
        return np.stack([across, upright[..., 1]], axis=-1)

    def resampled(self, image: Array) -> Array:
        """Return the radiograph, (rows, columns), as it lies in the input, (height, width); 0 where it does not reach.

        Bilinear, after a Gaussian of SD (1 / scale - 1) / 2 pixels where it shrinks, as scikit-image's resize does it.
        """
        upright = image[:, ::-1] if self.mirrored else image
        scale = np.array(self.scale[::-1])
        smooth = ndimage.gaussian_filter(upright, np.maximum(0, (1 / scale - 1) / 2), mode="nearest")
        # affine_transform counts from the centre of the first pixel.
        start = (0.5 - np.array(self.offset[::-1])) / scale - 0.5
        moved: Array = ndimage.affine_transform(
            smooth, 1 / scale, offset=start, output_shape=self.target[::-1], order=1, mode="nearest"
        )
        columns, rows = ((np.arange(self.target[axis]) + 0.5 - self.offset[axis]) / self.scale[axis] for axis in (0, 1))
        inside = np.outer((rows > 0) & (rows < self.source[1]), (columns > 0) & (columns < self.source[0]))
        return np.where(inside, moved, 0.0)


def fitted(
    source: tuple[int, int],
    target: tuple[int, int],
    *,
    resize: Literal["pad", "stretch"],
    placed: Literal["top_left", "centre"],
    mirrored: bool,
) -> Fit:
    """Return how a radiograph of size `source` comes to lie in an input of size `target`, both (columns, rows)."""
    across, down = target[0] / source[0], target[1] / source[1]
    scale = (across, down) if resize == "stretch" else (min(across, down),) * 2
    room = [target[axis] - source[axis] * scale[axis] for axis in (0, 1)]
    offset = (room[0] / 2, room[1] / 2) if placed == "centre" else (0.0, 0.0)
    return Fit(source=source, target=target, scale=(scale[0], scale[1]), offset=offset, mirrored=mirrored)

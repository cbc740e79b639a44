"""The images that contours were drawn on, as stacks of parallel slices: their pixels, and where they end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.slices import Slice, slices_of
from workers.landmarks.volumes import Array, Volume

Triple = tuple[int, int, int]

#: Cosine from which two directions are one: 0.8 degrees, 0.5 mm over a vertebra's depth.
_PARALLEL: Final = 0.9999
#: A plane is where a slice is, if it is nearer than this share of the step.
_TOLERANCE: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class ImageStack:
    """Slices of one series and one direction."""

    #: (3, 3): the normal of the slices, along which rows increase, along which columns increase; LPS unit vectors.
    axes: Array
    #: Centre of the first pixel of one of the slices, LPS mm.
    origin: Array
    #: Distance between rows and between columns, mm: (2,).
    pixel_mm: Array
    #: Centres of the four outermost pixels of each slice, LPS mm: (slices, 4, 3).
    corners: Array

    def parallel_to(self, normal: Array) -> bool:
        """Whether the slices lie at right angles to a unit vector."""
        return abs(float(self.axes[0] @ normal)) > _PARALLEL

    def room(self, volume: Volume) -> tuple[Triple, Triple] | None:
        """Return how many more voxels the images have before and behind the mask of `volume`, along each axis.

        None where they do not tell: they run askew, or the mask reaches beyond their first or last slice, so others
        were contoured. A mask that covers the centre of the outermost pixels has no room. `volume` ends with its mask.
        """
        directions = volume.affine[:3, :3] / volume.spacing_mm
        aligned = np.abs(self.axes @ directions)
        if aligned.max(axis=0).min() < _PARALLEL:
            return None
        depth = int(aligned[0].argmax())
        index = volume.to_index(self.corners)
        ends = index[..., depth]
        size = np.array(volume.mask.shape)
        slack = max(1.0, self.step_mm / float(volume.spacing_mm[depth])) + _TOLERANCE
        if ends.min() > slack or ends.max() < size[depth] - 1 - slack:
            return None
        near = index[self._beside(ends, float(size[depth]))]
        first, last = near.min(axis=1).max(axis=0), near.max(axis=1).min(axis=0)
        first[depth], last[depth] = ends.min(), ends.max()
        return _triple(_whole(-first, depth)), _triple(_whole(last - (size - 1), depth))

    @property
    def step_mm(self) -> float:
        """Distance between slices, mm; 0 where there is but one."""
        depths = np.unique(np.round(self.corners[:, 0] @ self.axes[0], 3))
        return float(np.median(np.diff(depths))) if len(depths) > 1 else 0.0

    def _beside(self, ends: Array, size: float) -> Array:
        """Return which slices show the mask; all of them where none does."""
        middle = ends.mean(axis=1)
        beside: Array = (middle > -1) & (middle < size)
        return beside if beside.any() else np.ones_like(beside)


def image_stacks(images: Iterable[Dataset]) -> list[ImageStack]:
    """Return the stacks that `images` make, the one of most slices first; images without pixel spacing make none."""
    groups: dict[tuple[str, tuple[float, ...]], list[Slice]] = {}
    for image in images:
        series = headers.text(image, "SeriesInstanceUID")
        for one in slices_of(image):
            if one.pixel_mm is not None and _size(image) is not None:
                direction = tuple(float(value) for value in one.axes.ravel().round(3) + 0.0)
                groups.setdefault((series, direction), []).append(one)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [_stack(slices) for _, slices in ordered]


def _whole(distance: Array, depth: int) -> Array:
    """Return how many voxels there are, given the distance from the mask's outermost voxel centres to the images' ends.

    Along the stack a plane is there or not; in the slices the mask may end anywhere short of the last pixel's centre.
    """
    planes, pixels = np.floor(distance + _TOLERANCE), np.ceil(distance - 0.5 - _TOLERANCE)
    return np.where(np.arange(len(distance)) == depth, planes, pixels)


def _stack(slices: Sequence[Slice]) -> ImageStack:
    first = slices[0]
    column_mm, row_mm = first.pixel_mm or (0.0, 0.0)
    return ImageStack(
        axes=first.axes[[2, 1, 0]],
        origin=first.origin,
        pixel_mm=np.array([row_mm, column_mm]),
        corners=np.array([_corners(one) for one in slices]),
    )


def _corners(one: Slice) -> list[Array]:
    rows, columns = _size(one.image) or (1, 1)
    column_mm, row_mm = one.pixel_mm or (0.0, 0.0)
    return [
        one.origin + one.axes[0] * column * column_mm + one.axes[1] * row * row_mm
        for row in (0, rows - 1)
        for column in (0, columns - 1)
    ]


def _size(image: Dataset) -> tuple[int, int] | None:
    found = [headers.numbers(image, keyword) for keyword in ("Rows", "Columns")]
    return (int(found[0][0]), int(found[1][0])) if all(found) and found[0][0] > 0 and found[1][0] > 0 else None


def _triple(values: Array) -> Triple:
    first, second, third = (max(0, int(value)) for value in values)
    return first, second, third

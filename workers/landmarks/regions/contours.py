"""From closed planar contours to a volume: planes, the images' pixels in them, the even-odd rule, the images' edge.

PS3.3 C.8.8.6: contours of one plane exclude each other where they overlap (XOR), and a keyhole's two banks run on the
same line; counting the edges that lie before a sample, and asking whether the number is odd, serves both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from workers.landmarks.reasons import Reason
from workers.landmarks.regions.image_stacks import ImageStack
from workers.landmarks.volumes import LARGEST_MM, MOST_VOXELS, Array, Mask, Volume, step_mm
from workers.morphometry.uncertainty import COARSE_SAMPLING_MM

#: Size of a voxel in the plane where no image gives one, mm: what the sections of the method are sampled at.
_STEP_MM: Final = 0.5
#: Samples along each side of a voxel; from half of them on it is filled. Odd: none lies on the edge of a pixel, and
#: the pixels of a mask that was contoured halfway to its neighbours come out as they were.
_PARTS: Final = 5
#: Points of one contour lie this near to its plane, mm: coordinates of an oblique plane, rounded to 0.1 mm.
_FLAT_MM: Final = 0.2
#: Distance between a plane and its place in the regular stack, as a share of the step, above which it is irregular.
_GRID_TOLERANCE: Final = 0.05
#: Planes between two others may be missing up to this distance, mm: one of a stack that is just graded.
_MOST_GAP_MM: Final = 2 * COARSE_SAMPLING_MM
#: A vertex lies on the centre of a pixel if it is as near to it as this, pixels: rounded decimals.
_ON_CENTRE: Final = 0.02
_TRIANGLE: Final = 3


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The volume of a contoured region."""

    volume: Volume
    #: Whether the pixels of the images in the contours' planes are known.
    pixels_known: bool
    #: Whether an image tells how far the volume reaches.
    edge_known: bool
    #: Largest distance between neighbouring planes that were drawn, mm; planes between were filled in by shape.
    gap_mm: float

    @property
    def filled(self) -> bool:
        """Whether planes were filled in."""
        return self.gap_mm > 1.5 * float(self.volume.spacing_mm[0])


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Where samples lie: `axes` (3, 3), rows the normal, along rows, along columns; `first` and `step` (3,) mm on them.

    `on_centres` says that the contours were traced through the centres of pixels, which then belong to the region:
    PS3.3 C.8.8.6.3 counts the points on the path in.
    """

    axes: Array
    first: Array
    step: Array
    on_centres: bool

    def to_index(self, points: Array) -> Array:
        """Map (..., 3) LPS mm to fractional (plane, row, column)."""
        return np.asarray((points @ self.axes.T - self.first) / self.step)


def draw(contours: Sequence[Array], stacks: Sequence[ImageStack]) -> Drawn | Reason:
    """Return the volume that closed planar `contours`, each (n, 3) LPS mm, enclose, or the reason why there is none.

    Planes may have any direction, but one; `stacks` are those of the images that may have been contoured.
    """
    outlines = [contour for contour in contours if len(contour) >= _TRIANGLE]
    if not outlines:
        return Reason.EMPTY
    if np.ptp(np.concatenate(outlines), axis=0).max() > LARGEST_MM:
        return Reason.IMPLAUSIBLE_SIZE
    normal = _normal(outlines)
    if normal is None:
        return Reason.NO_GEOMETRY
    stack = next((stack for stack in stacks if stack.parallel_to(normal)), None)
    axes = _axes(normal) if stack is None else stack.axes
    places = _places(outlines, axes[0])
    if isinstance(places, Reason):
        return places
    first, step, planes = places
    volume = _volume(outlines, planes, _grid(outlines, axes, stack, first, step))
    if isinstance(volume, Reason):
        return volume
    rooms = (one.room(volume) for one in ([] if stack is None else [stack]) + list(stacks))
    room = next((room for room in rooms if room is not None), None)
    low, high = ((1, 1, 1), (1, 1, 1)) if room is None else room
    gap_mm = float(np.diff(np.unique(planes)).max()) * step
    return Drawn(
        volume=replace(volume, low=low, high=high),
        pixels_known=stack is not None,
        edge_known=room is not None,
        gap_mm=gap_mm,
    )


def _volume(outlines: Sequence[Array], planes: Sequence[int], grid: _Grid) -> Volume | Reason:
    """Return the mask within its smallest box; how far the images reach is not known here."""
    indices = [grid.to_index(outline) for outline in outlines]
    every = np.concatenate(indices)
    low = np.array([0, *np.floor(every[:, 1:].min(axis=0))], dtype=np.int64)
    high = np.array([max(planes), *np.ceil(every[:, 1:].max(axis=0))], dtype=np.int64)
    size = high - low + 1
    if np.prod(size) > MOST_VOXELS:
        return Reason.IMPLAUSIBLE_SIZE
    mask = np.zeros(size, dtype=np.bool_)
    for plane in sorted(set(planes)):
        polygons = [index[:, 1:] - low[1:] for index, at in zip(indices, planes, strict=True) if at == plane]
        mask[plane] = covered(polygons, (int(size[1]), int(size[2])), with_path=grid.on_centres)
    _fill_between(mask, sorted(set(planes)), grid.step)
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    if not boxes:
        return Reason.EMPTY
    low += [side.start for side in boxes[0]]
    affine = np.eye(4)
    affine[:3, :3] = grid.axes.T * grid.step
    affine[:3, 3] = grid.axes.T @ (grid.first + low * grid.step)
    return Volume(mask=mask[boxes[0]].copy(), affine=affine, low=(0, 0, 0), high=(0, 0, 0))


def covered(polygons: Sequence[Array], size: tuple[int, int], *, with_path: bool = False) -> Mask:
    """Return the pixels (rows, columns) of which an odd number of `polygons`, each (n, 2) row and column, cover half.

    Pixel centres have whole numbers. `with_path` adds those on the polygons' own lines, whose corners are then whole.
    """
    fine = [(polygon + 0.5) * _PARTS - 0.5 for polygon in polygons]
    samples = _odd(fine, (size[0] * _PARTS, size[1] * _PARTS))
    counts = samples.reshape(size[0], _PARTS, size[1], _PARTS).sum(axis=(1, 3), dtype=np.int64)
    filled: Mask = 2 * counts >= _PARTS**2
    if with_path:
        for polygon in polygons:
            filled[tuple(_path(np.rint(polygon).astype(np.int64)).T)] = True
    return filled


def _odd(polygons: Sequence[Array], size: tuple[int, int]) -> Mask:
    """Return the samples (rows, columns) before which an odd number of edges lies in their row."""
    flat = [np.zeros(0, dtype=np.int64)]
    for polygon in polygons:
        start, end = polygon, np.roll(polygon, -1, axis=0)
        first = np.ceil(np.minimum(start[:, 0], end[:, 0])).astype(np.int64)
        count = np.ceil(np.maximum(start[:, 0], end[:, 0])).astype(np.int64) - first
        edge = np.repeat(np.arange(len(polygon)), count)
        row = first[edge] + _ramps(count)
        share = (row - start[edge, 0]) / (end[edge, 0] - start[edge, 0])
        column = np.ceil(start[edge, 1] + share * (end[edge, 1] - start[edge, 1])).astype(np.int64)
        inside = (row >= 0) & (row < size[0]) & (column < size[1])
        flat.append(row[inside] * size[1] + np.maximum(column[inside], 0))
    toggles = np.bincount(np.concatenate(flat), minlength=size[0] * size[1]).astype(np.uint8) & 1
    return np.asarray(np.bitwise_xor.accumulate(toggles.reshape(size), axis=1), dtype=np.bool_)


def _path(corners: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return every whole (row, column) on the closed line through whole `corners`."""
    steps = np.roll(corners, -1, axis=0) - corners
    count = np.maximum(1, np.gcd(steps[:, 0], steps[:, 1]))
    edge = np.repeat(np.arange(len(corners)), count)
    return np.asarray(corners[edge] + _ramps(count)[:, None] * (steps // count[:, None])[edge])


def _ramps(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return 0, 1, ... count - 1 for each count, one after the other."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _normal(outlines: Sequence[Array]) -> Array | None:
    """Return the unit normal of the planes, weighted by area; None where nothing is enclosed."""
    areas = []
    for outline in outlines:
        spokes = outline - outline.mean(axis=0)
        areas.append(np.cross(spokes, np.roll(spokes, -1, axis=0)).sum(axis=0))
    vectors = np.array(areas)
    largest = vectors[np.linalg.norm(vectors, axis=1).argmax()]
    total = (vectors * np.where(vectors @ largest < 0, -1.0, 1.0)[:, None]).sum(axis=0)
    length = float(np.linalg.norm(total))
    return np.asarray(total / length) if length > 0 else None


def _axes(normal: Array) -> Array:
    """Return the axes of a grid whose columns run along the patient axis that is most in the plane."""
    columns = np.eye(3)[np.abs(normal).argmin()]
    columns = columns - (columns @ normal) * normal
    columns /= np.linalg.norm(columns)
    return np.stack([normal, np.cross(normal, columns), columns])


def _places(outlines: Sequence[Array], normal: Array) -> tuple[float, float, list[int]] | Reason:
    """Return the first plane's depth, the step, mm, and each contour's place in the stack."""
    depths = [outline @ normal for outline in outlines]
    if max(np.ptp(depth) for depth in depths) > 2 * _FLAT_MM:
        return Reason.IRREGULAR_SPACING
    middles = np.array([float(depth.mean()) for depth in depths])
    first, last = float(middles.min()), float(middles.max())
    ordered = np.sort(middles)
    planes = ordered[np.insert(np.diff(ordered) > _FLAT_MM, 0, True)]
    step = step_mm(planes)
    if not step:
        return Reason.NO_GEOMETRY
    step = (last - first) / max(1, round((last - first) / step))
    place = np.rint((middles - first) / step)
    off = float(np.abs(middles - first - place * step).max())
    gap = float(np.diff(np.unique(place)).max()) * step
    if off > max(_GRID_TOLERANCE * step, _FLAT_MM / 2) or gap > max(_MOST_GAP_MM, 1.5 * step):
        return Reason.IRREGULAR_SPACING
    return first, step, [int(number) for number in place]


def _grid(outlines: Sequence[Array], axes: Array, stack: ImageStack | None, first: float, step: float) -> _Grid:
    """Return the voxels: the images' pixels, or whole multiples of very small ones; without images half millimetres."""
    if stack is None:
        return _Grid(
            axes=axes,
            first=np.array([first, 0.0, 0.0]),
            step=np.array([step, _STEP_MM, _STEP_MM]),
            on_centres=False,
        )
    pixel = stack.pixel_mm
    origin = axes[1:] @ stack.origin
    corners = (np.concatenate(outlines) @ axes[1:].T - origin) / pixel
    size = pixel * np.maximum(1.0, np.floor(_STEP_MM / pixel))
    return _Grid(
        axes=axes,
        first=np.array([first, *(origin + (size - pixel) / 2)]),
        step=np.array([step, *size]),
        on_centres=bool((size == pixel).all() and np.abs(corners - np.rint(corners)).max() < _ON_CENTRE),
    )


def _fill_between(mask: Mask, drawn: Sequence[int], step: Array) -> None:
    """Fill the planes between drawn ones by shape: the signed distances of both neighbours, weighted by nearness."""
    for below, above in pairwise(drawn):
        if above - below == 1:
            continue
        ends = [_signed(mask[plane], step[1:]) for plane in (below, above)]
        for plane in range(below + 1, above):
            share = (plane - below) / (above - below)
            mask[plane] = (1 - share) * ends[0] + share * ends[1] > 0


def _signed(mask: Mask, sampling: Array) -> Array:
    padded = np.pad(mask, 1)
    inside, outside = (ndimage.distance_transform_edt(part, sampling=sampling) for part in (padded, ~padded))
    return np.asarray((inside - outside)[1:-1, 1:-1])

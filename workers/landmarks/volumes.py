"""Masks out of a DICOM Segmentation: one volume a segment, cropped, with its place in the patient.

Segmentation Storage (BINARY, FRACTIONAL) and Label Map Segmentation Storage, PS3.3 A.51 and C.8.20. Frames may come in
any order, empty frames may be missing, segments may overlap. Geometry comes from the frames' positions and
orientation, never from Slice Thickness.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.pixels.utils import iter_pixels

from sr_templates import headers
from sr_templates.slices import cosines
from workers.landmarks.reasons import Reason

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LABEL_MAP: Final = "1.2.840.10008.5.1.4.1.1.66.7"
#: Distance between a plane and its place in the regular grid, as a share of the spacing, above which it is irregular.
_GRID_TOLERANCE: Final = 0.05
#: Orientation vectors of two frames differ by rounding only, below this.
_PARALLEL_TOLERANCE: Final = 1e-3
#: No vertebra is as large in any direction, mm; a larger segment is not built.
LARGEST_MM: Final = 250.0
#: Voxels of the finest vertebra that is built: 130 x 110 x 90 mm at 0.3 mm.
MOST_VOXELS: Final = 48_000_000
#: Frames nearer to each other than this show the same plane.
_SAME_PLANE_MM: Final = 0.01
#: Cosine between the direction of the stack and the normal of its planes (a tilted gantry) below which it is refused.
_LEAST_UPRIGHT: Final = 0.87
#: What pydicom raises for missing, short or undecodable pixel data.
UNREADABLE: Final = (*headers.DAMAGE, RuntimeError, IndexError)


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A mask on a regular grid.

    `mask` is (slices, rows, columns); `affine` (4, 4) maps (slice, row, column) of a voxel centre to LPS mm.
    `low` and `high` say for each axis how many more voxels the whole volume has before and behind the crop.
    """

    mask: Mask
    affine: Array
    low: tuple[int, int, int]
    high: tuple[int, int, int]

    @property
    def spacing_mm(self) -> Array:
        """Distance between voxel centres along each axis, (3,)."""
        lengths: Array = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths

    def to_patient(self, index: Array) -> Array:
        """Map (..., 3) voxel indices to LPS mm."""
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3])

    def to_index(self, points: Array) -> Array:
        """Map (..., 3) LPS mm to fractional voxel indices."""
        inverse = np.linalg.inv(self.affine[:3, :3])
        return np.asarray((points - self.affine[:3, 3]) @ inverse.T)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The grid all frames lie in: `affine` as in Volume, `shape` (slices, rows, columns), each frame's slice."""

    affine: Array
    shape: tuple[int, int, int]
    slice_of: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """What one frame holds of one segment: the filled part and where it begins."""

    low: tuple[int, int, int]
    mask: Mask


def read_stack(ds: Dataset, image_positions: Iterable[tuple[float, float, float]] = ()) -> Stack | Reason:
    """Return the grid of the segmentation's frames, or the reason why they make none.

    `image_positions` are Image Position (Patient) values of the images that were segmented: where they lie in the same
    stack, they say how far the volume reaches beyond the frames that were not empty.
    """
    shared = next(iter(headers.items(ds, "SharedFunctionalGroupsSequence")), Dataset())
    groups = [_geometry(frame, shared) for frame in headers.items(ds, "PerFrameFunctionalGroupsSequence")]
    known = [group for group in groups if group is not None]
    if not known or len(known) < int(ds.get("NumberOfFrames") or 1):
        return Reason.NO_GEOMETRY
    positions = np.array([position for position, _, _ in known])
    axes, spacing = known[0][1], known[0][2]
    others = np.array([[*a.ravel(), *s] for _, a, s in known])
    if np.abs(others - others[0]).max() > _PARALLEL_TOLERANCE:
        return Reason.IRREGULAR_SPACING
    return _grid(positions, axes, spacing, (int(ds.Rows), int(ds.Columns)), np.array(list(image_positions)))


def read_segments(ds: Dataset, stack: Stack, numbers: Iterable[int]) -> dict[int, Volume | Reason]:
    """Return the volume of each of the segment `numbers`, or the reason why there is none.

    Frames are decoded one at a time and only their filled part is kept, so memory grows with the vertebrae, not with
    the scan. Raises what pydicom raises for pixels it cannot decode: see UNREADABLE.
    """
    pieces: dict[int, list[_Piece]] = {number: [] for number in numbers}
    for frame, number, mask in _frames(ds, set(pieces)):
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if rows.size:
            part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
            pieces[number].append(_Piece(low=(stack.slice_of[frame], int(rows[0]), int(columns[0])), mask=part))
    return {number: _assemble(found, stack) for number, found in pieces.items()}


def read_filled(ds: Dataset, stack: Stack, numbers: Iterable[int]) -> Iterator[tuple[int, Array]]:
    """Yield (segment number, voxel centres (n, 3) in LPS mm) for each frame that holds some of the segments.

    For segments of any size: nothing is put together. Raises what `read_segments` raises.
    """
    for frame, number, mask in _frames(ds, set(numbers)):
        index = np.insert(np.argwhere(mask), 0, stack.slice_of[frame], axis=1)
        yield number, np.asarray(index @ stack.affine[:3, :3].T + stack.affine[:3, 3])


def _geometry(frame: Dataset, shared: Dataset) -> tuple[Array, Array, Array] | None:
    """Return position (3,), in-plane axes (2, 3) along columns and rows, and (row, column) spacing of a frame."""
    wanted = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    parts = [(headers.items(frame, name) or headers.items(shared, name))[:1] for name in wanted]
    position, spacing = (
        [number for part in parts[place] for number in headers.numbers(part, keyword)]
        for place, keyword in ((0, "ImagePositionPatient"), (2, "PixelSpacing"))
    )
    axes = cosines(parts[1])
    if (len(position), len(axes), len(spacing)) != (3, 6, 2) or min(spacing) <= 0:
        return None
    return np.array(position), np.array(axes).reshape(2, 3), np.array(spacing)


def _grid(positions: Array, axes: Array, spacing: Array, size: tuple[int, int], images: Array) -> Stack | Reason:
    normal = np.cross(axes[0], axes[1])
    depth = positions @ normal
    step = step_mm(np.sort(depth))
    if not step:
        return Reason.NO_GEOMETRY
    first, last = int(depth.argmin()), int(depth.argmax())
    along = (positions[last] - positions[first]) / round(float(depth[last] - depth[first]) / step)
    place = np.rint((depth - depth[first]) / (along @ normal)).astype(int)
    straight = positions[first] + np.outer(place, along)
    off = np.abs(positions - straight).max() > _GRID_TOLERANCE * max(step, *spacing)
    if off or along @ normal < _LEAST_UPRIGHT * np.linalg.norm(along):
        return Reason.IRREGULAR_SPACING
    before, behind = _beyond(images, positions[first], along, int(place.max()))
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([along, axes[1] * spacing[0], axes[0] * spacing[1]])
    affine[:3, 3] = positions[first] - before * along
    slices = int(place.max()) + 1 + before + behind
    return Stack(affine=affine, shape=(slices, *size), slice_of=tuple(int(n) + before for n in place))


def step_mm(depths: Array) -> float:
    """Return the distance between neighbouring planes of sorted `depths`; 0 where there is but one plane."""
    gaps = np.diff(depths)
    gaps = gaps[gaps > _SAME_PLANE_MM]
    return float(np.median(gaps[gaps < 1.5 * gaps.min()])) if gaps.size else 0.0


def _beyond(images: Array, first: Array, along: Array, last: int) -> tuple[int, int]:
    """Return how many slices the images of the same stack reach before the first and behind the last frame."""
    if not images.size:
        return 0, 0
    length = np.linalg.norm(along)
    place = (images - first) @ along / length**2
    off = np.linalg.norm(images - first - np.outer(place, along), axis=1)
    fitting = np.rint(place[(off < _GRID_TOLERANCE * length) & (np.abs(place - np.rint(place)) < _GRID_TOLERANCE)])
    return (max(0, -int(fitting.min())), max(0, int(fitting.max()) - last)) if fitting.size else (0, 0)


def _frames(ds: Dataset, numbers: set[int]) -> Iterator[tuple[int, int, Mask]]:
    """Yield (frame, segment number, mask) of every frame that may hold one of the segments."""
    if ds.SOPClassUID == LABEL_MAP:
        for frame, pixels in enumerate(decoded(ds, range(int(ds.NumberOfFrames)))):
            for number in sorted(numbers & set(np.unique(pixels).tolist())):
                yield frame, number, pixels == number
        return
    half = 0.5 * float(ds.MaximumFractionalValue) if ds.SegmentationType == "FRACTIONAL" else 0.5
    held = [(frame, segment_number(groups, ds)) for frame, groups in enumerate(ds.PerFrameFunctionalGroupsSequence)]
    wanted = [(frame, number) for frame, number in held if number in numbers]
    for (frame, number), pixels in zip(wanted, decoded(ds, [frame for frame, _ in wanted]), strict=True):
        yield frame, number, pixels >= half


def decoded(ds: Dataset, frames: Sequence[int]) -> Iterator[npt.NDArray[np.integer]]:
    """Yield the pixels (rows, columns) of each of the `frames`.

    Native single bits are unpacked here (PS3.5 8.1.1: frames follow each other without padding): pydicom 3.0.2 fails
    on frames that do not begin on a byte.
    """
    if ds.BitsAllocated == 1 and not ds.file_meta.TransferSyntaxUID.is_encapsulated:
        size = int(ds.Rows) * int(ds.Columns)
        data = np.frombuffer(ds.PixelData, dtype=np.uint8)
        for frame in frames:
            first, end = frame * size, (frame + 1) * size
            bits = np.unpackbits(data[first // 8 : -(-end // 8)], bitorder="little")[first % 8 :][:size]
            yield bits.reshape(int(ds.Rows), int(ds.Columns))
    elif frames:
        yield from iter_pixels(ds, indices=frames)


def segment_number(groups: Dataset, ds: Dataset) -> int:
    """Return the segment a frame belongs to; 0, which is no segment's number, where it does not say."""
    name = "SegmentIdentificationSequence"
    shared = headers.items(ds, "SharedFunctionalGroupsSequence")
    items = [item for part in (groups, *shared) for item in headers.items(part, name)]
    return int(items[0].ReferencedSegmentNumber) if items else 0


def _assemble(pieces: list[_Piece], stack: Stack) -> Volume | Reason:
    """Put the pieces of one segment together in the smallest box that holds them."""
    if not pieces:
        return Reason.EMPTY
    lows = np.array([piece.low for piece in pieces])
    ends = lows + [(1, *piece.mask.shape) for piece in pieces]
    low, end = lows.min(axis=0), ends.max(axis=0)
    sides_mm = (end - low) * np.linalg.norm(stack.affine[:3, :3], axis=0)
    if sides_mm.max() > LARGEST_MM or np.prod(end - low) > MOST_VOXELS:
        return Reason.IMPLAUSIBLE_SIZE
    mask = np.zeros(end - low, dtype=np.bool_)
    for piece, (place, row, column) in zip(pieces, lows - low, strict=True):
        rows, columns = piece.mask.shape
        mask[place, row : row + rows, column : column + columns] |= piece.mask
    affine = stack.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    high = np.array(stack.shape) - end
    return Volume(mask=mask, affine=affine, low=_triple(low), high=_triple(high))


def _triple(values: npt.NDArray[np.int_]) -> tuple[int, int, int]:
    first, second, third = (int(value) for value in values)
    return first, second, third

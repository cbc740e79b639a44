"""A stack of parallel slices, read one at a time: sampling never needs the whole volume in memory."""

import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL.Image import DecompressionBombError
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import pixel_array
from scipy import ndimage

from sr_templates import headers
from sr_templates.projection import HALF_PIXEL
from sr_templates.shown import rescale
from sr_templates.slices import Array, Slice, slices_of
from workers.pictures.native import native

#: What a decoder that is missing, or that stumbles over damaged pixels, raises is not one family.
UNREADABLE: Final = (
    *headers.DAMAGE,
    IndexError,
    RuntimeError,
    OSError,
    InvalidDicomError,
    zlib.error,
    DecompressionBombError,
)
#: Pixels of the largest image that is decoded: four times a detector of 43 cm at 0.1 mm. It bounds the memory.
MOST_PIXELS: Final = 80_000_000
#: Slices are parallel where their normals differ by less: a tenth of a degree, cosine.
_PARALLEL: Final = 0.9999985
#: Slices nearer to each other than this show the same, mm: another phase, or another reconstruction.
_SAME_MM: Final = 0.01
#: Wider gaps than so many slice distances are left black: what is between was not acquired, or not sent.
_WIDEST: Final = 3.0
#: Half of the slab that a single slice shows, mm, where its thickness is not stated.
_HALF_MM: Final = 2.0
_TWO: Final = 2
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled:
    """What slices gave for the places asked for."""

    #: (n,) rescaled, NaN outside the slices and where no slice of a place could be decoded.
    values: Floats
    #: The headers of the images that a value came from, each once, in the order of the slices.
    images: tuple[Dataset, ...]
    #: Slices that a place needed, and how many of them could not be decoded.
    wanted: int
    unread: int

    @property
    def remark(self) -> str:
        """What the values lack, as a clause; "" where they lack nothing."""
        return f"{self.unread} of {self.wanted} slices could not be read" if self.unread else ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """Parallel slices by their position along the common normal."""

    slices: tuple[Slice, ...]
    #: (n,) ascending, mm along `normal`.
    positions: Array
    normal: Array
    files: Mapping[str, Path]

    def sampled(self, places: Array) -> Sampled | None:
        """Return the rescaled values at (n, 3) places, LPS mm, trilinear, and what they came from.

        None where no slice that is needed could be decoded. One decoded slice is in memory at a time.
        """
        along = places @ self.normal
        lower, share = self._between(along)
        order = np.argsort(lower, kind="stable")
        starts = np.searchsorted(lower[order], np.arange(-1, len(self.slices) + 1))
        total, weight = np.zeros(len(places), dtype=np.float32), np.zeros(len(places), dtype=np.float32)
        wanted = unread = 0
        used: dict[str, Dataset] = {}
        for number, one in enumerate(self.slices):
            # Pixels below this slice have it as their upper one, pixels above as their lower one.
            under, over = order[starts[number] : starts[number + 1]], order[starts[number + 1] : starts[number + 2]]
            chosen = np.concatenate([under, over])
            parts = np.concatenate([share[under], 1 - share[over]])
            chosen, parts = chosen[parts > 0], parts[parts > 0]
            if not len(chosen):
                continue
            wanted += 1
            values = _values(one, self.files)
            if values is None:
                unread += 1
                continue
            found = _bilinear(values, one, places[chosen])
            seen = np.isfinite(found)
            if seen.any():
                used[headers.text(one.image, "SOPInstanceUID")] = one.image
            total[chosen[seen]] += found[seen] * parts[seen]
            weight[chosen[seen]] += parts[seen]
        if wanted and wanted == unread:
            return None
        found = np.where(weight > 0, total / np.maximum(weight, 1e-6), np.nan).astype(np.float32)
        return Sampled(values=found, images=tuple(used.values()), wanted=wanted, unread=unread)

    def _between(self, along: Array) -> tuple[npt.NDArray[np.intp], Floats]:
        """Return of each place the number of the slice below it and the share of the one above.

        -2 where no slice is near. A place beyond the first or last slice belongs to it within half a slab.
        """
        count = len(self.slices)
        gaps = np.diff(self.positions)
        usual = float(np.median(gaps)) if count > 1 else 2 * _half_slab(self.slices[0])
        lower = np.searchsorted(self.positions, along, side="right") - 1
        inner = np.clip(lower, 0, max(count - _TWO, 0))
        width = gaps[inner] if count > 1 else np.ones_like(along)
        share = np.clip((along - self.positions[inner]) / width, 0, 1)
        is_far = (width > _WIDEST * usual) if count > 1 else np.zeros(len(along), dtype=np.bool_)
        outside = np.maximum(self.positions[0] - along, along - self.positions[-1]) > usual / 2
        found = np.where(is_far | outside, -2, inner)
        return found, np.where(count > 1, share, 0).astype(np.float32)


def stack_of(images: Sequence[Dataset], files: Mapping[str, Path]) -> Stack | None:
    """Return the largest stack of parallel slices among `images`; None where none states where it lies."""
    groups: list[list[Slice]] = []
    for one in (one for image in images for one in slices_of(image)):
        if one.pixel_mm is None:
            continue
        group = next((each for each in groups if abs(float(each[0].normal @ one.normal)) > _PARALLEL), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    if not groups:
        return None
    best = max(groups, key=len)
    normal = best[0].normal
    placed = sorted(((float(one.origin @ normal), n) for n, one in enumerate(best)))
    kept = [placed[0], *(after for before, after in pairwise(placed) if after[0] - before[0] > _SAME_MM)]
    return Stack(
        slices=tuple(best[number] for _, number in kept),
        positions=np.array([position for position, _ in kept]),
        normal=normal,
        files=files,
    )


def decoded(header: Dataset, path: Path, frame: int = 1) -> npt.NDArray[np.generic] | None:
    """Return the stored pixels of one frame, counted from 1; None where they are missing, too many, or undecodable."""
    size = [headers.numbers(header, keyword) for keyword in ("Rows", "Columns")]
    if not all(size) or size[0][0] * size[1][0] > MOST_PIXELS:
        return None
    several = (headers.numbers(header, "NumberOfFrames") or [1.0])[0] > 1
    try:
        with warnings.catch_warnings():
            # pydicom's warnings quote values, which may be a patient's.
            warnings.simplefilter("ignore")
            plain = native(header, path)
            return np.asarray(pixel_array(path, index=frame - 1 if several else None)) if plain is None else plain
    except UNREADABLE:
        return None


def _values(one: Slice, files: Mapping[str, Path]) -> Floats | None:
    """Return the rescaled values of one slice, (rows, columns)."""
    path = files.get(headers.text(one.image, "SOPInstanceUID"))
    stored = None if path is None else decoded(one.image, path, one.frame)
    if stored is None or stored.ndim != _TWO:
        return None
    slope, intercept = rescale(one.image, one.frame) or (1.0, 0.0)
    return np.asarray(stored, dtype=np.float32) * np.float32(slope) + np.float32(intercept)


def _bilinear(values: Floats, one: Slice, places: Array) -> Floats:
    """Return the values under (n, 3) places, LPS mm; NaN outside the image, whose outermost pixels are whole."""
    if one.pixel_mm is None:
        return np.full(len(places), np.nan, dtype=np.float32)
    across, down = ((places - one.origin) @ one.axes[:_TWO].T / one.pixel_mm).T
    rows, columns = values.shape
    low, high = -HALF_PIXEL, np.array([columns, rows]) - HALF_PIXEL
    inside = (across >= low) & (across <= high[0]) & (down >= low) & (down <= high[1])
    found = ndimage.map_coordinates(values, np.stack([down, across]), order=1, mode="nearest", output=np.float32)
    return np.where(inside, found, np.nan).astype(np.float32)


def _half_slab(one: Slice) -> float:
    return one.thickness_mm / 2 if one.thickness_mm else _HALF_MM

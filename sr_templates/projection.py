"""Patient points on slices, and back: where a point of the body stands in the pixels of an image that shows it.

An image shows a slab as thick as its slice, so a point in that slab is in the image; a point outside is in none.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.slices import Array, Slice, frame_of_reference, slices_of

#: Half of the slab that a slice shows where its thickness is not stated, mm: about a pixel of a spine image.
UNSTATED_HALF_SLAB_MM: Final = 0.5
#: What a writer rounds away in positions and directions, mm: a point midway between two slices is in either.
ROUNDING_MM: Final = 0.01
#: Image coordinates count from the corner of the first pixel (PS3.3 C.18.6.1.1), its centre is where the image lies.
HALF_PIXEL: Final = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Spot:
    """Where points stand on a slice: (n, 2) columns and rows; 0, 0 is the top left corner of the first pixel."""

    slice: Slice
    pixels: Array

    def of(self, points: Array) -> "Spot | None":
        """Return the spot of (n, 3) other points, LPS mm, on the same slice; None where they are beside it."""
        pixels = projected(points, self.slice)
        return None if pixels is None else Spot(slice=self.slice, pixels=pixels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """The slices of one frame of reference."""

    slices: Sequence[Slice] = ()

    def through(self, points: Array) -> Spot | None:
        """Return the spot of (n, 3) points, LPS mm, on the slice nearest to all whose slab holds them; None without."""
        return next(self._spots(points, within=self._half_slabs_mm + ROUNDING_MM), None)

    def nearest(self, points: Array) -> Spot | None:
        """Return the spot under (n, 3) points, LPS mm, on the slice nearest to all; None where they are beside all."""
        return next(self._spots(points, within=np.full(len(self.slices), np.inf)), None)

    def _spots(self, points: Array, *, within: Array) -> Iterator[Spot]:
        if not self.slices:
            return
        off = np.abs(np.asarray(points, dtype=float) @ self._normals.T - self._offsets_mm).max(axis=0)
        for place in np.argsort(off, kind="stable"):
            if off[place] <= within[place]:
                pixels = projected(points, self.slices[place])
                if pixels is not None:
                    yield Spot(slice=self.slices[place], pixels=pixels)

    @cached_property
    def _normals(self) -> Array:
        return np.array([one.normal for one in self.slices]).reshape(-1, 3)

    @cached_property
    def _offsets_mm(self) -> Array:
        return np.array([one.normal @ one.origin for one in self.slices])

    @cached_property
    def _half_slabs_mm(self) -> Array:
        thickness = [one.thickness_mm for one in self.slices]
        return np.array([mm / 2 if mm else UNSTATED_HALF_SLAB_MM for mm in thickness])


def stacks_of(images: Iterable[Dataset]) -> dict[str, Stack]:
    """Return the slices of images by Frame of Reference UID; those that state none are left out."""
    found: dict[str, list[Slice]] = {}
    for image in images:
        if uid := frame_of_reference(image):
            found.setdefault(uid, []).extend(slices_of(image))
    return {uid: Stack(slices=slices) for uid, slices in found.items()}


def projected(points: Array, one: Slice) -> Array | None:
    """Return (n, 2) columns and rows under (n, 3) points, LPS mm; None outside the image, or without a spacing."""
    if one.pixel_mm is None:
        return None
    pixels: Array = (np.asarray(points, dtype=float) - one.origin) @ one.axes[:2].T / one.pixel_mm + HALF_PIXEL
    size = [headers.numbers(one.image, keyword)[:1] or [0.0] for keyword in ("Columns", "Rows")]
    return pixels if np.all(pixels >= 0) and np.all(pixels <= np.ravel(size)) else None


def unprojected(pixels: Array, one: Slice) -> Array | None:
    """Return where (n, 2) columns and rows of a slice lie, (n, 3) LPS mm; None without a spacing."""
    if one.pixel_mm is None:
        return None
    points: Array = one.origin + ((np.asarray(pixels, dtype=float) - HALF_PIXEL) * one.pixel_mm) @ one.axes[:2]
    return points

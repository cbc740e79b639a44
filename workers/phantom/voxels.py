"""Phantoms on a grid: how much of each voxel a vertebra fills."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from workers.phantom.vertebra import Array, Inside, Vertebra, posterior_elements

Grid = tuple[int, int, int]
Occupancy = npt.NDArray[np.float32]

#: Room around the body that holds waist and osteophyte, mm.
_MARGIN_MM: Final = 8.0


def occupancy(vertebra: Vertebra, affine: Array, grid: Grid, *, samples: int = 3) -> Occupancy:
    """Return the share, 0 to 1, of each voxel that the vertebra fills.

    `affine` (4, 4) maps a voxel index to LPS mm; each voxel is sampled at `samples` points along every axis.
    """
    filled = np.zeros(grid, dtype=np.float32)
    for inside, low, high in _parts(vertebra):
        box = _box(vertebra, affine, grid, low, high)
        part = _sampled(vertebra, affine, box, inside, samples)
        filled[box] = np.maximum(filled[box], part)
    return filled


Part = tuple[Callable[[Array], Inside], Array, Array]


def _parts(vertebra: Vertebra) -> Iterator[Part]:
    """Yield each part's predicate and the local box (low, high) that holds it."""
    shape = vertebra.shape
    height = max(shape.anterior_mm, shape.posterior_mm, shape.middle_mm)
    half = np.array([shape.width_mm, shape.depth_mm, height]) / 2 + _MARGIN_MM
    yield shape.body, -half, half
    for knob in posterior_elements(shape) if shape.posterior_elements else ():
        reach = np.abs(knob.axes.T) @ np.array(knob.half)
        yield knob.inside, np.array(knob.centre) - reach, np.array(knob.centre) + reach


def _box(vertebra: Vertebra, affine: Array, grid: Grid, low: Array, high: Array) -> tuple[slice, slice, slice]:
    signs = np.array(np.meshgrid(*[[0.0, 1.0]] * 3)).reshape(3, -1).T
    corners = vertebra.to_patient(low + signs * (high - low))
    index = (corners - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    first = np.clip(np.floor(index.min(axis=0)).astype(int), 0, grid)
    last = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, first, grid)
    return slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])


def _sampled(
    vertebra: Vertebra, affine: Array, box: tuple[slice, slice, slice], inside: Callable[[Array], Inside], samples: int
) -> Occupancy:
    """Return the filled share of each voxel of `box`; only voxels next to an edge are sampled more than once."""
    index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), axis=-1)
    centres = vertebra.to_local(index @ affine[:3, :3].T + affine[:3, 3])
    at_centre = inside(centres)
    edge = ndimage.maximum_filter(at_centre, 3) != ndimage.minimum_filter(at_centre, 3)
    steps = (np.arange(samples) + 0.5) / samples - 0.5
    offsets = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3) @ affine[:3, :3].T @ vertebra.axes.T
    filled = at_centre.astype(np.float32)
    filled[edge] = np.mean([inside(centres[edge] + offset) for offset in offsets], axis=0)
    return filled

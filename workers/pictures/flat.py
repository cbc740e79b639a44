"""Flat sagittal sections through the points: as few as hold every vertebra within their thickness.

A straight spine lies in one section. A scoliotic one is halved, upper and lower vertebrae, until each part does.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from sr_templates.derived import SLAB_MM, Section
from sr_templates.findings import Point
from sr_templates.levels import ORDER
from workers.pictures.grid import grid_over
from workers.pictures.panels import Volume
from workers.pictures.sheet import Array, Sheet
from workers.pictures.stack import Sampled, Stack

#: Square pixels of a section, mm: as fine as its slices are, within these.
_FINEST_MM, _COARSEST_MM = 0.5, 1.0
#: Pixels from the first to the last point at most: a spine has 600 mm, and anything larger must not fill the memory.
_MOST_PIXELS: Final = 1200
#: Planes whose mean is the section: a millimetre apart or less.
_PLANES: Final = 5


def sections(volume: Volume) -> Iterator[tuple[Section, Sampled]]:
    """Give the sections of one frame of reference, from cranial to caudal, each with what it was computed from.

    None where its slices cannot be read.
    """
    if volume.stack is None:
        return
    levels = sorted(volume.vertebrae, key=ORDER.__getitem__)
    for part in _parts({level: volume.vertebrae[level] for level in levels}):
        section = _section(part, volume.stack)
        if section is not None:
            yield section


def _parts(vertebrae: Mapping[str, Mapping[str, Point]]) -> Iterator[tuple[Sheet, Array]]:
    """Give the sheet and the points of each stretch of vertebrae that one flat section holds."""
    points = np.array([point for each in vertebrae.values() for point in each.values()], dtype=float)
    sheet = Sheet.through(list(vertebrae.values()))
    if sheet is not None and np.abs(sheet.flat(points)[:, 2]).max() <= SLAB_MM / 2:
        yield sheet, points
    elif len(vertebrae) > 1:
        levels = list(vertebrae)
        for half in (levels[: len(levels) // 2], levels[len(levels) // 2 :]):
            yield from _parts({level: vertebrae[level] for level in half})


def _section(part: tuple[Sheet, Array], stack: Stack) -> tuple[Section, Sampled] | None:
    sheet, points = part
    finest = min(min(one.pixel_mm) for one in stack.slices if one.pixel_mm is not None)
    largest = float(np.ptp(sheet.flat(points)[:, :2], axis=0).max())
    pixel_mm = max(float(np.clip(finest, _FINEST_MM, _COARSEST_MM)), largest / _MOST_PIXELS)
    grid = grid_over(sheet, points, pixel_mm=pixel_mm)
    offsets = ((np.arange(_PLANES) + 0.5) / _PLANES - 0.5) * SLAB_MM
    sampled = stack.sampled(np.concatenate([grid.on_plane(float(off)) for off in offsets]))
    if sampled is None:
        return None
    planes = sampled.values.reshape(_PLANES, grid.rows, grid.columns)
    seen = np.isfinite(planes)
    total, count = np.where(seen, planes, 0).sum(axis=0), seen.sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    first = sheet.to_patient(grid.places()[:1], np.zeros(1))[0]
    section = Section(values=mean, axes=sheet.axes[:2], origin=first, pixel_mm=grid.pixel_mm, lacking=sampled.remark)
    return section, sampled

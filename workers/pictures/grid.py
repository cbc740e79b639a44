"""The pixels of a sagittal picture: square, over the flat plane, on the sheet or in flat sections beside it."""

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from workers.pictures.sheet import Array, Sheet

#: Room before, behind, above and below the points, mm: the posterior elements, and something of the neighbours.
_BEFORE_MM, _BEHIND_MM, _BESIDE_MM = 25.0, 45.0, 18.0
#: The sheet is smooth, so how far it lies off the flat plane is worked out on a coarser grid, mm.
_COARSE_MM: Final = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Square pixels over a sheet; `corner` is the upper left corner of the first pixel, (across, down) mm."""

    sheet: Sheet
    corner: tuple[float, float]
    pixel_mm: float
    rows: int
    columns: int

    def pixels(self, points: Array) -> Array:
        """Return (n, 2) columns and rows of (n, 3) points, LPS mm; 0, 0 is the corner of the first pixel."""
        found: Array = (self.sheet.flat(points)[:, :2] - self.corner) / self.pixel_mm
        return found

    def places(self) -> Array:
        """Return the centres of all pixels, row by row, (rows * columns, 2) mm on the flat plane."""
        across = self.corner[0] + (np.arange(self.columns) + 0.5) * self.pixel_mm
        down = self.corner[1] + (np.arange(self.rows) + 0.5) * self.pixel_mm
        return np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)

    def on_sheet(self) -> Array:
        """Return where each pixel lies on the sheet, (rows * columns, 3) LPS mm."""
        _, coarse = self._nodes()
        off = _bilinear(coarse, np.arange(self.rows) / self._every, np.arange(self.columns) / self._every)
        return self.sheet.to_patient(self.places(), off.ravel())

    def along(self, normal: Array) -> float:
        """Return how nearly the sheet lies in planes with this normal: the greatest cosine between the normals."""
        nodes, off = self._nodes()
        places = self.sheet.to_patient(nodes.reshape(-1, 2), off.ravel()).reshape(*off.shape, 3)[:-1, :-1]
        own = np.cross(np.diff(places, axis=1)[:-1], np.diff(places, axis=0)[:, :-1])
        return float(np.abs(own @ normal / np.linalg.norm(own, axis=-1)).max(initial=0.0))

    @property
    def _every(self) -> int:
        """Which pixels the coarser grid goes through, from the first."""
        return max(1, round(_COARSE_MM / self.pixel_mm))

    def _nodes(self) -> tuple[Array, Array]:
        """Return the coarser grid, which reaches beyond the last pixel: (n, m, 2) places, (n, m) mm off the plane."""
        rows, columns = (np.arange(0, count + self._every, self._every) + 0.5 for count in (self.rows, self.columns))
        nodes = np.stack(np.meshgrid(columns, rows), axis=-1) * self.pixel_mm + self.corner
        return nodes, self.sheet.off(nodes.reshape(-1, 2)).reshape(len(rows), len(columns))

    def on_plane(self, off_mm: float) -> Array:
        """Return where each pixel lies on a plane so far off the flat one, (rows * columns, 3) LPS mm."""
        places = self.places()
        return self.sheet.to_patient(places, np.full(len(places), off_mm))


def grid_over(sheet: Sheet, points: Array, *, pixel_mm: float) -> Grid:
    """Return a grid of square pixels around (n, 3) points, LPS mm."""
    flat = sheet.flat(points)[:, :2]
    low = flat.min(axis=0) - (_BEFORE_MM, _BESIDE_MM)
    size = np.add(flat.max(axis=0), (_BEHIND_MM, _BESIDE_MM)) - low
    columns, rows = (ceil(side / pixel_mm) for side in size)
    return Grid(sheet=sheet, corner=(float(low[0]), float(low[1])), pixel_mm=pixel_mm, rows=rows, columns=columns)


def height_mm(sheet: Sheet, points: Array) -> float:
    """Return how high the picture around (n, 3) points, LPS mm, is."""
    down = sheet.flat(points)[:, 1]
    return float(np.ptp(down)) + 2 * _BESIDE_MM


def _bilinear(values: Array, rows: Array, columns: Array) -> Array:
    """Return `values` between their nodes: by rows first, then by columns."""
    top, left = rows.astype(int), columns.astype(int)
    down, across = (rows - top)[:, None], columns - left
    along = values[top] * (1 - down) + values[top + 1] * down
    found: Array = along[:, left] * (1 - across) + along[:, left + 1] * across
    return found

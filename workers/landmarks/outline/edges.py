"""The edge of a mask between its pixels, as closed lines: marching squares."""

from typing import Final

import numpy as np

from workers.landmarks.outline.polygon import area, tidied
from workers.landmarks.volumes import Array, Mask

#: How much of a pixel is filled at the edge.
LEVEL: Final = 0.5
#: Corners of a cell of four pixels, clockwise from the top left, (row, column); side k lies between corners k, k + 1.
_CORNERS: Final = ((0, 0), (0, 1), (1, 1), (1, 0))
#: Of each side of a cell, the pixel it is counted at, (row, column), and whether the other one lies below it.
_SIDES: Final = ((0, 0, 0), (0, 1, 1), (1, 0, 0), (0, 0, 1))
#: Least number of corners of a closed line.
_TRIANGLE: Final = 3


def loops(part: Mask, share: Array) -> list[Array]:
    """Return the closed lines (n, 2) around `part` and around its holes, (column, row), the largest first.

    0, 0 is the corner of the first pixel. `share` (rows, columns), 0 to 1, puts the line between a pixel of the part
    and one beside it. The part must not reach the last pixels of the grid; pixels that share a corner only are apart.
    """
    values = np.where(part, np.maximum(share, LEVEL), np.minimum(share, np.nextafter(LEVEL, 0)))
    follows = _segments(part)
    found = []
    while follows:
        start = next(iter(follows))
        line = [start]
        while (place := follows.pop(line[-1])) != start:
            line.append(place)
        found.append(tidied(_places(np.array(line), values)))
    return sorted((line for line in found if len(line) >= _TRIANGLE), key=area, reverse=True)


def _segments(part: Mask) -> dict[int, int]:
    """Return where the edge goes on from each side of a cell that it crosses; the part lies to its right."""
    width = part.shape[1]
    corners = [part[row : part.shape[0] - 1 + row, column : width - 1 + column] for row, column in _CORNERS]
    code = np.sum([corner * np.uint8(1 << bit) for bit, corner in enumerate(corners)], axis=0)
    follows: dict[int, int] = {}
    for number in range(1, 15):
        rows, columns = np.nonzero(code == number)
        for side, onward in _crossings(number):
            first, then = (
                2 * ((rows + _SIDES[s][0]) * width + columns + _SIDES[s][1]) + _SIDES[s][2] for s in (side, onward)
            )
            follows.update(zip(first.tolist(), then.tolist(), strict=True))
    return follows


def _crossings(code: int) -> list[tuple[int, int]]:
    """Return the pairs of sides that the edge joins in a cell whose corners are filled as the bits of `code` say."""
    filled = [bool(code >> corner & 1) for corner in range(4)]
    found = []
    for side in range(4):
        if filled[side] and not filled[(side + 1) % 4]:
            corner = side
            while filled[(corner - 1) % 4]:
                corner -= 1
            found.append((side, (corner - 1) % 4))
    return found


def _places(sides: np.ndarray[tuple[int], np.dtype[np.int64]], values: Array) -> Array:
    """Return where the edge crosses the sides of cells, (n, 2) column and row."""
    pixel, below = sides // 2, sides % 2
    row, column = np.divmod(pixel, values.shape[1])
    here, there = values[row, column], values[row + below, column + 1 - below]
    part = (LEVEL - here) / (there - here)
    return np.column_stack([column + 0.5 + part * (1 - below), row + 0.5 + part * below])

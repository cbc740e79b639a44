"""The part of a radiograph around the points, scaled to be legible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.findings import Point
from workers.pictures.shades import Shades, radiograph
from workers.pictures.stack import decoded

#: Room before, behind, and above or below the points, in depths of a vertebral body.
_BEFORE, _BEHIND, _BESIDE = 0.8, 1.4, 0.6
#: An image pixel is drawn over so many pixels at most: more shows no more.
_MOST_ZOOM: Final = 4.0
#: What says how high a pixel is for its width, (vertical, horizontal); the first that is stated (PS3.3 C.7.6.3.1.7).
_SHAPES: Final = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A part of an image, (left, top, right, bottom) pixels, drawn on so many rows and columns."""

    box: tuple[int, int, int, int]
    rows: int
    columns: int

    def placed(self, points: Mapping[str, Point]) -> dict[str, Point]:
        """Return image points, (column, row), where they are drawn."""
        left, top, right, bottom = self.box
        across, down = self.columns / (right - left), self.rows / (bottom - top)
        return {name: ((x - left) * across, (y - top) * down) for name, (x, y) in points.items()}


def around(image: Dataset, vertebrae: Sequence[Mapping[str, Point]], *, rows: int, columns: int) -> Cut:
    """Return the part around the points (column, row) of all vertebrae, inside the image, no larger than asked for."""
    high = _height_to_width(image)
    size = [int(next(iter(headers.numbers(image, keyword)), 1)) for keyword in ("Columns", "Rows")]
    points = np.array([point for each in vertebrae for point in each.values()], dtype=float)
    walls = [(np.subtract(each["PS"], each["AS"]), np.subtract(each["PI"], each["AI"])) for each in vertebrae]
    depths = np.array([wall for pair in walls for wall in pair], dtype=float) * (1.0, high)
    depth = float(np.median(np.linalg.norm(depths, axis=1)))
    # Which side is anterior says on which side there are posterior elements to show.
    sides = (_BEFORE, _BEHIND) if depths[:, 0].sum() >= 0 else (_BEHIND, _BEFORE)
    room = np.array([[sides[0], _BESIDE / high], [sides[1], _BESIDE / high]]) * depth
    low = np.clip(np.floor(points.min(axis=0) - room[0]), 0, np.array(size) - 1).astype(int)
    top = np.clip(np.ceil(points.max(axis=0) + room[1]), low + 1, size).astype(int)
    wide, tall = (int(side) for side in top - low)
    zoom = min(rows / (tall * high), columns / wide, _MOST_ZOOM)
    return Cut(
        box=(int(low[0]), int(low[1]), int(top[0]), int(top[1])),
        rows=max(1, round(tall * high * zoom)),
        columns=max(1, round(wide * zoom)),
    )


def background(image: Dataset, path: Path, frame: int, cut: Cut) -> Shades | None:
    """Return the part in grey, (rows, columns) of `cut`; None where its pixels cannot be read."""
    pixels = decoded(image, path, frame)
    if pixels is None:
        return None
    left, top, right, bottom = cut.box
    shades = radiograph(pixels[top:bottom, left:right], image)
    resized = Image.fromarray(shades).resize((cut.columns, cut.rows), Image.Resampling.LANCZOS)
    return np.asarray(resized, dtype=np.uint8)


def _height_to_width(image: Dataset) -> float:
    """Return how high a pixel is for its width; 1 where nothing says otherwise."""
    for keyword in _SHAPES:
        pair = headers.numbers(image, keyword)
        if len(pair) == 2 and min(pair) > 0:  # noqa: PLR2004 - vertical, horizontal
            return pair[0] / pair[1]
    return 1.0

"""Points, endplates and heights on a panel. Lines are drawn larger and shrunk, which smooths them; text is not."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sr_templates.findings import Point
from sr_templates.measurements import LINES
from workers.pictures.panels import Panel
from workers.pictures.shades import Shades
from workers.pictures.words import Row

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont

#: By grade; None is not graded. Colours that colour-blind readers tell apart (Okabe, Ito 2008), on black and on white
#: bone; the grade is written beside them, so nothing rests on colour alone.
COLOURS: Final[Mapping[int | None, Colour]] = {
    None: (225, 225, 225),
    0: (86, 200, 255),
    1: (250, 235, 70),
    2: (255, 170, 20),
    3: (255, 105, 80),
}
BLACK: Final = (0, 0, 0)
#: How much larger lines are drawn.
_LARGER: Final = 3
#: Widths and radii, pixels of the page.
_ENDPLATE, _HEIGHT, _POINT, _EDGE = 2.6, 1.4, 3.6, 1.4
#: Height of text, pixels.
LEVEL_TEXT: Final = 24
_BESIDE: Final = 9
_ENDPLATES: Final = (("AS", "MS", "PS"), ("AI", "MI", "PI"))


@cache
def font(size: int) -> Font:
    """Return the font that comes with Pillow: the same on every machine. It has ASCII only."""
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise TypeError("expected a Pillow with FreeType, found one without: install Pillow from its wheel")
    return found


def drawn(panel: Panel, rows: Sequence[Row]) -> Image.Image:
    """Return a panel with the points, endplates and heights of its vertebrae, their levels, and where anterior is."""
    picture = Image.fromarray(np.asarray(panel.background, dtype=np.uint8)).convert("RGB")
    size = (picture.width * _LARGER, picture.height * _LARGER)
    layer, mask = Image.new("RGB", size), Image.new("L", size)
    for row in rows:
        if row.level in panel.points:
            for canvas, colour, edge in (
                (ImageDraw.Draw(layer), COLOURS[row.severity], BLACK),
                (ImageDraw.Draw(mask), 255, 255),
            ):
                _lines(canvas, panel.points[row.level], colour, edge)
    smooth = [image.resize(picture.size, Image.Resampling.BOX) for image in (layer, mask)]
    # The layer is black beside its lines, so its smoothed edges are already darkened by their share.
    share = np.asarray(smooth[1], dtype=np.uint16)[..., None]
    under = np.asarray(picture, dtype=np.uint16) * (255 - share) // 255
    made = Image.fromarray(np.minimum(under + np.asarray(smooth[0], dtype=np.uint16), 255).astype(np.uint8))
    _write(made, panel, rows)
    return made


def anterior_is_left(panel: Panel) -> bool:
    """Whether anterior is on the left of a panel."""
    walls = [points["PS"][0] - points["AS"][0] for points in panel.points.values()]
    return sum(walls) >= 0


def clear_of_label(level: str) -> float:
    """Return how far from its wall the label of a level reaches, pixels."""
    return 2 * _BESIDE + font(LEVEL_TEXT).getlength(level)


def pixels(picture: Image.Image) -> Shades:
    """Return a picture as (rows, columns, 3)."""
    return np.asarray(picture.convert("RGB"), dtype=np.uint8)


def _lines(canvas: ImageDraw.ImageDraw, points: Mapping[str, Point], colour: Colour | int, edge: Colour | int) -> None:
    at = {name: (x * _LARGER, y * _LARGER) for name, (x, y) in points.items()}
    for ends in LINES.values():
        if set(ends) <= at.keys():
            canvas.line([at[name] for name in ends], fill=colour, width=round(_HEIGHT * _LARGER))
    for endplate in _ENDPLATES:
        line = [at[name] for name in endplate if name in at]
        canvas.line(line, fill=colour, width=round(_ENDPLATE * _LARGER), joint="curve")
    for x, y in at.values():
        for radius, fill in ((_POINT + _EDGE, edge), (_POINT, colour)):
            far = radius * _LARGER
            canvas.ellipse((x - far, y - far, x + far, y + far), fill=fill)


def _write(picture: Image.Image, panel: Panel, rows: Sequence[Row]) -> None:
    """Write each level in front of its body, and which side is anterior."""
    canvas, letters = ImageDraw.Draw(picture), font(LEVEL_TEXT)
    is_left = anterior_is_left(panel)
    for row in rows:
        points = panel.points.get(row.level)
        if points is None:
            continue
        wall = [points[name] for name in ("AS", "AI")]
        y = sum(point[1] for point in wall) / len(wall)
        wide = letters.getlength(row.level)
        x = min(p[0] for p in wall) - _BESIDE - wide if is_left else max(p[0] for p in wall) + _BESIDE
        x = min(max(x, 2.0), picture.width - wide - 2)
        colour = COLOURS[row.severity]
        canvas.text((x, y), row.level, fill=colour, font=letters, anchor="lm", stroke_width=3, stroke_fill=BLACK)
    sides = ("A", "P") if is_left else ("P", "A")
    white = (255, 255, 255)
    for side, x, anchor in zip(sides, (8, picture.width - 8), ("lt", "rt"), strict=True):
        canvas.text((x, 8), side, fill=white, font=letters, anchor=anchor, stroke_width=3, stroke_fill=BLACK)

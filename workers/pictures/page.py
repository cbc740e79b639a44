"""A page: the panel, beside it each vertebra's numbers on the height of its body, below it what else must be said."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from sr_templates.findings import Point
from workers.pictures import words
from workers.pictures.drawing import BLACK, COLOURS, Colour, Font, anterior_is_left, clear_of_label, drawn, font, pixels
from workers.pictures.panels import Panel
from workers.pictures.shades import Shades
from workers.pictures.words import Row

#: Heights of text, pixels: a page of 17 vertebrae is about as high as a workstation's screen, so shown nearly 1:1.
_TITLE, _NUMBERS, _SMALL = 30, 23, 18
_LINE: Final = 22
_MARGIN, _GAP = 24, 12
#: From the panel to the table: room for the lines that lead from one to the other.
_LEAD: Final = 56
#: From a line to what it leads to.
_APART: Final = 8
#: Right ends of the columns after the level, from the table's left edge: heights, losses, SD; and left end of grade.
_ENDS: Final = (140, 210, 280, 372, 442, 512, 590)
_GRADE: Final = 622
_TABLE: Final = 780
_WHITE, _GREY, _AMBER, _DIM = (245, 245, 245), (170, 178, 186), (255, 190, 60), (84, 92, 100)


@dataclass(frozen=True, kw_only=True)
class Page:
    """What stands on a page besides the panel; `head` is the line below the title."""

    head: str
    rows: Sequence[Row]
    remarks: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class _Block:
    """One row of the table, its lines, and where it stands, pixels from the top."""

    row: Row
    detail: tuple[str, ...]
    top: float
    body: tuple[float, float] | None

    @property
    def height(self) -> float:
        return _NUMBERS + 6 + len(self.detail) * _LINE + _GAP

    @property
    def middle(self) -> float:
        return self.top + _NUMBERS / 2


def page_of(panel: Panel | None, page: Page) -> Shades:
    """Return a page, (rows, columns, 3); without a panel the table alone."""
    picture = None if panel is None else drawn(panel, page.rows)
    left = _MARGIN + (0 if picture is None else picture.width + _LEAD)
    top = _MARGIN + _TITLE + _LINE + 2 * _GAP
    width = left + _TABLE + _MARGIN
    table_top = top + _NUMBERS + _LINE + _GAP
    blocks = _placed(list(_blocks(panel, page.rows, (_MARGIN, top))), table_top, picture.height + top if picture else 0)
    bottom = max([block.top + block.height for block in blocks] + [top + (picture.height if picture else 0)])
    below = [line for text in _below(panel, page) for line in _wrapped(text, font(_SMALL), width - 2 * _MARGIN)]
    height = round(bottom) + 2 * _GAP + len(below) * _LINE + _MARGIN
    made = Image.new("RGB", (width, height), BLACK)
    canvas = ImageDraw.Draw(made)
    _title(canvas, page, width)
    if picture is not None:
        made.paste(picture, (_MARGIN, top))
    _heads(canvas, left, top)
    for block in blocks:
        _write(canvas, block, left)
    for number, line in enumerate(below):
        canvas.text((_MARGIN, bottom + 2 * _GAP + number * _LINE), line, fill=_GREY, font=font(_SMALL))
    return pixels(made)


def _below(panel: Panel | None, page: Page) -> Iterator[str]:
    if panel is not None:
        yield panel.missing or panel.caption
    yield from page.remarks
    yield words.LEGEND


def _blocks(panel: Panel | None, rows: Sequence[Row], corner: tuple[int, int]) -> Iterator[_Block]:
    """Give each row with the place on the page where its line starts: the wall of its body that faces the table."""
    for row in rows:
        points = {} if panel is None else panel.points.get(row.level, {})
        body = _wall(points, row.level, is_left=panel is not None and anterior_is_left(panel))
        lines = tuple(_wrapped(row.detail, font(_SMALL), _TABLE))
        place = None if body is None else (body[0] + corner[0], body[1] + corner[1])
        yield _Block(row=row, detail=lines, top=0, body=place)


def _wall(points: Mapping[str, Point], level: str, *, is_left: bool) -> tuple[float, float] | None:
    """Return where the line to the table starts: at the wall on the right; beside the label where that stands there."""
    if not points:
        return None
    first, second = (points[name] for name in (("PS", "PI") if is_left else ("AS", "AI")))
    away = _APART if is_left else clear_of_label(level)
    return (first[0] + second[0]) / 2 + away, (first[1] + second[1]) / 2


def _placed(blocks: list[_Block], top: float, bottom: float) -> list[_Block]:
    """Return the blocks from top to bottom, each as near to its body as the others leave room for.

    Blocks without a body come last. Overlapping blocks become a cluster that stands where its members are nearest to
    their bodies on average.
    """
    ordered = sorted(blocks, key=lambda block: (block.body is None, block.body[1] if block.body else 0.0))
    end = max(bottom, top + sum(block.height for block in ordered))
    clusters: list[tuple[float, list[_Block]]] = []
    for block in ordered:
        wanted = end - block.height if block.body is None else block.body[1] - _NUMBERS / 2
        clusters.append((min(max(wanted, top), end - block.height), [block]))
        while len(clusters) > 1 and clusters[-2][0] + _high(clusters[-2][1]) > clusters[-1][0]:
            (upper, first), (lower, second) = clusters[-2:]
            shifted = upper * len(first) + (lower - _high(first)) * len(second)
            joined = [*first, *second]
            clusters[-2:] = [(min(max(shifted / len(joined), top), end - _high(joined)), joined)]
    found = []
    for start, members in clusters:
        down = start
        for block in members:
            found.append(_Block(row=block.row, detail=block.detail, top=down, body=block.body))
            down += block.height
    return found


def _high(blocks: Sequence[_Block]) -> float:
    return sum(block.height for block in blocks)


def _title(canvas: ImageDraw.ImageDraw, page: Page, width: int) -> None:
    canvas.text((_MARGIN, _MARGIN), words.TITLE, fill=_WHITE, font=font(_TITLE))
    canvas.text((width - _MARGIN, _MARGIN), words.UNVERIFIED, fill=_AMBER, font=font(_TITLE), anchor="ra")
    canvas.text((_MARGIN, _MARGIN + _TITLE + _GAP), page.head, fill=_GREY, font=font(_SMALL))


def _heads(canvas: ImageDraw.ImageDraw, left: int, top: int) -> None:
    level, heights, losses, spread, grade = words.HEADS
    small = font(_SMALL)
    canvas.text((left, top), level, fill=_GREY, font=small)
    for ends, head in ((_ENDS[:3], heights), (_ENDS[3:6], losses)):
        canvas.text((left + ends[2], top), head, fill=_GREY, font=small, anchor="ra")
        for x, position in zip(ends, words.POSITIONS, strict=True):
            canvas.text((left + x, top + _LINE), position, fill=_GREY, font=small, anchor="ra")
    canvas.text((left + _ENDS[6], top), spread, fill=_GREY, font=small, anchor="ra")
    canvas.text((left + _GRADE, top), grade, fill=_GREY, font=small)


def _write(canvas: ImageDraw.ImageDraw, block: _Block, left: int) -> None:
    """Write one row, with the line that leads to its body."""
    colour: Colour = COLOURS[block.row.severity]
    if block.body is not None:
        bend = left - _LEAD + _APART
        canvas.line([block.body, (bend, block.body[1]), (left - _APART, block.middle)], fill=_DIM, width=1)
    numbers = font(_NUMBERS)
    level, *cells, grade = block.row.cells
    canvas.text((left, block.top), level, fill=colour, font=numbers)
    for x, cell in zip(_ENDS, cells, strict=True):
        canvas.text((left + x, block.top), cell, fill=_WHITE, font=numbers, anchor="ra")
    canvas.text((left + _GRADE, block.top), grade, fill=colour, font=numbers)
    for number, line in enumerate(block.detail):
        canvas.text((left, block.top + _NUMBERS + 6 + number * _LINE), line, fill=_GREY, font=font(_SMALL))


def _wrapped(text: str, letters: Font, width: int) -> Iterator[str]:
    """Give the lines of a text, none wider than `width` unless a single word is."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and letters.getlength(longer) > width:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line

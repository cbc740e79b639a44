"""The pages as a PDF: the picture beside the table, whose text can be searched, and what else must be said.

The same input gives the same bytes: ReportLab's invariant mode takes neither date nor identifier from the clock. The
font is in the file, so it looks the same everywhere.
"""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    Flowable,
    Image,
    KeepInFrame,
    PageBreak,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from workers.pictures import words
from workers.pictures.drawing import drawn
from workers.pictures.page import Page
from workers.pictures.panels import Panel
from workers.pictures.words import Row

#: Sizes in points. A4; the picture takes the left part of the page.
_MARGIN, _PICTURE, _HIGHEST, _GAP = 36.0, 190.0, 560.0, 10.0
#: Height that the table may have: the page without margins and title.
_TALLEST: Final = A4[1] - 2 * _MARGIN - 80
_TABLE: Final = A4[0] - 2 * _MARGIN - _PICTURE - _GAP
#: Columns of the table: level, three heights, three losses, SD, grade.
_COLUMNS: Final = tuple(_TABLE * share for share in (0.1, 0.095, 0.095, 0.095, 0.105, 0.1, 0.1, 0.085, 0.225))
_GREY, _AMBER = colors.HexColor("#50585f"), colors.HexColor("#a05a00")
#: What ReportLab brings along: Bitstream Vera, free to embed.
_FONT, _FILE = "Vera", "Vera.ttf"
#: A command of a table's style: name, first and last cell, what it takes.
_Command = tuple[str, tuple[int, int], tuple[int, int], *tuple[object, ...]]


def pdf_of(pages: Sequence[tuple[Panel | None, Page]]) -> bytes:
    """Return the pages, each a panel and what stands beside it, as a PDF."""
    _register()
    with BytesIO() as file:
        # Without a title ReportLab writes "untitled"; an author it would write "anonymous".
        made = SimpleDocTemplate(
            file,
            pagesize=A4,
            leftMargin=_MARGIN,
            rightMargin=_MARGIN,
            topMargin=_MARGIN,
            bottomMargin=_MARGIN,
            title=f"{words.TITLE}, unverified, for review",
            author="Spondyl",
            invariant=1,
        )
        story: list[Flowable] = []
        for number, (panel, page) in enumerate(pages):
            story += [PageBreak()] if number else []
            story += _page(panel, page)
        made.build(story)
        return file.getvalue()


@cache
def _register() -> None:
    pdfmetrics.registerFont(TTFont(_FONT, _FILE))


def _page(panel: Panel | None, page: Page) -> list[Flowable]:
    table = _table(page.rows)
    below = [*([panel.missing or panel.caption] if panel else []), *page.remarks]
    return [
        Paragraph(escape(words.TITLE), _style(16)),
        Paragraph(escape(words.UNVERIFIED), _style(11, _AMBER)),
        Paragraph(escape(page.head), _style(8, _GREY)),
        Spacer(0, _GAP),
        table if panel is None else _beside(_picture(panel, page.rows), table),
        Spacer(0, _GAP),
        *(Paragraph(escape(line), _style(8, _GREY)) for line in (*below, words.LEGEND)),
    ]


def _picture(panel: Panel, rows: Sequence[Row]) -> Image:
    """Return the panel with its lines, compressed without loss."""
    picture = drawn(panel, rows)
    with BytesIO() as file:
        picture.save(file, "PNG")
        data = file.getvalue()
    scale = min(_PICTURE / picture.width, _HIGHEST / picture.height)
    return Image(BytesIO(data), width=picture.width * scale, height=picture.height * scale)


def _beside(picture: Image, table: Table) -> Table:
    """Return picture and table side by side; a table that is higher than the page is shrunk."""
    fitting = KeepInFrame(_TABLE, _TALLEST, [table], mode="shrink")
    both = Table([[picture, fitting]], colWidths=[_PICTURE + _GAP, _TABLE])
    both.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]))
    return both


def _table(rows: Sequence[Row]) -> Table:
    """Return the numbers, two lines a vertebra: numbers, then form, wedging and flags over the whole width."""
    level, heights, losses, spread, grade = words.HEADS
    style: list[_Command] = [
        ("FONT", (0, 0), (-1, -1), _FONT, 7.5),
        ("TEXTCOLOR", (0, 0), (-1, 1), _GREY),
        ("ALIGN", (1, 0), (7, -1), "RIGHT"),
        ("SPAN", (1, 0), (3, 0)),
        ("SPAN", (4, 0), (6, 0)),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2),
        ("LEFTPADDING", (8, 0), (8, -1), 10),
        ("TOPPADDING", (0, 0), (-1, -1), 1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
    ]
    cells: list[list[object]] = [
        [level, heights, "", "", losses, "", "", spread, grade],
        ["", *words.POSITIONS, *words.POSITIONS, "", ""],
    ]
    for row in rows:
        place = len(cells)
        cells += [list(row.cells), [Paragraph(escape(row.detail), _style(6.5, _GREY)), *[""] * 8]]
        style += [("SPAN", (0, place + 1), (-1, place + 1)), ("LINEABOVE", (0, place), (-1, place), 0.3, _GREY)]
    return Table(cells, colWidths=_COLUMNS, style=TableStyle(style), repeatRows=2)


def _style(size: float, colour: colors.Color = colors.black) -> ParagraphStyle:
    return ParagraphStyle(f"{size}", fontName=_FONT, fontSize=size, leading=size * 1.3, textColor=colour)

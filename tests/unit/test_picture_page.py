"""The page: panel, table, remarks."""

from collections.abc import Mapping

import numpy as np
from report_samples import findings

from sr_templates.findings import Point
from workers.pictures.drawing import COLOURS, drawn
from workers.pictures.page import Page, page_of
from workers.pictures.panels import Panel
from workers.pictures.words import rows

#: A body of 40 x 30 pixels with its anterior superior point at the origin.
BODY = {"AS": (0, 0), "MS": (20, 0), "PS": (40, 0), "AI": (0, 30), "MI": (20, 30), "PI": (40, 30)}
ROWS = rows(findings("patient"))


def _at(x: float, y: float) -> Mapping[str, Point]:
    return {name: (x + column, y + row) for name, (column, row) in BODY.items()}


def _panel(points: Mapping[str, Mapping[str, Point]], *, grey: int = 60) -> Panel:
    background = np.full((400, 300), grey, dtype=np.uint8)
    return Panel(background=background, points=points, caption="caption", images=())


THREE = {row.level: _at(100, 40 + 100 * number) for number, row in enumerate(ROWS)}


def test_every_point_is_marked_in_the_colour_of_its_grade() -> None:
    """The pixel that a point lies in has the colour of the vertebra's grade; far from all lines nothing changes."""
    picture = np.asarray(drawn(_panel(THREE), ROWS))

    for points in THREE.values():
        for x, y in points.values():
            assert COLOURS[2] == tuple(picture[int(y), int(x)].tolist())
    assert (60, 60, 60) == tuple(picture[380, 280].tolist())


def test_endplates_are_drawn_between_the_points() -> None:
    """Half way between two points of an endplate, and of a height, there is the line, not the background."""
    picture = np.asarray(drawn(_panel(THREE), ROWS)).astype(int)

    for x, y in ((110, 40), (130, 70), (100, 55), (120, 55), (140, 55)):
        assert np.abs(picture[y, x] - 60).max() > 60, (x, y)


def test_the_level_stands_in_front_of_the_body() -> None:
    """On the anterior side something is written, on the posterior one not; mirrored it is the other way round."""
    mirrored = {level: {name: (300 - x, y) for name, (x, y) in points.items()} for level, points in THREE.items()}
    left, right = (np.asarray(drawn(_panel(points), ROWS)).astype(int)[45:65] for points in (THREE, mirrored))

    assert np.abs(left[:, 50:90] - 60).max() > 100
    assert 0 == np.abs(left[:, 150:290] - 60).max()
    assert np.abs(right[:, 210:250] - 60).max() > 100
    assert 0 == np.abs(right[:, 10:150] - 60).max()


def test_nothing_is_written_beyond_the_page() -> None:
    """Long flags and remarks are wrapped: the outermost pixels of the page stay black."""
    remarks = ["A remark of many words, " * 40]
    page = page_of(_panel(THREE), Page(head="head", rows=ROWS, remarks=remarks))

    assert page.dtype == np.uint8
    for edge in (page[:8], page[-8:], page[:, :8], page[:, -8:]):
        assert 0 == edge.max()


def test_rows_do_not_overlap() -> None:
    """Bodies closer together than text is high: each row has its lines for itself, in the order of the bodies."""
    close = {row.level: _at(100, 150 + 10 * number) for number, row in enumerate(ROWS)}
    page = page_of(_panel(close), Page(head="", rows=ROWS, remarks=[])).astype(int)
    # The column of the anterior heights holds nothing but the three numbers.
    written = page[140:, 500:520].max(axis=(1, 2)) > 200
    starts = np.flatnonzero(np.diff(written.astype(int)) == 1)

    assert 3 == len(starts)


def test_without_a_picture_the_table_remains() -> None:
    """A page without panel has the same rows, and is narrower."""
    page = Page(head="", rows=ROWS, remarks=[])

    assert page_of(None, page).shape[1] < page_of(_panel(THREE), page).shape[1]
    assert page_of(None, page).max() > 200

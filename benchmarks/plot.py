"""A plot of what was measured, as an SVG beside the tables of the README."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from reportlab.graphics import renderSVG
from reportlab.graphics.charts.lineplots import LinePlot
from reportlab.graphics.shapes import Drawing, String
from reportlab.graphics.widgets.markers import makeMarker
from reportlab.lib import colors

#: Points (1/72 inch): one plot, and what is left around its axes for numbers and words.
_WIDTH, _HEIGHT, _MARGIN = 300, 200, 45


def plot(path: Path, *, across: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Write an SVG with one plot a line, side by side: both axes begin at 0, so that what is linear looks it.

    `across` says what the horizontal axis counts, the name of a line what the vertical one does.
    """
    drawing = Drawing(_WIDTH * len(lines), _HEIGHT)
    for place, (name, points) in enumerate(lines.items()):
        left = place * _WIDTH
        chart = LinePlot()
        chart.x, chart.y = left + _MARGIN, _MARGIN
        chart.width, chart.height = _WIDTH - _MARGIN - 20, _HEIGHT - 2 * _MARGIN
        chart.data = [list(points)]
        chart.lines[0].strokeColor = colors.HexColor("#1f5fa8")
        chart.lines[0].symbol = makeMarker("FilledCircle", size=4)  # type: ignore[no-untyped-call]
        chart.xValueAxis.valueMin = chart.yValueAxis.valueMin = 0
        chart.yValueAxis.valueMax = 1.2 * max(y for _, y in points)
        drawing.add(chart)
        drawing.add(String(left + _MARGIN, _HEIGHT - 20, name, fontSize=10))
        drawing.add(String(left + _WIDTH / 2, 12, across, fontSize=9, textAnchor="middle"))
    renderSVG.drawToFile(drawing, str(path))

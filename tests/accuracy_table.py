"""What the accuracy tests measured, printed as tables at the end of a run, whichever process measured it."""

from collections.abc import Callable, Sequence

import pytest

Tell = Callable[[Sequence[str]], None]

#: The columns of what is measured on phantoms.
PHANTOMS = (
    "phantoms",
    "n",
    "refused",
    "height bias a/m/p, mm",
    "height CV a/m/p, %",
    "Ha/Hp SD; p95, points",
    "Hm/Hp bias, points",
    "angle MAE, °",
    "plane median; max, °",
    "> 10°; unflagged; all flagged",
    "grade exact",
)
#: The columns of what is measured on outlines and masks of radiographs.
RADIOGRAPHS = (
    "radiographs",
    "n",
    "refused",
    "height bias a/m/p, mm",
    "height SD a/m/p, mm",
    "Ha/Hp bias; SD, points",
    "Hm/Hp bias, points",
    "angle MAE, °",
    "gross",
)
#: The columns of what is measured on real masks.
REAL = ("real masks", "measured", "goal")


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Return what puts one row into a table: cells in the order of PHANTOMS, RADIOGRAPHS or REAL."""
    return lambda cells: record_property("accuracy", list(cells))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the rows as Markdown; those of the same columns stand in one table."""
    reports = [report for status in ("passed", "failed") for report in terminalreporter.stats.get(status, [])]
    told = [cells for report in reports for name, cells in report.user_properties if name == "accuracy"]
    for header in (PHANTOMS, RADIOGRAPHS, REAL):
        rows = [cells for cells in told if len(cells) == len(header)]
        if rows:
            terminalreporter.ensure_newline()
            terminalreporter.write_line("\n".join(_table([header, *rows])))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return ["", *lines]

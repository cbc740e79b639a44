"""What changed since the earlier study, as a table: a line a level, each change with the least that counts.

Findings JSON in (`spondyl.findings/1`, key `comparison`), cells out. Heights: negative where lower now; losses:
positive where more is missing now.
"""

from collections.abc import Mapping
from typing import Any, Final

from service.findings_table import words
from service.tables import Table

_POSITIONS: Final = ("anterior", "middle", "posterior")
_COLUMNS: Final = ("Level", "Height change a/m/p mm", "Loss change a/m/p points", "Grade then, now", "Not compared")
_NONE: Final = "-"


def table(findings: Mapping[str, Any]) -> Table | None:
    """Return the changes; None where the study is not compared with an earlier one. A star: it counts."""
    comparison = findings.get("comparison")
    if not comparison or not comparison["levels"]:
        return None
    rows = [_row(level) for level in comparison["levels"]]
    return Table(title="Change since the earlier study", columns=_COLUMNS, rows=rows)


def _row(level: Mapping[str, Any]) -> tuple[str, ...]:
    grades = level["genant_grade"]
    reasons = (level["reason"], level["heights"]["reason"], level["losses"]["reason"])
    return (
        str(level["level"]),
        _changes(level["heights"], "change_mm", "least_significant_mm"),
        _changes(level["losses"], "change_points", "least_significant_points"),
        ", ".join(_NONE if grades[when] is None else str(grades[when]) for when in ("then", "now")),
        ", ".join(dict.fromkeys(words(reason) for reason in reasons if reason)) or _NONE,
    )


def _changes(part: Mapping[str, Any], key: str, least: str) -> str:
    return " / ".join(_change(part[position], key, least) for position in _POSITIONS)


def _change(change: Mapping[str, Any] | None, key: str, least: str) -> str:
    if change is None:
        return _NONE
    star = " *" if change["is_significant"] else ""
    return f"{round(change[key], 1) + 0.0:+.1f} (least {change[least]:.1f}){star}"

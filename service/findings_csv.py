"""The findings JSON (`spondyl.findings/1`) as CSV (RFC 4180): a line a vertebra, numbers as they are, null is empty."""

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

_POSITIONS: Final = ("anterior", "middle", "posterior")
_GRADES: Final = 4

COLUMNS: Final = (
    "level",
    "status",
    "reason",
    "landmark_source",
    *(f"height_{position}_mm" for position in _POSITIONS),
    "ratio_wedge",
    "ratio_biconcavity",
    "ratio_crush_above",
    "ratio_crush_below",
    "wedging_percent",
    "wedge_angle_deg",
    "wedge_angle_sd_deg",
    *(f"height_loss_{position}_percent" for position in _POSITIONS),
    "loss_sd_points",
    "reference_rule",
    "reference_levels",
    "genant_grade",
    *(f"probability_grade_{grade}" for grade in range(_GRADES)),
    "borderline",
    "deformity",
    "wedging_direction",
    "wedging_assessment",
    "flags",
    "prior_study_date",
    *(f"height_{position}_change_mm" for position in _POSITIONS),
    *(f"height_{position}_least_significant_mm" for position in _POSITIONS),
    *(f"height_{position}_change_significant" for position in _POSITIONS),
    *(f"height_loss_{position}_change_points" for position in _POSITIONS),
    *(f"height_loss_{position}_least_significant_points" for position in _POSITIONS),
    *(f"height_loss_{position}_change_significant" for position in _POSITIONS),
    "genant_grade_prior",
    "not_compared",
)
#: What a spreadsheet takes for the start of a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def text(findings: Mapping[str, Any]) -> str:
    """Return the table, with its head."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    comparison = findings.get("comparison") or {}
    levels = {level["level"]: level for level in comparison.get("levels", ())}
    for vertebra in findings["vertebrae"]:
        change = _change(comparison, levels.get(vertebra.get("level")))
        writer.writerow([_cell(value) for value in (*_row(vertebra), *change)])
    return out.getvalue()


def _row(vertebra: Mapping[str, Any]) -> list[object]:
    ratios, reference, wedging = (vertebra.get(key) or {} for key in ("ratios", "reference", "wedging"))
    heights, losses = (vertebra.get(key) or {} for key in ("heights_mm", "height_loss_percent"))
    probabilities = vertebra.get("grade_probabilities") or [None] * _GRADES
    return [
        *(vertebra.get(key) for key in ("level", "status", "reason", "landmark_source")),
        *(heights.get(position) for position in _POSITIONS),
        *(ratios.get(key) for key in ("wedge", "biconcavity", "crush_above", "crush_below")),
        *(vertebra.get(key) for key in ("wedging_percent", "wedge_angle_deg", "wedge_angle_sd_deg")),
        *(losses.get(position) for position in _POSITIONS),
        vertebra.get("loss_sd_points"),
        reference.get("rule"),
        " ".join(reference.get("levels") or []),
        vertebra.get("genant_grade"),
        *probabilities,
        vertebra.get("borderline"),
        vertebra.get("deformity"),
        wedging.get("direction"),
        wedging.get("assessment"),
        " ".join(vertebra.get("flags") or []),
    ]


def _change(comparison: Mapping[str, Any], level: Mapping[str, Any] | None) -> list[object]:
    """Return what changed since the earlier study; empty cells where there is none, or nothing was compared."""
    date = (comparison.get("prior") or {}).get("study_date")
    if level is None:
        return [date, *[None] * (6 * len(_POSITIONS) + 1), comparison.get("reason")]
    cells: list[object] = [date]
    for part, unit in (("heights", "mm"), ("losses", "points")):
        for key in (f"change_{unit}", f"least_significant_{unit}", "is_significant"):
            cells += [(level[part][position] or {}).get(key) for position in _POSITIONS]
    reasons = (level["reason"], level["heights"]["reason"], level["losses"]["reason"])
    said = " ".join(dict.fromkeys(reason for reason in reasons if reason))
    return [*cells, level["genant_grade"]["then"], said or None]


def _cell(value: object) -> object:
    """Return what is written; text that a spreadsheet would run is made text by an apostrophe."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

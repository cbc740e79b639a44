"""The findings JSON (`spondyl.findings/1`) as the cells of a table: the command line and the page print the same.

Signs: wedging is positive for posterior wedging, kyphosis for flexion, a slip for anterolisthesis. Nothing is computed
here; numbers are only rounded.
"""

from collections.abc import Mapping
from typing import Any, Final

from service.tables import Table

COLUMNS: Final = (
    "Level",
    "Height a/m/p mm",
    "Loss a/m/p %",
    "Wedging %",
    "Grade",
    "Certainty",
    "Deformity",
    "Reference",
    "Remarks",
)
#: With the uncertainty of each number.
_DETAILED: Final = (
    "Level",
    "Height a/m/p mm",
    "Loss a/m/p % ± SD",
    "Wedge angle deg",
    "Wedging %",
    "Grade",
    "Grade 0/1/2/3 %",
    "Deformity",
    "Reference",
    "Remarks",
)
_NONE: Final = "-"
_POSITIONS: Final = ("anterior", "middle", "posterior")
#: Above it a certainty would print as 100.
_MOST_PERCENT: Final = 99.5


def words(code: str | None) -> str:
    """Return a coded word as a reader's words."""
    return code.replace("_", " ") if code else _NONE


def _number(value: float | None, form: str) -> str:
    if value is None:
        return _NONE
    # A small negative number must not print as "-0.0".
    return format(value if isinstance(value, int) else round(value, 1) + 0.0, form)


def _triple(values: Mapping[str, float | None] | None) -> str:
    return _NONE if values is None else " / ".join(_number(values[p], ".1f") for p in _POSITIONS)


def _certainty(vertebra: Mapping[str, Any]) -> str:
    grade, probabilities = vertebra["genant_grade"], vertebra["grade_probabilities"]
    if grade is None or probabilities is None:
        return _NONE
    borderline = ", borderline" if vertebra["borderline"] else ""
    return f"{_percent(100 * probabilities[grade])} %{borderline}"


def _percent(percent: float) -> str:
    """Return a probability: a grade is never certain, so what would round to 100 is said as a bound."""
    return "> 99" if percent > _MOST_PERCENT else f"{percent:.0f}"


def _reference(reference: Mapping[str, Any]) -> str:
    levels = " ".join(reference["levels"])
    return f"{words(reference['rule'])}: {levels}" if levels else words(reference["rule"])


def _wedging(vertebra: Mapping[str, Any]) -> str:
    percent, assessment = _number(vertebra["wedging_percent"], "+.1f"), vertebra["wedging"]["assessment"]
    return percent if assessment == "no_limit_for_level" else f"{percent} ({words(assessment)})"


def _row(vertebra: Mapping[str, Any]) -> tuple[str, ...]:
    level = str(vertebra["level"])
    remarks = ", ".join(words(flag) for flag in vertebra["flags"])
    if vertebra["status"] != "measured":
        reason = f"not measured: {words(vertebra['reason'])}"
        return (level, *[_NONE] * (len(COLUMNS) - 2), ", ".join(filter(None, (reason, remarks))))
    return (
        level,
        _triple(vertebra["heights_mm"]),
        _triple(vertebra["height_loss_percent"]),
        _wedging(vertebra),
        _number(vertebra["genant_grade"], "d"),
        _certainty(vertebra),
        words(vertebra["deformity"]),
        _reference(vertebra["reference"]),
        remarks or _NONE,
    )


def table(findings: Mapping[str, Any], *, title: str = "Findings") -> Table:
    """Return one row a vertebra."""
    return Table(title=title, columns=COLUMNS, rows=[_row(vertebra) for vertebra in findings["vertebrae"]])


def detailed(findings: Mapping[str, Any]) -> Table:
    """Return the same with the uncertainty: of the loss and of the angle (SD), and the probability of each grade."""
    rows = [
        (
            level,
            heights,
            *_uncertain(vertebra, loss),
            wedging,
            grade,
            *_probable(vertebra),
            deformity,
            reference,
            remarks,
        )
        for (level, heights, loss, wedging, grade, _, deformity, reference, remarks), vertebra in zip(
            table(findings).rows, findings["vertebrae"], strict=True
        )
    ]
    return Table(title="Findings", columns=_DETAILED, rows=rows)


def _uncertain(vertebra: Mapping[str, Any], loss: str) -> tuple[str, str]:
    """Return the losses and the wedge angle, each with its standard deviation where that is known."""
    if vertebra["status"] != "measured":
        return _NONE, _NONE
    angle = _number(vertebra["wedge_angle_deg"], "+.1f")
    pairs = ((loss, vertebra["loss_sd_points"]), (angle, vertebra.get("wedge_angle_sd_deg")))
    with_loss, with_angle = (value if sd is None else f"{value} ± {_number(sd, '.1f')}" for value, sd in pairs)
    return with_loss, with_angle


def _probable(vertebra: Mapping[str, Any]) -> tuple[str]:
    probabilities = vertebra["grade_probabilities"]
    if vertebra["status"] != "measured" or probabilities is None:
        return (_NONE,)
    return (
        " / ".join(_percent(100 * each) for each in probabilities) + (", borderline" * bool(vertebra["borderline"])),
    )


def _kyphosis(kyphosis: Mapping[str, Any]) -> str:
    limit = f", above {kyphosis['limit_deg']:g}" if kyphosis.get("beyond_limit") else ""
    return f"{kyphosis['level']} {_number(kyphosis['angle_deg'], '.1f')} deg{limit}"


def _slip(slip: Mapping[str, Any]) -> str:
    return f"{slip['upper']} on {slip['lower']} {_number(slip['slip_mm'], '+.1f')} mm"


def _alignment(found: Mapping[str, Any]) -> str:
    """Return what the study shows beyond single vertebrae; nothing where it shows nothing."""
    parts = {
        "segmental kyphosis over": [_kyphosis(one) for one in found["kyphosis"] or []],
        "listhesis": [_slip(one) for one in found["listhesis"]],
        "pattern": [f"{words(one['pattern'])} {' '.join(one['levels'])}" for one in found.get("patterns", [])],
    }
    return "".join(f"; {name} {', '.join(said)}" for name, said in parts.items() if said)


def _changes(level: Mapping[str, Any]) -> list[str]:
    """Return the significant changes of a level: of its heights; where these are not compared, of its losses."""
    if level["heights"]["reason"] is None:
        changes, key, unit = level["heights"], "change_mm", "mm"
    else:
        changes, key, unit = level["losses"], "change_points", "points of loss"
    found = ((position, changes[position]) for position in _POSITIONS)
    return [
        f"{level['level']} {position} {_number(change[key], '+.1f')} {unit}"
        for position, change in found
        if change is not None and change["is_significant"]
    ]


def _since(comparison: Mapping[str, Any] | None) -> str:
    """Return what changed since the earlier study that this one is compared with; nothing where there is none."""
    if comparison is None:
        return ""
    if comparison["reason"] is not None:
        return f"; earlier study not compared: {words(comparison['reason'])}"
    changes = [change for level in comparison["levels"] for change in _changes(level)]
    return f"; since the earlier study: {', '.join(changes) or 'no significant change'}"


def summary(findings: Mapping[str, Any]) -> str:
    """Return the study at a glance, one line."""
    found = findings["summary"]
    sdi = _number(found["spinal_deformity_index"], "d")
    bound = " or more" if found["sdi_is_lower_bound"] and found["spinal_deformity_index"] is not None else ""
    ungradable = ", ".join(found["ungradable"]) or "none"
    return (
        f"{found['graded']} graded; not gradable: {ungradable}; "
        f"highest grade {_number(found['max_grade'], 'd')}; spinal deformity index {sdi}{bound}{_alignment(found)}"
        f"{_since(findings.get('comparison'))}"
    )

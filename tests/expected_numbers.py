"""Every number of a finding under the code that docs/report.md gives it, written from its tables."""

from collections.abc import Mapping, Sequence
from typing import Final

from sr_templates.comparison import HeightChange, LevelComparison, LossChange
from sr_templates.findings import Measured, StudyFindings, Triple

Numbers = Mapping[str, tuple[float, str]]
_PLACES: Final = ("anterior", "middle", "posterior")
#: PS3.5 DS has 16 characters; the report gives 8 digits, and losses and probabilities one decimal.
TOLERANCE: Final = 1e-7


def expected(findings: StudyFindings) -> dict[str, Numbers]:
    """Return value and UCUM unit by code value of each measured vertebra, by level."""
    changes = {one.level: one for one in findings.comparison.levels} if findings.comparison else {}
    return {
        one.level: _without_gaps({**_measured(one.measured), **_changes(changes.get(one.level))})
        for one in findings.vertebrae
        if one.measured is not None
    }


def _measured(one: Measured) -> dict[str, tuple[float | None, str]]:
    losses = one.height_loss_percent
    found: dict[str, tuple[float | None, str]] = {
        **_three(("HEIGHT_ANTERIOR", "HEIGHT_MIDDLE", "HEIGHT_POSTERIOR"), one.heights_mm, "mm"),
        **_three(("LOSS_ANTERIOR", "LOSS_MIDDLE", "LOSS_POSTERIOR"), losses, "%"),
        "LOSS": (max(loss for place in _PLACES if (loss := getattr(losses, place)) is not None), "%"),
        "WEDGING": (one.wedging_percent, "%"),
        "WEDGE_ANGLE": (one.wedge_angle_deg, "deg"),
        "WEDGE_ANGLE_SD": (one.wedge_angle_sd_deg, "deg"),
        "RATIO_WEDGE": (one.wedge_ratio, "{ratio}"),
        "RATIO_BICONCAVE": (one.biconcavity_ratio, "{ratio}"),
        "RATIO_CRUSH_UP": (one.crush_above, "{ratio}"),
        "RATIO_CRUSH_LOW": (one.crush_below, "{ratio}"),
        "SAMPLING_AXIAL": (one.axial_spacing_mm, "mm"),
    }
    return found | _graded(one)


def _graded(one: Measured) -> dict[str, tuple[float | None, str]]:
    if one.genant_grade is None or one.grade_probabilities is None:
        return {}
    percent = [100 * probability for probability in one.grade_probabilities]
    heights = one.reference.heights if one.heights_mm is not None else None
    return {
        "LOSS_SD": (one.loss_sd_points, "%"),
        "GRADE_CERTAINTY": (percent[one.genant_grade], "%"),
        **{f"GRADE_{grade}_PROB": (value, "%") for grade, value in enumerate(percent)},
        **_three(("EXPECTED_ANT", "EXPECTED_MID", "EXPECTED_POST"), heights, "mm"),
    }


def _changes(change: LevelComparison | None) -> dict[str, tuple[float | None, str]]:
    found: dict[str, tuple[float | None, str]] = {}
    for place, name in zip(_PLACES, ("ANT", "MID", "POST"), strict=True):
        height: HeightChange | None = getattr(change.heights, place) if change else None
        loss: LossChange | None = getattr(change.losses, place) if change else None
        if height is not None:
            found[f"CHANGE_{name}_MM"] = (height.change_mm, "mm")
            found[f"CHANGE_{name}_PCT"] = (height.change_percent, "%")
            found[f"LSC_{name}_MM"] = (height.least_significant_mm, "mm")
        if loss is not None:
            found[f"CHANGE_LOSS_{name}"] = (loss.change_points, "%")
            found[f"LSC_LOSS_{name}"] = (loss.least_significant_points, "%")
    return found


def _three(names: Sequence[str], values: Triple | None, unit: str) -> dict[str, tuple[float | None, str]]:
    return {
        name: (getattr(values, place) if values else None, unit) for name, place in zip(names, _PLACES, strict=True)
    }


def _without_gaps(found: Mapping[str, tuple[float | None, str]]) -> Numbers:
    return {name: (value, unit) for name, (value, unit) in found.items() if value is not None}

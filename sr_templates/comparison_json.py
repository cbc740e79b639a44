"""A comparison with an earlier study as the JSON of the contract, key `comparison` of `spondyl.findings/1`. PURE."""

from typing import Any

from sr_templates.comparison import (
    RULE,
    Comparison,
    HeightChange,
    Heights,
    LevelComparison,
    LossChange,
    Losses,
    NotCompared,
    PriorStudy,
)

Json = dict[str, Any]


def comparison_json(comparison: Comparison) -> Json:
    """Return the comparison as what `json.dumps` takes: every key is always there, null where there is nothing."""
    return {
        "prior": _prior(comparison.prior),
        "reason": _word(comparison.reason),
        "remarks": [str(remark) for remark in comparison.remarks],
        "rule": RULE,
        "levels": [_level(level) for level in comparison.levels],
    }


def _prior(prior: PriorStudy) -> Json:
    report = prior.report
    return {
        "study_instance_uid": prior.study_instance_uid,
        "study_date": prior.study_date,
        "software": prior.software,
        "landmark_protocol": prior.landmark_protocol,
        "modalities": list(prior.modalities),
        "patient_positions": list(prior.patient_positions),
        "report": None
        if report is None
        else {
            "sop_class_uid": report.sop_class_uid,
            "sop_instance_uid": report.sop_instance_uid,
            "series_instance_uid": report.series_instance_uid,
        },
    }


def _level(level: LevelComparison) -> Json:
    return {
        "level": level.level,
        "tracking_uid": level.tracking_uid,
        "reason": _word(level.reason),
        "heights": _heights(level.heights),
        "losses": _losses(level.losses),
        "genant_grade": {"then": level.grade_then, "now": level.grade_now},
    }


def _heights(heights: Heights) -> Json:
    found = {"anterior": heights.anterior, "middle": heights.middle, "posterior": heights.posterior}
    return {"reason": _word(heights.reason), **{name: one and _height(one) for name, one in found.items()}}


def _losses(losses: Losses) -> Json:
    found = {"anterior": losses.anterior, "middle": losses.middle, "posterior": losses.posterior}
    return {"reason": _word(losses.reason), **{name: one and _loss(one) for name, one in found.items()}}


def _word(word: NotCompared | None) -> str | None:
    return None if word is None else str(word)


def _height(change: HeightChange) -> Json:
    return {
        "then_mm": change.then_mm,
        "now_mm": change.now_mm,
        "change_mm": change.change_mm,
        "change_percent": change.change_percent,
        "least_significant_mm": change.least_significant_mm,
        "least_significant_percent": change.least_significant_percent,
        "is_significant": change.is_significant,
        "meets_rule": change.meets_rule,
    }


def _loss(change: LossChange) -> Json:
    return {
        "then_percent": change.then_percent,
        "now_percent": change.now_percent,
        "change_points": change.change_points,
        "least_significant_points": change.least_significant_points,
        "is_significant": change.is_significant,
    }

"""Findings as the JSON of the contract, schema `spondyl.findings/1`. PURE.

Every key is always there; where there is no number it is null. Four keys of free use are added only where they say
something: `frame` (multi-frame images) and `counterparts` (the points in the other space) of the landmarks, `reason`
and `notes` of the study. `reader_interpretation` is for a reader's own words: it is null in all that we write.
"""

from copy import deepcopy
from typing import Any, Final

from sr_templates.comparison_json import comparison_json
from sr_templates.findings import (
    SCHEMA,
    Kyphosis,
    Landmarks,
    Measured,
    Pattern,
    Slip,
    StudyFindings,
    Summary,
    Triple,
    VertebraFinding,
)

Json = dict[str, Any]

#: What the numbers are, and what their signs mean (docs/morphometry 1.5).
DEFINITIONS: Final[Json] = {
    "ratios.wedge": "anterior / posterior height",
    "ratios.biconcavity": "middle / posterior height",
    "ratios.crush_above": "posterior height / posterior height of the vertebra above",
    "ratios.crush_below": "posterior height / posterior height of the vertebra below",
    "wedging_percent": "100 (anterior - posterior) / larger of both; positive for posterior wedging",
    "wedge_angle_deg": "slope of inferior minus slope of superior endplate; positive for posterior wedging",
    "height_loss_percent": "100 (1 - height / expected height at the same position); positive where height is missing",
    "summary.kyphosis.angle_deg": "superior endplate of the vertebra above against inferior of the one below;"
    " positive for flexion",
    "summary.listhesis.slip_mm": "posterior inferior corner along the superior endplate below, from its posterior end;"
    " positive for anterolisthesis",
    "comparison.levels.heights.anterior.change_mm": "height now minus height then; negative where it is lower now",
    "comparison.levels.heights.anterior.least_significant_mm": "1.96 sqrt(SD then^2 + SD now^2), SDs of the height",
    "comparison.levels.losses.anterior.change_points": "loss now minus loss then; positive where more is missing now",
    "comparison.levels.losses.anterior.least_significant_points": "1.96 sqrt(SD then^2 + SD now^2), SDs of the loss",
}
_NO_TRIPLE = Triple(anterior=None, middle=None, posterior=None)
#: What a vertebra without numbers says in place of them.
_UNMEASURED: Json = {
    "landmarks": None,
    "heights_mm": {"anterior": None, "middle": None, "posterior": None},
    "ratios": {"wedge": None, "biconcavity": None, "crush_above": None, "crush_below": None},
    "wedging_percent": None,
    "wedge_angle_deg": None,
    "wedge_angle_sd_deg": None,
    "axial_spacing_mm": None,
    "spacing_source": None,
    "height_loss_percent": {"anterior": None, "middle": None, "posterior": None},
    "loss_sd_points": None,
    "reference": {
        "rule": None,
        "levels": [],
        "heights_mm": {"anterior": None, "middle": None, "posterior": None},
    },
    "genant_grade": None,
    "grade_probabilities": None,
    "borderline": None,
    "deformity": None,
    "wedging": {"direction": None, "assessment": None},
}


def to_json(findings: StudyFindings) -> Json:
    """Return the findings as what `json.dumps` takes: numbers as they are, losses to 0.1 point."""
    study: Json = {
        "schema": SCHEMA,
        "study_instance_uid": findings.study_instance_uid,
        "software": findings.software,
        "config_digest": findings.config_digest,
        "landmark_protocol": findings.landmark_protocol,
        "modalities": list(findings.modalities),
        "patient_positions": list(findings.patient_positions),
        "definitions": dict(DEFINITIONS),
        "vertebrae": [_vertebra(finding) for finding in findings.vertebrae],
        "summary": _summary(findings.summary),
        "observers": list(findings.observers),
        "reader_interpretation": None,
        "comparison": None if findings.comparison is None else comparison_json(findings.comparison),
    }
    said = {"reason": findings.reason, "notes": list(findings.notes)}
    return study | {key: value for key, value in said.items() if value}


def _vertebra(finding: VertebraFinding) -> Json:
    return {
        "level": finding.level,
        "status": "unmeasurable" if finding.measured is None else "measured",
        "reason": finding.reason,
        "landmark_source": str(finding.landmark_source),
        "flags": list(finding.flags),
        "tracking_uid": finding.tracking_uid,
        **(deepcopy(_UNMEASURED) if finding.measured is None else _measured(finding.measured)),
    }


def _measured(measured: Measured) -> Json:
    return {
        "landmarks": _landmarks(measured.landmarks),
        "heights_mm": _triple(measured.heights_mm or _NO_TRIPLE),
        "ratios": {
            "wedge": measured.wedge_ratio,
            "biconcavity": measured.biconcavity_ratio,
            "crush_above": measured.crush_above,
            "crush_below": measured.crush_below,
        },
        "wedging_percent": measured.wedging_percent,
        "wedge_angle_deg": measured.wedge_angle_deg,
        "wedge_angle_sd_deg": measured.wedge_angle_sd_deg,
        "axial_spacing_mm": measured.axial_spacing_mm,
        "spacing_source": measured.spacing_source,
        "height_loss_percent": _triple(measured.height_loss_percent),
        "loss_sd_points": measured.loss_sd_points,
        "reference": _reference(measured),
        "genant_grade": measured.genant_grade,
        "grade_probabilities": list(measured.grade_probabilities) if measured.grade_probabilities else None,
        "borderline": measured.borderline,
        "deformity": None if measured.deformity is None else str(measured.deformity),
        "wedging": {"direction": str(measured.wedging_direction), "assessment": str(measured.wedging_assessment)},
    }


def _reference(measured: Measured) -> Json:
    """Return what the losses stand against; without a spacing the expected heights are no mm either."""
    reference = measured.reference
    return {
        "rule": str(reference.rule),
        "levels": list(reference.levels),
        "heights_mm": _triple(_NO_TRIPLE if measured.heights_mm is None else reference.heights),
    }


def _landmarks(landmarks: Landmarks) -> Json:
    return {
        "space": str(landmarks.space),
        "sop_instance_uid": landmarks.sop_instance_uid,
        **({} if landmarks.frame is None else {"frame": landmarks.frame}),
        "points": {name: list(point) for name, point in landmarks.points.items()},
        **({"counterparts": [_landmarks(one) for one in landmarks.counterparts]} if landmarks.counterparts else {}),
    }


def _triple(triple: Triple) -> Json:
    return {"anterior": triple.anterior, "middle": triple.middle, "posterior": triple.posterior}


def _summary(summary: Summary) -> Json:
    return {
        "graded": summary.graded,
        "deformed": summary.deformed,
        "ungradable": list(summary.ungradable),
        "max_grade": summary.max_grade,
        "spinal_deformity_index": summary.spinal_deformity_index,
        "sdi_is_lower_bound": summary.sdi_is_lower_bound,
        "kyphosis": [_kyphosis(kyphosis) for kyphosis in summary.kyphosis] or None,
        "listhesis": [_slip(slip) for slip in summary.listhesis],
        "patterns": [_pattern(pattern) for pattern in summary.patterns],
    }


def _kyphosis(kyphosis: Kyphosis) -> Json:
    return {
        "level": kyphosis.level,
        "above": kyphosis.above,
        "below": kyphosis.below,
        "angle_deg": kyphosis.angle_deg,
        "beyond_limit": kyphosis.beyond_limit,
        "limit_deg": kyphosis.limit_deg,
        "limit_source": kyphosis.limit_source,
    }


def _pattern(pattern: Pattern) -> Json:
    return {"pattern": pattern.word, "levels": list(pattern.levels)}


def _slip(slip: Slip) -> Json:
    return {
        "upper": slip.upper,
        "lower": slip.lower,
        "slip_mm": slip.slip_mm,
        "slip_percent": slip.slip_percent,
        "meyerding_grade": slip.meyerding_grade,
    }

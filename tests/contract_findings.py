"""Findings as the contract shows them: the example that every reader of the JSON may rely on."""

import copy
from typing import Any, Final

_MEASURED: Final[dict[str, Any]] = {
    "level": "L1",
    "status": "measured",
    "reason": None,
    "landmark_source": "segmentation",
    "flags": [],
    "landmarks": {"space": "patient", "sop_instance_uid": "1.2.3", "points": {"AS": [0, 0, 0]}},
    "heights_mm": {"anterior": 14.2, "middle": 13.0, "posterior": 22.9},
    "ratios": {"wedge": 0.620, "biconcavity": 0.568, "crush_above": 0.9, "crush_below": 0.8},
    "wedging_percent": -38.0,
    "wedge_angle_deg": -14.6,
    "height_loss_percent": {"anterior": 42.1, "middle": 45.0, "posterior": 10.3},
    "loss_sd_points": 3.0,
    "reference": {"rule": "fit", "levels": ["T11", "T12", "L2", "L3"]},
    "genant_grade": 3,
    "grade_probabilities": [0, 0, 0.1, 0.9],
    "borderline": False,
    "deformity": "anterior_wedge",
    "wedging": {"direction": "anterior", "assessment": "no_limit_for_level"},
}
_UNMEASURED: Final[dict[str, Any]] = {
    "level": "L2",
    "status": "unmeasurable",
    "reason": "CUT_OFF",
    "landmark_source": "segmentation",
    "flags": ["COARSE_SAMPLING"],
    "landmarks": None,
    "heights_mm": {"anterior": None, "middle": None, "posterior": None},
    "ratios": {"wedge": None, "biconcavity": None, "crush_above": None, "crush_below": None},
    "wedging_percent": None,
    "wedge_angle_deg": None,
    "height_loss_percent": {"anterior": None, "middle": None, "posterior": None},
    "loss_sd_points": None,
    "reference": {"rule": None, "levels": []},
    "genant_grade": None,
    "grade_probabilities": None,
    "borderline": None,
    "deformity": None,
    "wedging": {"direction": None, "assessment": None},
}


def contract_findings() -> dict[str, Any]:
    """Return a study of one measured and one unmeasurable vertebra, to be changed at will."""
    return copy.deepcopy(
        {
            "schema": "spondyl.findings/1",
            "study_instance_uid": "1.2.3",
            "software": "spondyl 0.1.0",
            "config_digest": "0" * 64,
            "landmark_protocol": "spondyl-six-point/1",
            "vertebrae": [_MEASURED, _UNMEASURED],
            "summary": {
                "graded": 1,
                "ungradable": ["L2"],
                "max_grade": 3,
                "spinal_deformity_index": 3,
                "sdi_is_lower_bound": True,
                "kyphosis": None,
                "listhesis": [],
            },
        }
    )

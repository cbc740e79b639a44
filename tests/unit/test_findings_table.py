from dataclasses import replace
from typing import Any

import pytest
from contract_findings import contract_findings
from earlier import NOW, THEN, before, findings

from service import findings_table
from sr_templates.findings_json import to_json
from workers.morphometry.comparison import compare


def _cells(**changes: object) -> dict[str, str]:
    findings = contract_findings()
    findings["vertebrae"][0].update(changes)
    table = findings_table.table(findings)
    return dict(zip(table.columns, table.rows[0], strict=True))


def test_a_measured_vertebra_shows_what_was_measured() -> None:
    """The row of the contract's example: numbers to one decimal, wedging with its sign, certainty of its own grade."""
    assert {
        "Level": "L1",
        "Height a/m/p mm": "14.2 / 13.0 / 22.9",
        "Loss a/m/p %": "42.1 / 45.0 / 10.3",
        "Wedging %": "-38.0",
        "Grade": "3",
        "Certainty": "90 %",
        "Deformity": "anterior wedge",
        "Reference": "fit: T11 T12 L2 L3",
        "Remarks": "-",
    } == _cells()


def test_an_unmeasurable_vertebra_shows_its_reason_and_no_number() -> None:
    """Where nothing was measured there is the reason, the flags, and a dash in every other column."""
    row = findings_table.table(contract_findings()).rows[1]

    assert ("L2", *["-"] * 7, "not measured: CUT OFF, COARSE SAMPLING") == row


@pytest.mark.parametrize(
    ("changes", "column", "expected"),
    [
        ({"wedging": {"direction": "posterior", "assessment": "outside_limits"}, "wedging_percent": 14.25},
         "Wedging %", "+14.2 (outside limits)"),
        ({"borderline": True}, "Certainty", "90 %, borderline"),
        ({"genant_grade": 2}, "Certainty", "10 %"),
        ({"genant_grade": 0, "grade_probabilities": [0.996, 0.004, 0, 0]}, "Certainty", "> 99 %"),
        ({"genant_grade": None, "grade_probabilities": None}, "Grade", "-"),
        ({"genant_grade": None, "grade_probabilities": None}, "Certainty", "-"),
        ({"genant_grade": 0, "grade_probabilities": [1, 0, 0, 0]}, "Grade", "0"),
        ({"wedging_percent": -0.04}, "Wedging %", "+0.0"),
        ({"heights_mm": None}, "Height a/m/p mm", "-"),
        ({"heights_mm": {"anterior": 20.04, "middle": None, "posterior": 21.0}}, "Height a/m/p mm", "20.0 / - / 21.0"),
        ({"reference": {"rule": "within_vertebra", "levels": []}}, "Reference", "within vertebra"),
        ({"flags": ["NO_MIDDLE", "ROTATED"]}, "Remarks", "NO MIDDLE, ROTATED"),
        ({"deformity": "none"}, "Deformity", "none"),
    ],
)  # fmt: skip
def test_each_column(changes: dict[str, Any], column: str, expected: str) -> None:
    """What is not there is a dash, never a 0; a limit is only spoken of where the level has one."""
    assert expected == _cells(**changes)[column]


def test_the_summary_is_one_line() -> None:
    """The summary says how many were graded, which were not, and that the index is a lower bound where it is one."""
    assert "1 graded; not gradable: L2; highest grade 3; spinal deformity index 3 or more" == findings_table.summary(
        contract_findings()
    )


def test_the_summary_says_what_the_column_shows() -> None:
    """Kyphosis with its flag, slips with their sign and patterns follow in the same line, where there are any."""
    findings = contract_findings()
    findings["summary"].update(
        kyphosis=[
            {"level": "L1", "above": "T12", "below": "L2", "angle_deg": 24.56, "beyond_limit": True, "limit_deg": 20.0},
            {"level": "L2", "above": "L1", "below": "L3", "angle_deg": -3.0},
        ],
        listhesis=[{"upper": "L4", "lower": "L5", "slip_mm": -4.24, "slip_percent": -12.0, "meyerding_grade": 1}],
        patterns=[{"pattern": "ADJACENT_MILD_WEDGING", "levels": ["T8", "T9", "T10"]}],
    )

    assert (
        "; segmental kyphosis over L1 24.6 deg, above 20, L2 -3.0 deg; listhesis L4 on L5 -4.2 mm"
        "; pattern ADJACENT MILD WEDGING T8 T9 T10"
    ) == findings_table.summary(findings).removeprefix(
        "1 graded; not gradable: L2; highest grade 3; spinal deformity index 3 or more"
    )


def test_the_summary_invents_nothing() -> None:
    """Without a grade there is neither a highest grade nor an index."""
    findings = contract_findings()
    findings["summary"].update(graded=0, ungradable=[], max_grade=None, spinal_deformity_index=None)

    assert "0 graded; not gradable: none; highest grade -; spinal deformity index -" == findings_table.summary(findings)


def test_what_changed_since_an_earlier_study_is_told() -> None:
    """Heights that changed significantly; losses where heights are not compared; else that nothing did, or why not."""
    made = {
        "lower": to_json(replace(findings(NOW), comparison=compare(findings(NOW), before()))),
        "same": to_json(replace(findings(THEN), comparison=compare(findings(THEN), before()))),
        "other": to_json(replace(findings(NOW), comparison=compare(findings(NOW), before(modalities=("CT",))))),
    }
    assert "; since the earlier study: L1 anterior -6.0 mm" in findings_table.summary(made["lower"])
    assert findings_table.summary(made["same"]).endswith("; since the earlier study: no significant change")
    assert findings_table.summary(made["other"]).endswith("; earlier study not compared: OTHER MODALITY")
    for level in made["lower"]["comparison"]["levels"]:
        level["heights"] = {"reason": "UNCALIBRATED", **dict.fromkeys(("anterior", "middle", "posterior"))}
    assert "L1 anterior +24.0 points of loss" in findings_table.summary(made["lower"])


def test_without_an_earlier_study_nothing_is_told_of_one() -> None:
    """Findings of an older version have no such key at all."""
    assert "earlier" not in findings_table.summary(to_json(findings(NOW)))
    assert "earlier" not in findings_table.summary(contract_findings())

"""The findings as CSV."""

import csv
import io

from contract_findings import contract_findings

from service.findings_csv import COLUMNS, text


def _rows() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text(contract_findings()), newline="")))


def test_every_vertebra_is_a_line_with_its_numbers() -> None:
    """Numbers stand as they are in the JSON, under names with their unit."""
    measured = next(row for row in _rows() if row["level"] == "L1")

    assert ("14.2", "42.1", "-38.0", "3.0", "3", "0.9", "false", "T11 T12 L2 L3") == (
        measured["height_anterior_mm"],
        measured["height_loss_anterior_percent"],
        measured["wedging_percent"],
        measured["loss_sd_points"],
        measured["genant_grade"],
        measured["probability_grade_3"],
        measured["borderline"],
        measured["reference_levels"],
    )


def test_what_was_not_measured_is_empty_and_has_its_reason() -> None:
    """A vertebra without numbers has empty cells, never a zero."""
    unmeasured = next(row for row in _rows() if row["level"] == "L2")

    assert ("unmeasurable", "CUT_OFF", "", "") == (
        unmeasured["status"],
        unmeasured["reason"],
        unmeasured["height_anterior_mm"],
        unmeasured["genant_grade"],
    )


def test_every_line_is_as_long_as_its_head() -> None:
    """RFC 4180 2.4: each line has the same number of fields."""
    lines = list(csv.reader(io.StringIO(text(contract_findings()), newline="")))

    assert {len(COLUMNS)} == {len(line) for line in lines}
    assert len(contract_findings()["vertebrae"]) + 1 == len(lines)


def test_no_cell_is_a_formula() -> None:
    """A text that a spreadsheet would run as a formula is text there; a negative number stays a number."""
    findings = contract_findings()
    findings["vertebrae"][0]["flags"] = ["=1+1"]
    (row, *_) = csv.DictReader(io.StringIO(text(findings), newline=""))

    assert ("'=1+1", "-38.0") == (row["flags"], row["wedging_percent"])

import json
from dataclasses import replace
from typing import Any

import pytest
from earlier import NOW, REPORT, before, findings, kept
from outlines import patient
from report_samples import findings as sample

from sr_templates.findings import StudyFindings
from sr_templates.findings_json import to_json
from workers.kept_json import dumped, loaded, of_findings
from workers.morphometry.findings import Policy, measure


def _through_json(found: StudyFindings) -> Any:
    return json.loads(json.dumps(to_json(found)))


def _patient() -> StudyFindings:
    vertebrae, summary = measure([patient("L1"), patient("S1", at=(0, 0, -80))], Policy())
    return findings(NOW, vertebrae=vertebrae, summary=summary, modalities=("CT",), patient_positions=("HFS",))


@pytest.mark.parametrize(
    "found",
    [findings(NOW), findings({"L1": (0.5, 0.5, 0.5)}), _patient(), sample("patient"), sample("uncalibrated")],
    ids=["film", "unmeasurable", "patient and not graded", "sample", "uncalibrated"],
)
def test_findings_of_the_ledger_tell_what_findings_tell(found: StudyFindings) -> None:
    """What is kept of the JSON is what is kept of the findings that it was made of."""
    expected = kept(found)
    tracked = [
        replace(vertebra, tracking_uid=one.tracking_uid)
        for vertebra, one in zip(found.vertebrae, expected.vertebrae, strict=True)
    ]
    document = _through_json(replace(found, vertebrae=tuple(tracked)))
    assert expected == of_findings(document, study_date="20250105", study_time="101500", report=REPORT)


def test_what_is_kept_goes_through_text() -> None:
    """The same study comes back."""
    assert before() == loaded(json.loads(json.dumps(dumped(before()))))
    assert without_report() == loaded(json.loads(json.dumps(dumped(without_report()))))


def without_report() -> Any:
    """Return an earlier study that has no report."""
    return replace(before(), study=replace(before().study, report=None))


@pytest.mark.parametrize("document", [{}, {"study": None}, {"study": {}, "study_time": "", "vertebrae": []}])
def test_another_form_is_passed_over(document: dict[str, Any]) -> None:
    """What another version wrote is nothing to compare with, and no fault."""
    assert loaded(document) is None
    assert of_findings(document, study_date="", study_time="", report=None) is None

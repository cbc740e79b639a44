"""What to do about a reason."""

import pytest

from service.advice import advice
from service.states import StudyState


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (StudyState.FAILED, "pacs: AE title not recognised", "registered"),
        (StudyState.FAILED, "the worker died 3 times", "memory"),
        (StudyState.FAILED, "the time limit passed (queue.time_limit_s)", "time_limit_s"),
        (StudyState.FAILED, "the memory limit was reached (queue.memory_mb)", "memory_mb"),
        (StudyState.FAILED, "expected DICOM files, found none", "sent again"),
        (StudyState.FAILED, "pacs: pacs does not take this object: SR: answered status 0xA900", "SR classes"),
        (StudyState.FAILED, "pacs: pacs answered status 0x0124", "log"),
        (StudyState.FAILED, "no report was sent; a UID is malformed", "quarantined"),
        (StudyState.FAILED, "pacs: held back, summary: a UID is malformed", "quarantined"),
        (StudyState.FAILED, "ZeroDivisionError", "developers"),
        (StudyState.FAILED, None, "developers"),
        (StudyState.NOT_ANALYSABLE, "NO_LANDMARKS", "SEG"),
        (StudyState.NOT_ANALYSABLE, "ONLY_OWN_REPORTS", "kept"),
        (StudyState.IGNORED, "own_report", "forwarding rule"),
        (StudyState.IGNORED, "sent twice", "Retry"),
    ],
)
def test_every_end_that_is_no_report_has_advice(state: StudyState, reason: str | None, words: str) -> None:
    """A study that failed, could not be analysed or was ignored says what to do."""
    assert words in advice(state, reason)


@pytest.mark.parametrize("state", [StudyState.REPORTED, StudyState.QUEUED, StudyState.DELIVERING])
def test_nothing_is_to_be_done_where_all_is_well(state: StudyState) -> None:
    """A study on its way, or reported, asks for nothing."""
    assert "" == advice(state, None)

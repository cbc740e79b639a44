"""Reasons as stable words."""

import pytest

from service import advice, causes
from service.ledger.lists import Cause
from service.states import StudyState


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("pacs rejected the association: Rejected Permanent, Calling AE title not recognised", "ae_title"),
        ("pacs does not take this object: Comprehensive SR: SOP class not supported", "sop_class"),
        ("pacs answered status 0x0124", "refused"),
        ("cloud answered STOW-RS with HTTP status 404", "refused"),
        ("the memory limit was reached (queue.memory_mb)", "memory_limit"),
        ("for 72 h: pacs does not answer, or hangs up, at 10.0.0.1:104", "destination_down"),
        ("something that nobody has seen yet", "other"),
    ],
)
def test_a_reason_has_a_word(reason: str, word: str) -> None:
    """Names, numbers and addresses do not stand in it."""
    assert word == causes.cause(reason)


def test_what_has_advice_has_a_word() -> None:
    """A reason of failed studies that the advice knows is not counted among the others."""
    known = [words for state, words, _ in advice._ADVICE if state is StudyState.FAILED]  # noqa: SLF001 - its table

    assert [] == [words for words in known if causes.cause(f"x {words} y") == causes.OTHER]


def test_every_cause_is_counted() -> None:
    """Causes without a study are there with 0, so that a first failure is a rise from 0."""
    alike = [_cause("pacs answered status 0x0124", 2), _cause("pacs answered status 0x0117", 3)]

    assert dict.fromkeys(causes.CAUSES, 0) | {"refused": 5} == causes.by_cause(alike)


def _cause(reason: str, studies: int) -> Cause:
    return Cause(state=StudyState.FAILED, reason=reason, who=None, studies=studies, first_at=0.0, last_at=0.0)

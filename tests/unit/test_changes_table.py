"""What changed since the earlier study, as a table."""

from dataclasses import replace

from comparison_samples import PRIOR, T12
from report_samples import findings

from service.changes_table import table
from sr_templates.comparison import Comparison, Heights, LevelComparison, Losses, NotCompared
from sr_templates.findings_json import to_json


def _rows(*levels: LevelComparison) -> list[tuple[str, ...]]:
    shown = table(to_json(replace(findings("patient"), comparison=Comparison(prior=PRIOR, levels=levels))))
    assert shown is not None
    return list(shown.rows)


def test_a_change_stands_with_the_least_that_counts() -> None:
    """6 mm lower where 2.2 count, with a star; no change, and nothing to compare, without one."""
    (row,) = _rows(T12)

    assert ("T12", "-6.0 (least 2.2) * / - / +0.0 (least 2.2)", "+20.0 (least 8.3) * / - / -", "0, 2", "-") == row


def test_what_is_not_compared_has_its_reason() -> None:
    """In words, each once."""
    word = next(iter(NotCompared))
    none = LevelComparison(
        level="L1", tracking_uid=None, reason=word, heights=Heights(reason=word), losses=Losses(reason=word)
    )

    assert word.value.replace("_", " ") == _rows(none)[0][-1]


def test_without_an_earlier_study_there_is_no_table() -> None:
    """Nothing was compared: nothing is shown."""
    assert table(to_json(findings("patient"))) is None

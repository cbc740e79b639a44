"""When a study is complete, and the verdict on it."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.config import Study
from service.ledger import StudyRow
from service.settle import Action, Verdict, complete_at, is_complete, verdict
from service.states import StudyState

RULE = Study(quiet_s=30, max_wait_s=3600)
ROW = StudyRow(
    id=1,
    key="0" * 32,
    study_instance_uid="1.2.3",
    state=StudyState.RECEIVING,
    reason=None,
    who=None,
    source="ct1",
    revision=0,
    fingerprint=None,
    first_received_at=1000.0,
    last_received_at=1100.0,
    held_until=0.0,
    settled_at=None,
    unsettled_since=1000.0,
    arrivals=5,
    updated_at=1100.0,
)
REPORTED = replace(
    ROW, state=StudyState.REPORTED, revision=1, fingerprint="a", settled_at=1000.0, unsettled_since=1100.0
)


@pytest.mark.parametrize(("now", "complete"), [(1129.9, False), (1130.0, True), (5000.0, True)])
def test_a_study_is_complete_when_its_quiet_period_has_passed(now: float, complete: bool) -> None:
    """Thirty seconds without an object: complete, not before."""
    assert complete == is_complete(ROW, RULE, now)


@pytest.mark.parametrize(("now", "complete"), [(1199.9, False), (1200.0, True)])
def test_an_open_association_keeps_a_study_open(now: float, complete: bool) -> None:
    """A quiet study is not complete while an association that delivers it is open."""
    assert complete == is_complete(replace(ROW, held_until=1200.0), RULE, now)


@pytest.mark.parametrize(("now", "complete"), [(4599.9, False), (4600.0, True)])
def test_no_study_waits_longer_than_the_limit(now: float, complete: bool) -> None:
    """An hour after the first object it is complete, though objects come and an association is open."""
    busy = replace(ROW, last_received_at=now, held_until=now + 15)

    assert complete == is_complete(busy, RULE, now)


def test_the_limit_counts_from_the_first_object_that_is_not_settled() -> None:
    """A late object waits for its own quiet period, however old the study is."""
    late = replace(ROW, first_received_at=0.0, settled_at=500.0, unsettled_since=100_000.0, last_received_at=100_000.0)

    assert not is_complete(late, RULE, 100_029.0)
    assert is_complete(late, RULE, 100_030.0)


def test_where_nothing_waits_nothing_is_complete() -> None:
    """A study that was settled and has got nothing since is not settled again."""
    assert not is_complete(replace(ROW, settled_at=1130.0, unsettled_since=None), RULE, 1e9)


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({}, 1130.0),
        ({"held_until": 1200.0}, 1200.0),
        ({"last_received_at": 4590.0}, 4600.0),
        ({"unsettled_since": None}, math.inf),
        ({"unsettled_since": 0.0, "held_until": 9999.0}, 0.0),
    ],
)
def test_when_a_study_will_be_complete_is_known(changes: dict[str, float | None], at: float) -> None:
    """After its quiet period, once nobody holds it open, at the limit, never where nothing waits, at once if asked."""
    assert at == complete_at(replace(ROW, **changes), RULE, 4590.0)  # type: ignore[arg-type]  # any of its fields


def test_who_asks_to_settle_waits_for_nothing() -> None:
    """A study that is to be settled now is complete, whatever is open."""
    assert is_complete(replace(ROW, unsettled_since=0.0, held_until=9999.0), RULE, 5000.0)


@given(now=st.floats(0, 1e7), later=st.floats(0, 1e7), held=st.floats(0, 1e7))
@settings(max_examples=200, deadline=None)
def test_a_complete_study_stays_complete(now: float, later: float, held: float) -> None:
    """Time alone never makes a complete study incomplete."""
    row = replace(ROW, held_until=held)

    assert not is_complete(row, RULE, now) or is_complete(row, RULE, now + later)


def test_a_new_study_is_measured() -> None:
    """What was never measured is measured."""
    assert Verdict(action=Action.MEASURE) == verdict(ROW, fingerprint="a", study=RULE)


def test_the_same_objects_are_not_measured_twice() -> None:
    """A study that was sent again, and holds what the newest revision was made of, is unchanged."""
    found = verdict(REPORTED, fingerprint="a", study=RULE)

    assert Verdict(action=Action.UNCHANGED, why="the same objects as before") == found


@pytest.mark.parametrize("policy", ["replace", "always"])
def test_late_objects_make_a_new_revision(policy: str) -> None:
    """Where late instances replace or add, a study that holds something else is measured again."""
    rule = Study.model_validate({"late_instances": policy})

    assert Verdict(action=Action.MEASURE) == verdict(REPORTED, fingerprint="b", study=rule)


def test_late_objects_may_be_left_alone() -> None:
    """late_instances = never: a study that has a revision gets no other, and that is said."""
    found = verdict(REPORTED, fingerprint="b", study=Study(late_instances="never"))

    assert Verdict(action=Action.UNCHANGED, why="late_instances = never") == found


def test_a_report_whose_files_were_removed_stands_until_somebody_asks() -> None:
    """What is sent again long after may be less than the report rests on: it replaces nothing by itself."""
    found = verdict(REPORTED, fingerprint="b", stands=True, study=RULE)

    assert (Action.UNCHANGED, True) == (found.action, "retry measures what is there now" in found.why)


def test_late_instances_never_does_not_keep_a_study_from_its_first_revision() -> None:
    """The policy is about late objects: a study without a revision has none."""
    assert Verdict(action=Action.MEASURE) == verdict(ROW, fingerprint="a", study=Study(late_instances="never"))


def test_nothing_but_our_own_reports_is_ignored_by_rule() -> None:
    """The PACS routes our report back and nothing else: the study is not for us, and the rule says why."""
    found = verdict(ROW, fingerprint=None, own_reports=True, study=RULE)

    assert Verdict(action=Action.IGNORE, why="own_report") == found


def test_a_study_whose_folder_was_lost_is_ignored_by_a_rule_of_its_own() -> None:
    """The ledger heard of objects that the spool does not hold: no report is to blame, and none is named."""
    assert Verdict(action=Action.IGNORE, why="spool_empty") == verdict(ROW, fingerprint=None, study=RULE)


@pytest.mark.parametrize("state", [state for state in StudyState if state is not StudyState.RECEIVING])
def test_our_own_report_takes_no_study_out_that_was_decided(state: StudyState) -> None:
    """A report that comes back after the study's files are gone changes nothing."""
    row = replace(REPORTED, state=state)

    assert Action.UNCHANGED is verdict(row, fingerprint=None, study=RULE).action


def test_what_an_administrator_ignored_stays_ignored() -> None:
    """More objects do not bring a study back that somebody took out."""
    row = replace(ROW, state=StudyState.IGNORED, reason="phantom", who="admin")

    assert Verdict(action=Action.UNCHANGED, why="an administrator ignored it") == verdict(
        row, fingerprint="a", study=RULE
    )


def test_what_a_rule_ignored_is_looked_at_again() -> None:
    """Our report came back first, then the images: they are measured."""
    row = replace(ROW, state=StudyState.IGNORED, reason="own_report")

    assert Verdict(action=Action.MEASURE) == verdict(row, fingerprint="a", study=RULE)

"""The state tables: every pair of state and event, and what follows from all of them."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.states import (
    FINAL,
    HELD,
    JOB_TRANSITIONS,
    STUDY_TRANSITIONS,
    JobEvent,
    JobState,
    NotAllowed,
    StudyEvent,
    StudyState,
    next_job_state,
    next_study_state,
)

STUDY_PAIRS = list(itertools.product(StudyState, StudyEvent))
JOB_PAIRS = list(itertools.product(JobState, JobEvent))
#: What somebody must do before it happens; everything else happens by itself.
ASKED_FOR = {StudyEvent.RETRIED, StudyEvent.RESENT, StudyEvent.SUPPLIED}
#: What happens to a job that waits for proof and goes on doing so.
KEEPS_STORED = {JobEvent.CLAIMED, JobEvent.POSTPONED, JobEvent.LOST}


@pytest.mark.parametrize(("state", "event"), STUDY_PAIRS)
def test_a_study_goes_where_the_table_says_or_nowhere(state: StudyState, event: StudyEvent) -> None:
    """An event takes a study along its row of the table; where there is no row it is refused by name."""
    if (state, event) in STUDY_TRANSITIONS:
        assert STUDY_TRANSITIONS[state, event] is next_study_state(state, event)
    else:
        with pytest.raises(NotAllowed, match=f"a study that is {state} cannot be {event}"):
            next_study_state(state, event)


@pytest.mark.parametrize(("state", "event"), JOB_PAIRS)
def test_a_job_goes_where_the_table_says_or_nowhere(state: JobState, event: JobEvent) -> None:
    """An event takes a job along its row of the table; where there is no row it is refused by name."""
    if (state, event) in JOB_TRANSITIONS:
        assert JOB_TRANSITIONS[state, event] is next_job_state(state, event)
    else:
        with pytest.raises(NotAllowed, match=f"a job that is {state} cannot be {event}"):
            next_job_state(state, event)


def test_an_arrival_never_changes_a_state() -> None:
    """Objects may come at any time and take a study nowhere: settling decides."""
    assert list(StudyState) == [next_study_state(state, StudyEvent.RECEIVED) for state in StudyState]


def test_the_way_of_a_study_that_is_reported() -> None:
    """Received, settled, claimed, measured, delivered: the main job, state by state."""
    way = [StudyState.RECEIVING]
    for event in (StudyEvent.SETTLED, StudyEvent.CLAIMED, StudyEvent.MEASURED, StudyEvent.DELIVERED):
        way.append(next_study_state(way[-1], event))

    assert ["receiving", "queued", "measuring", "delivering", "reported"] == way


def test_a_study_that_is_measured_is_not_settled_under_the_workers_hands() -> None:
    """Late objects wait until the measuring has ended."""
    assert (StudyState.MEASURING, StudyEvent.SETTLED) not in STUDY_TRANSITIONS


@pytest.mark.parametrize("state", sorted(set(StudyState) - {StudyState.RECEIVING, StudyState.IGNORED}))
def test_landmarks_that_are_handed_in_have_a_study_measured(state: StudyState) -> None:
    """Whatever became of a study before, or is becoming: it is queued, once more where it was measured already."""
    assert StudyState.QUEUED is next_study_state(state, StudyEvent.SUPPLIED)


def test_landmarks_wait_for_the_study_and_do_not_undo_a_refusal() -> None:
    """A study that is still received stays so; one that was taken out takes none."""
    assert StudyState.RECEIVING is next_study_state(StudyState.RECEIVING, StudyEvent.SUPPLIED)
    assert (StudyState.IGNORED, StudyEvent.SUPPLIED) not in STUDY_TRANSITIONS


@pytest.mark.parametrize("state", sorted(set(StudyState) - {StudyState.IGNORED}))
def test_every_study_can_be_taken_out(state: StudyState) -> None:
    """Whatever became of it: one that was reported under a wrong patient must not be anybody's prior."""
    assert StudyState.IGNORED is next_study_state(state, StudyEvent.IGNORED)


def test_every_study_state_is_reached_from_the_first() -> None:
    """No state of a study is there in vain."""
    assert set(StudyState) == _reached_studies(StudyState.RECEIVING)


def test_every_job_state_is_reached_from_the_first() -> None:
    """No state of a job is there in vain."""
    reached = {JobState.WAITING}
    for _ in JobState:
        reached |= {to for (state, _), to in JOB_TRANSITIONS.items() if state in reached}

    assert set(JobState) == reached


@pytest.mark.parametrize("state", StudyState)
def test_every_study_can_still_be_reported(state: StudyState) -> None:
    """From every state there is a way to the report: nothing is a dead end for ever."""
    assert StudyState.REPORTED in _reached_studies(state)


def test_the_four_dispositions_are_final() -> None:
    """A study ends reported, not analysable, ignored or failed."""
    assert {StudyState.REPORTED, StudyState.NOT_ANALYSABLE, StudyState.IGNORED, StudyState.FAILED} == FINAL


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_disposition_is_left_only_by_new_objects_or_by_an_administrator(state: StudyState) -> None:
    """From a disposition lead: new objects that were settled, and what somebody asked for."""
    leaving = {event for (from_, event), to in STUDY_TRANSITIONS.items() if from_ is state and to is not state}

    assert leaving <= {StudyEvent.SETTLED, StudyEvent.IGNORED, StudyEvent.RETRACTED, *ASKED_FOR}


@pytest.mark.parametrize("state", [JobState.DONE, JobState.CANCELLED])
def test_a_job_that_is_done_or_cancelled_stays_so(state: JobState) -> None:
    """Nothing happens to a job that is done or cancelled; what is asked for again is a new job."""
    assert [] == [event for event in JobEvent if (state, event) in JOB_TRANSITIONS]


@given(events=st.lists(st.sampled_from(list(StudyEvent)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_refused_event_changes_nothing(events: list[StudyEvent]) -> None:
    """Whatever happens in whatever order, a study is in one state, and was measured before it was reported."""
    state, taken = StudyState.RECEIVING, [StudyEvent.RECEIVED]
    for event in events:
        if (state, event) in STUDY_TRANSITIONS:
            state = next_study_state(state, event)
            taken.append(event)
        else:
            with pytest.raises(NotAllowed):
                next_study_state(state, event)

    assert state in StudyState
    assert state is not StudyState.REPORTED or StudyEvent.MEASURED in taken or StudyEvent.RESENT in taken


@given(events=st.lists(st.sampled_from(list(JobEvent)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_job_runs_only_while_it_is_claimed(events: list[JobEvent]) -> None:
    """A worker holds a job exactly while the last thing that happened to it was a claim."""
    state, last = JobState.WAITING, None
    for event in events:
        if (state, event) in JOB_TRANSITIONS:
            state, last = next_job_state(state, event), event

        assert (state in HELD) == (last is JobEvent.CLAIMED)


@given(events=st.lists(st.sampled_from(list(JobEvent)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_proof_is_asked_for_only_of_what_was_stored(events: list[JobEvent]) -> None:
    """A job waits for proof, or is asked about, from the moment it was stored until it is proven, missing or over."""
    state, stored = JobState.WAITING, False
    for event in events:
        if (state, event) in JOB_TRANSITIONS:
            state = next_job_state(state, event)
            stored = event is JobEvent.STORED or (stored and event in KEEPS_STORED)

        assert (state in {JobState.STORED, JobState.PROVING}) == stored


def _reached_studies(start: StudyState) -> set[StudyState]:
    reached = {start}
    for _ in StudyState:
        reached |= {to for (state, _), to in STUDY_TRANSITIONS.items() if state in reached}
    return reached

"""What a study and a job can be, and what may happen to them: one meaning a state, every transition in a table.

A pair that is not in a table is refused. Callers turn a row of these tables into a conditional UPDATE, so two
processes that see the same event change a study once.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class StudyState(StrEnum):
    """Where a study stands. The last four are dispositions: every study ends in exactly one of them."""

    #: Objects are arriving, or the quiet period has not passed.
    RECEIVING = "receiving"
    #: Settled; a measure job waits for a worker.
    QUEUED = "queued"
    #: A worker holds the measure job.
    MEASURING = "measuring"
    #: The report exists; of at least one destination it is not known that it has it.
    DELIVERING = "delivering"
    #: Every destination has the report.
    REPORTED = "reported"
    #: Nothing could be measured; the coded reason is kept with the study. Where the site asks for it, every destination
    #: has a report that says so.
    NOT_ANALYSABLE = "not_analysable"
    #: A rule or an administrator says that this study is not for us.
    IGNORED = "ignored"
    #: Attempts are used up, or trying again cannot help; somebody named must act.
    FAILED = "failed"


class StudyEvent(StrEnum):
    """What can happen to a study."""

    #: An object of the study became durable in the spool.
    RECEIVED = "received"
    #: The study was found complete and differs from what was measured before: a new revision.
    SETTLED = "settled"
    #: A worker took the measure job.
    CLAIMED = "claimed"
    #: The worker that held the measure job is gone, or the try failed for a passing reason.
    RELEASED = "released"
    #: A report was made; it may say that nothing could be measured.
    MEASURED = "measured"
    #: The inputs hold nothing that can be measured; where a report says so, every destination has it.
    UNANALYSABLE = "unanalysable"
    #: The last outstanding destination has the report.
    DELIVERED = "delivered"
    #: Somebody named must act.
    GAVE_UP = "gave_up"
    #: A rule or an administrator took the study out.
    IGNORED = "ignored"
    #: An administrator took back what was reported: each destination is sent a note that rejects what it has.
    RETRACTED = "retracted"
    #: A landmarks document was handed in: the study is to be measured with it, in a new revision.
    SUPPLIED = "supplied"
    #: Measured again it gives another report than a destination has of this revision: a new revision.
    REVISED = "revised"
    #: An administrator asked for the study to be measured again.
    RETRIED = "retried"
    #: An administrator asked for the report to be sent again: every destination gets a new delivery.
    RESENT = "resent"


class JobState(StrEnum):
    """Where a job stands."""

    #: May be claimed once its time has come.
    WAITING = "waiting"
    #: One worker does it, until its lease ends.
    RUNNING = "running"
    #: The destination said that it stored the object; proof of that is asked for once its time has come.
    STORED = "stored"
    #: One worker asks the destination for proof, until its lease ends.
    PROVING = "proving"
    #: Its result is in the ledger.
    DONE = "done"
    #: Attempts are used up or trying again cannot help.
    FAILED = "failed"
    #: The destination takes no object of this kind, and need not.
    DECLINED = "declined"
    #: Its result is no longer wanted.
    CANCELLED = "cancelled"


class JobEvent(StrEnum):
    """What can happen to a job."""

    CLAIMED = "claimed"
    FINISHED = "finished"
    #: The destination said that it stored the object, and the site wants proof.
    STORED = "stored"
    #: The destination has not got what it said that it stored: it is sent again, under the same UID.
    MISSING = "missing"
    #: The worker hands it back for later (a passing failure); or, waiting for proof, it is asked for later.
    POSTPONED = "postponed"
    #: The lease ended without a word from the worker.
    LOST = "lost"
    GAVE_UP = "gave_up"
    #: The destination takes no object of this kind, and need not.
    DECLINED = "declined"
    CANCELLED = "cancelled"


class NotAllowed(ValueError):
    """This cannot happen in this state."""


_S, _E = StudyState, StudyEvent

STUDY_TRANSITIONS: Mapping[tuple[StudyState, StudyEvent], StudyState] = MappingProxyType(
    {
        (_S.RECEIVING, _E.RECEIVED): _S.RECEIVING,
        (_S.RECEIVING, _E.SETTLED): _S.QUEUED,
        (_S.RECEIVING, _E.IGNORED): _S.IGNORED,
        # The document waits: the first revision is measured with it.
        (_S.RECEIVING, _E.SUPPLIED): _S.RECEIVING,
        # Late objects never change the state by themselves: they wait for the quiet period, then SETTLED decides.
        (_S.QUEUED, _E.RECEIVED): _S.QUEUED,
        (_S.QUEUED, _E.SETTLED): _S.QUEUED,
        (_S.QUEUED, _E.CLAIMED): _S.MEASURING,
        (_S.QUEUED, _E.IGNORED): _S.IGNORED,
        (_S.QUEUED, _E.SUPPLIED): _S.QUEUED,
        (_S.MEASURING, _E.RECEIVED): _S.MEASURING,
        (_S.MEASURING, _E.RELEASED): _S.QUEUED,
        (_S.MEASURING, _E.MEASURED): _S.DELIVERING,
        (_S.MEASURING, _E.UNANALYSABLE): _S.NOT_ANALYSABLE,
        (_S.MEASURING, _E.GAVE_UP): _S.FAILED,
        (_S.MEASURING, _E.REVISED): _S.QUEUED,
        (_S.MEASURING, _E.IGNORED): _S.IGNORED,
        # What is being measured without the document is no longer wanted.
        (_S.MEASURING, _E.SUPPLIED): _S.QUEUED,
        (_S.DELIVERING, _E.RECEIVED): _S.DELIVERING,
        (_S.DELIVERING, _E.SETTLED): _S.QUEUED,
        (_S.DELIVERING, _E.DELIVERED): _S.REPORTED,
        # The report says that nothing could be measured.
        (_S.DELIVERING, _E.UNANALYSABLE): _S.NOT_ANALYSABLE,
        (_S.DELIVERING, _E.GAVE_UP): _S.FAILED,
        (_S.DELIVERING, _E.IGNORED): _S.IGNORED,
        (_S.DELIVERING, _E.RESENT): _S.DELIVERING,
        (_S.DELIVERING, _E.SUPPLIED): _S.QUEUED,
        (_S.REPORTED, _E.RECEIVED): _S.REPORTED,
        (_S.REPORTED, _E.SETTLED): _S.QUEUED,
        (_S.REPORTED, _E.RETRIED): _S.QUEUED,
        (_S.REPORTED, _E.RESENT): _S.DELIVERING,
        # What is in a PACS stays there; nothing more is compared with it.
        (_S.REPORTED, _E.IGNORED): _S.IGNORED,
        (_S.REPORTED, _E.SUPPLIED): _S.QUEUED,
        (_S.NOT_ANALYSABLE, _E.RECEIVED): _S.NOT_ANALYSABLE,
        (_S.NOT_ANALYSABLE, _E.SETTLED): _S.QUEUED,
        (_S.NOT_ANALYSABLE, _E.RETRIED): _S.QUEUED,
        (_S.NOT_ANALYSABLE, _E.RESENT): _S.DELIVERING,
        (_S.NOT_ANALYSABLE, _E.IGNORED): _S.IGNORED,
        (_S.NOT_ANALYSABLE, _E.SUPPLIED): _S.QUEUED,
        (_S.IGNORED, _E.RECEIVED): _S.IGNORED,
        (_S.IGNORED, _E.SETTLED): _S.QUEUED,
        (_S.IGNORED, _E.RETRIED): _S.QUEUED,
        (_S.FAILED, _E.RECEIVED): _S.FAILED,
        (_S.FAILED, _E.SETTLED): _S.QUEUED,
        (_S.FAILED, _E.RETRIED): _S.QUEUED,
        (_S.FAILED, _E.RESENT): _S.DELIVERING,
        (_S.FAILED, _E.IGNORED): _S.IGNORED,
        (_S.FAILED, _E.SUPPLIED): _S.QUEUED,
        # What was reported is taken back; nothing more is compared with it, until somebody asks for another report.
        (_S.QUEUED, _E.RETRACTED): _S.IGNORED,
        (_S.MEASURING, _E.RETRACTED): _S.IGNORED,
        (_S.DELIVERING, _E.RETRACTED): _S.IGNORED,
        (_S.REPORTED, _E.RETRACTED): _S.IGNORED,
        (_S.NOT_ANALYSABLE, _E.RETRACTED): _S.IGNORED,
        (_S.FAILED, _E.RETRACTED): _S.IGNORED,
        (_S.IGNORED, _E.RETRACTED): _S.IGNORED,
    }
)

JOB_TRANSITIONS: Mapping[tuple[JobState, JobEvent], JobState] = MappingProxyType(
    {
        (JobState.WAITING, JobEvent.CLAIMED): JobState.RUNNING,
        (JobState.WAITING, JobEvent.CANCELLED): JobState.CANCELLED,
        (JobState.RUNNING, JobEvent.FINISHED): JobState.DONE,
        (JobState.RUNNING, JobEvent.POSTPONED): JobState.WAITING,
        (JobState.RUNNING, JobEvent.LOST): JobState.WAITING,
        (JobState.RUNNING, JobEvent.GAVE_UP): JobState.FAILED,
        (JobState.RUNNING, JobEvent.DECLINED): JobState.DECLINED,
        (JobState.RUNNING, JobEvent.CANCELLED): JobState.CANCELLED,
        (JobState.RUNNING, JobEvent.STORED): JobState.STORED,
        (JobState.STORED, JobEvent.CLAIMED): JobState.PROVING,
        (JobState.STORED, JobEvent.CANCELLED): JobState.CANCELLED,
        (JobState.PROVING, JobEvent.FINISHED): JobState.DONE,
        (JobState.PROVING, JobEvent.MISSING): JobState.WAITING,
        (JobState.PROVING, JobEvent.POSTPONED): JobState.STORED,
        (JobState.PROVING, JobEvent.LOST): JobState.STORED,
        (JobState.PROVING, JobEvent.GAVE_UP): JobState.FAILED,
        (JobState.PROVING, JobEvent.CANCELLED): JobState.CANCELLED,
        # The destination reports on an association of its own, whether or not somebody waits for it.
        (JobState.STORED, JobEvent.FINISHED): JobState.DONE,
        (JobState.STORED, JobEvent.MISSING): JobState.WAITING,
        (JobState.STORED, JobEvent.POSTPONED): JobState.STORED,
        (JobState.STORED, JobEvent.GAVE_UP): JobState.FAILED,
    }
)

#: Nobody has it in hand: it may be claimed once its time has come.
IDLE: frozenset[JobState] = frozenset({JobState.WAITING, JobState.STORED})
#: A worker holds it, until its lease ends.
HELD: frozenset[JobState] = frozenset({JobState.RUNNING, JobState.PROVING})
#: Something is still to be done.
OPEN: frozenset[JobState] = IDLE | HELD

#: Dispositions: nothing more happens by itself.
FINAL: frozenset[StudyState] = frozenset({_S.REPORTED, _S.NOT_ANALYSABLE, _S.IGNORED, _S.FAILED})


def next_study_state(state: StudyState, event: StudyEvent) -> StudyState:
    """Return where `event` takes a study that is in `state`; raise NotAllowed where it cannot happen."""
    try:
        return STUDY_TRANSITIONS[state, event]
    except KeyError:
        raise NotAllowed(f"a study that is {state} cannot be {event}") from None


def next_job_state(state: JobState, event: JobEvent) -> JobState:
    """Return where `event` takes a job that is in `state`; raise NotAllowed where it cannot happen."""
    try:
        return JOB_TRANSITIONS[state, event]
    except KeyError:
        raise NotAllowed(f"a job that is {state} cannot be {event}") from None

"""What the ledger answers with: frozen rows. Times are seconds since the epoch, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from service.messages import JobKind
from service.states import JobState, StudyState

#: `unsettled_since` of a study that somebody asked to be settled without waiting.
AT_ONCE: Final = 0.0
#: The kind of object that every destination must get; a destination may decline the others.
SR: Final = "sr"
#: The kind of object that reports and overlays refer to, so it goes before them.
SAGITTAL: Final = "sagittal"
#: The kind of object that takes others back (IHE RAD IOCM); no measuring makes it.
REJECTION: Final = "rejection"


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """One study."""

    id: int
    #: Name of its folder in the spool; the only identifier that may appear in a log.
    key: str
    study_instance_uid: str
    state: StudyState
    #: Coded reason (not analysable), rule (ignored) or message (failed).
    reason: str | None
    #: Who must act, where the state is failed; "admin" where it is an administrator who ignored it.
    who: str | None
    #: Name of the configured source, else the calling AE title.
    source: str
    #: Number of the newest revision; 0 before the first.
    revision: int
    #: What the newest revision was made of.
    fingerprint: str | None
    first_received_at: float
    last_received_at: float
    #: An open association delivers to this study until then (it is renewed while it is open).
    held_until: float
    #: When it was last found complete.
    settled_at: float | None
    #: Since when something waits to be settled; None where nothing does, AT_ONCE where somebody asked not to wait.
    unsettled_since: float | None = None
    #: How often an arrival was noted, resent objects included.
    arrivals: int = 0
    updated_at: float
    #: Digest of the landmarks document that was handed in last: what is measured from now on is measured with it.
    document: str | None = None
    #: How urgent it is: the higher goes first.
    priority: int = 1
    #: Names of the destinations that it goes to, with commas between them; None is all.
    destinations: str | None = None


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What was decided of a study when it was taken; `said` is for its story, empty where it is not worth a word."""

    priority: int
    destinations: str | None
    said: str


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """One piece of work."""

    id: int
    kind: JobKind
    study_id: int
    revision: int
    #: Where a delivery goes.
    destination: str | None
    #: The object that a delivery is to send; once it is done, the alternative that was stored.
    report_id: int | None
    state: JobState
    attempts: int
    #: Tries that ended in a fault of ours.
    faults: int
    not_before: float
    enqueued_at: float | None
    lease_until: float | None
    worker: str | None
    #: Why the last try did not finish.
    error: str | None
    created_at: float
    #: When the destination last said that it stored the object.
    stored_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class NewReport:
    """An object to be entered; its bytes lie in the study's spool folder under `file_name`."""

    kind: str
    #: Of several alternatives of one kind: 0 is preferred.
    choice: int = 0
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    file_name: str
    #: SHA-256, hex, of the findings that it states.
    findings_digest: str
    predecessor_uid: str | None
    #: Why it must not be sent: what the gate found.
    finding: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReportRow(NewReport):
    """One object that was entered."""

    id: int
    study_id: int
    revision: int
    created_at: float


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A job that this worker holds. Every write made under it is refused once another worker has taken over."""

    job: JobRow
    study: StudyRow
    #: Start of the analysis of this revision: the same for every try, so a retry makes the same bytes.
    started_at: float
    #: Digest of the landmarks document that this revision is measured with, and when it was first measured with.
    document: str | None = None
    document_since: float | None = None
    #: What the revision is made of is what the one before it was made of: somebody asked for another report.
    anew: bool = False
    #: What a delivery may send, the preferred one first: alternatives of one kind.
    choices: tuple[ReportRow, ...] = ()
    #: Of which a try of this job ended without the destination's word: file names, and since when it may be there.
    perhaps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A landmarks document that is durable in the spool."""

    digest: str
    #: False where it lay there already.
    new: bool
    #: Of the objects that lay beside it.
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Supplied:
    """What became of a landmarks document that was handed in."""

    #: The study as it is now.
    study: StudyRow
    digest: str
    #: False where it is the document that counted already: nothing was changed.
    changed: bool
    #: What is now to be done; None where nothing was changed, or the study is still received.
    job: JobRow | None = None


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What an earlier revision was reported with."""

    #: All of its objects.
    made: tuple[ReportRow, ...]
    #: Of each destination the structured report that it has, the newest first: a new one replaces these.
    arrived: tuple[ReportRow, ...]


@dataclass(frozen=True, kw_only=True)
class DeliveryRow:
    """One delivery of an object to a destination; sent again, the same object has a second one."""

    report_id: int
    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    destination: str
    state: JobState
    attempts: int
    not_before: float
    error: str | None
    delivered_at: float | None
    #: What the destination said, and what proved it; None where it never said that it stored the object.
    proof: str | None = None


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """One thing that happened to a study. `detail` never holds patient data."""

    at: float
    event: str
    detail: str
    #: "node", a worker's name, "admin", or "api".
    actor: str


@dataclass(frozen=True, kw_only=True)
class StudyDetail:
    """All that is known of one study."""

    study: StudyRow
    jobs: tuple[JobRow, ...]
    reports: tuple[ReportRow, ...]
    deliveries: tuple[DeliveryRow, ...]
    events: tuple[EventRow, ...]

"""The contract of the ledger, SQLite and PostgreSQL alike: landmarks documents that are handed in."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from ledgers import arrive, claim, deliver, event_names, finish, measure, settle, study_of

from service.errors import OutOfSpace
from service.ledger import JobRow, Kept, Ledger, Supplied
from service.messages import JobKind
from service.states import JobState, NotAllowed, StudyState

A, B = "a" * 32, "b" * 32


def kept(digest: str = A, *, new: bool = True, fingerprint: str = "f") -> Callable[[], Kept]:
    """Return what stands for the writing of a document."""
    return lambda: Kept(digest=digest, new=new, fingerprint=fingerprint)


def supply(ledger: Ledger, digest: str = A, *, new: bool = True, now: float = 200.0) -> Supplied:
    """Hand in a document for the one study."""
    return ledger.documents.supply(study_of(ledger).id, keep=kept(digest, new=new), now=now)


def asked_for(ledger: Ledger) -> JobRow:
    """Hand in a document; return the job that it asks for."""
    job = supply(ledger).job
    assert job is not None
    return job


def _not_analysable(ledger: Ledger) -> None:
    held = claim(ledger, settle(ledger))
    ledger.jobs.finish_measure(held, findings="{}", reason="NO_LANDMARKS", objects=(), wanted={}, now=150.0)


BEGUN: dict[StudyState, Callable[[Ledger], object]] = {
    StudyState.QUEUED: settle,
    StudyState.MEASURING: lambda ledger: claim(ledger, settle(ledger)),
    StudyState.DELIVERING: measure,
    StudyState.REPORTED: lambda ledger: deliver(ledger, measure(ledger)[0]),
    StudyState.NOT_ANALYSABLE: _not_analysable,
    StudyState.FAILED: lambda ledger: ledger.jobs.give_up(claim(ledger, settle(ledger)), who="x", why="y", now=150.0),
}


def never() -> Kept:
    """Fail where a document is written that nobody may write."""
    pytest.fail("the document was written")


@pytest.mark.parametrize("state", BEGUN)
def test_a_document_asks_for_a_revision(ledger: Ledger, state: StudyState) -> None:
    """Whatever became of a study: it is queued at once, as a new revision of what the spool holds and the document.

    Exactly one job may then be claimed: nothing of an older revision waits.
    """
    BEGUN[state](ledger)
    assert state is study_of(ledger).state
    supplied = supply(ledger)

    row = study_of(ledger)
    assert supplied == Supplied(study=row, digest=A, changed=True, job=ledger.admin.study("1.2.3").jobs[-1])
    assert (StudyState.QUEUED, 2, A, "f", None) == (row.state, row.revision, row.document, row.fingerprint, row.reason)
    event = ledger.admin.study("1.2.3").events[-1]
    assert ("supplied", f"landmarks {A}", "api") == (event.event, event.detail, event.actor)
    (job,) = ledger.jobs.due(now=1e6, requeue_s=0.0)
    held = claim(ledger, job, now=1e6)
    assert (JobKind.MEASURE, 2, A, 200.0) == (held.job.kind, held.job.revision, held.document, held.started_at)


def test_what_is_measured_without_the_document_is_no_longer_wanted(ledger: Ledger) -> None:
    """The worker that measures at that moment writes nothing any more; the next one measures with the document."""
    stale = claim(ledger, settle(ledger))
    assert stale.document is None
    job = asked_for(ledger)

    assert [] == finish(ledger, stale)
    assert not ledger.jobs.renew(stale, now=201.0, lease_s=15.0)
    assert (StudyState.QUEUED, ()) == (study_of(ledger).state, ledger.admin.study("1.2.3").reports)
    assert 1 == len(finish(ledger, claim(ledger, job, now=202.0), now=203.0))


def test_a_report_that_is_being_sent_may_arrive(ledger: Ledger) -> None:
    """A delivery that runs ends as it ends, so that the next report can name it as its predecessor."""
    sending = claim(ledger, measure(ledger)[0], now=160.0)
    supply(ledger)

    assert ledger.jobs.finish_delivery(sending, detail="0x0000", now=201.0)
    assert StudyState.QUEUED is study_of(ledger).state
    assert ledger.admin.last_report(study_of(ledger).id, before_revision=2) is not None


def test_the_same_document_again_changes_nothing(ledger: Ledger) -> None:
    """No second revision, no event: a caller that got no answer may ask again."""
    _not_analysable(ledger)
    supply(ledger)
    before = ledger.admin.study("1.2.3")
    again = supply(ledger, new=False)

    assert Supplied(study=before.study, digest=A, changed=False) == again
    assert before == ledger.admin.study("1.2.3")


def test_a_document_whose_file_was_lost_is_put_again(ledger: Ledger) -> None:
    """The ledger knows it and the spool had lost it: it is measured again."""
    _not_analysable(ledger)
    supply(ledger)

    assert supply(ledger, new=True).changed
    assert 3 == study_of(ledger).revision


def test_a_newer_document_replaces_the_older(ledger: Ledger) -> None:
    """Each has its revision, and the one that was handed in last counts; an earlier one may come back."""
    _not_analysable(ledger)
    for digest in (A, B, A):
        supply(ledger, digest, new=digest is B)

    assert (4, A) == (study_of(ledger).revision, study_of(ledger).document)
    assert ["supplied"] * 3 == event_names(ledger)[-3:]


def test_a_document_waits_for_a_study_that_is_received(ledger: Ledger) -> None:
    """Nothing is measured before the study is complete; then its first revision is measured with the document."""
    arrive(ledger, now=100.0)
    supplied = supply(ledger, now=101.0)
    assert (StudyState.RECEIVING, 0, None) == (supplied.study.state, supplied.study.revision, supplied.job)

    held = claim(ledger, settle(ledger, now=130.0), now=131.0)
    assert (1, A) == (held.job.revision, held.document)


def test_late_objects_are_measured_with_the_document(ledger: Ledger) -> None:
    """What a person reviewed does not count less because a slice came late."""
    _not_analysable(ledger)
    supply(ledger)
    held = claim(ledger, settle(ledger, now=300.0), now=301.0)

    assert (3, A) == (held.job.revision, held.document)


def test_a_retry_measures_with_the_same_document(ledger: Ledger) -> None:
    """Measured again, a revision is made of what it was made of before."""
    _not_analysable(ledger)
    held = claim(ledger, asked_for(ledger), now=201.0)
    ledger.jobs.give_up(held, who="x", why="y", now=202.0)

    assert A == claim(ledger, ledger.admin.retry("1.2.3", now=203.0)[0], now=204.0).document


@pytest.mark.parametrize(
    ("who", "words"),
    [("admin", "`spondyl retry` takes it back"), ("rule", r"took this study out \(own_report\): send")],
)
def test_a_study_that_was_taken_out_takes_no_landmarks(ledger: Ledger, who: str, words: str) -> None:
    """The words say what to do first, and the document is not written."""
    study = arrive(ledger)
    if who == "admin":
        ledger.admin.ignore("1.2.3", why="phantom", now=101.0)
    else:
        ledger.arrivals.ignore(study.id, rule="own_report", now=101.0)

    with pytest.raises(NotAllowed, match=words):
        ledger.documents.supply(study.id, keep=never, now=200.0)
    assert ledger.documents.supply_unheard(study.id, newest=never, now=200.0) is None


def test_a_study_whose_files_were_removed_takes_no_landmarks(ledger: Ledger) -> None:
    """There is nothing left to measure; its document went with its files, and does not count when it is sent again."""
    measure(ledger, destinations=())
    finish(ledger, claim(ledger, asked_for(ledger), now=201.0), destinations=(), now=202.0)
    study = study_of(ledger)
    assert ledger.admin.forget_files(study.id, remove=lambda: True, now=900.0)

    with pytest.raises(NotAllowed, match="removed for their age: send it again, then its landmarks"):
        ledger.documents.supply(study.id, keep=never, now=901.0)
    assert claim(ledger, settle(ledger, now=1000.0), now=1001.0).document is None


def test_a_document_that_cannot_be_written_counts_for_nothing(ledger: Ledger) -> None:
    """The disk is full: the study stays as it was."""
    _not_analysable(ledger)
    before = ledger.admin.study("1.2.3")

    def full() -> Kept:
        raise OutOfSpace("no room")

    with pytest.raises(OutOfSpace):
        ledger.documents.supply(before.study.id, keep=full, now=200.0)
    assert before == ledger.admin.study("1.2.3")


def test_of_many_that_hand_in_the_same_one_makes_a_revision(ledger_url: str, ledger: Ledger) -> None:
    """Eight callers at the same moment: one revision, one job; each is told the same study."""
    _not_analysable(ledger)
    study = study_of(ledger)
    gate, written = threading.Barrier(8), set[str]()

    def keep() -> Kept:
        new = A not in written
        written.add(A)
        return Kept(digest=A, new=new, fingerprint="f")

    def hand_in(_: int) -> Supplied:
        other = Ledger.open(ledger_url)
        try:
            gate.wait()
            return other.documents.supply(study.id, keep=keep, now=200.0)
        finally:
            other.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(hand_in, range(8)))

    assert [False] * 7 + [True] == sorted(answer.changed for answer in answers)
    assert {2} == {answer.study.revision for answer in answers}
    assert [JobState.DONE, JobState.WAITING] == [job.state for job in ledger.admin.study("1.2.3").jobs]


# ---- what the ledger never heard of


def test_a_document_that_was_never_heard_of_is_made_to_count(ledger: Ledger) -> None:
    """Its writer died between file and ledger: it asks for its revision now, as the node's own act."""
    _not_analysable(ledger)
    assert not ledger.documents.knows(study_of(ledger).id, A)
    supplied = ledger.documents.supply_unheard(study_of(ledger).id, newest=kept(new=False), now=200.0)

    assert supplied is not None
    assert (A, 2, "node") == (
        study_of(ledger).document,
        supplied.study.revision,
        ledger.admin.study("1.2.3").events[-1].actor,
    )
    assert ledger.documents.knows(study_of(ledger).id, A)


def test_an_older_document_that_looks_newer_does_not_come_back(ledger: Ledger) -> None:
    """The clock was set back, or files were copied without their dates: what was heard of once is not counted again."""
    arrive(ledger, now=100.0)
    supply(ledger, A)
    supply(ledger, B)
    settle(ledger, now=130.0)

    assert ledger.documents.supply_unheard(study_of(ledger).id, newest=kept(A, new=False), now=200.0) is None
    assert ledger.documents.supply_unheard(study_of(ledger).id, newest=lambda: None, now=200.0) is None
    assert (B, 1) == (study_of(ledger).document, study_of(ledger).revision)

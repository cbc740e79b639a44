"""Settling and reconciling over a real spool and a real ledger: whatever one of them missed, the study goes its way."""

import errno
import io
import math
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ledgers import arrive, claim, event_names, finish, settle, study_of
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian
from structlog.testing import capture_logs

from service.config import Settings
from service.errors import Unavailable
from service.ledger import Admin, JobRow, Ledger
from service.reconcile import Reconciler, Repairs
from service.retention import remove_expired
from service.settle import Settler
from service.spool import Spool, Stored, study_key
from service.states import JobState, StudyState

DAY_S = 86_400.0
KEY = study_key("1.2.3")


@dataclass
class Broker:
    """A broker that remembers what it was given, and can be down."""

    down: bool = False
    taken: list[int] = field(default_factory=list)

    def __call__(self, job: JobRow) -> None:
        """Take a message."""
        if self.down:
            raise Unavailable("the broker does not answer")
        self.taken.append(job.id)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Return an empty spool."""
    spool = Spool(tmp_path / "node")
    spool.prepare()
    return spool


@pytest.fixture
def broker() -> Broker:
    """Return a broker that is up."""
    return Broker()


@pytest.fixture
def settler(ledger: Ledger, spool: Spool, broker: Broker) -> Settler:
    """Return the settle pass, with the default policy: 30 s quiet, an hour at most."""
    return Settler(ledger=ledger, spool=spool, study=Settings().study, dispatch=broker)


@pytest.fixture
def reconciler(ledger: Ledger, spool: Spool, broker: Broker) -> Reconciler:
    """Return the reconciler: messages again after 20 s, three deaths, thirty days."""
    return Reconciler(ledger=ledger, spool=spool, settings=Settings(), dispatch=broker)


def dicom(uid: str, instance: str) -> bytes:
    """Return a small DICOM file of a study."""
    data = Dataset()
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.SOPInstanceUID = instance
    data.StudyInstanceUID = uid
    data.SeriesInstanceUID = "1.2.3.4"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


def store(spool: Spool, instance: str = "1.2.3.4.1", *, uid: str = "1.2.3", at: float, own: bool = False) -> Stored:
    """Put an object into the spool at a given time; the ledger hears nothing of it."""
    stored = spool.store(
        study_instance_uid=uid, sop_instance_uid=instance, header=b"", data=dicom(uid, instance), own=own
    )
    os.utime(stored.path, (at, at))
    return stored


# ---- settling


def test_a_complete_study_is_measured(ledger: Ledger, spool: Spool, settler: Settler, broker: Broker) -> None:
    """After its quiet period: one revision of what the spool holds, one job, one message, noted as sent."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0)

    assert [0, 1, 0] == [settler.run(129.9), settler.run(130.0), settler.run(130.5)]
    row = study_of(ledger)
    assert (StudyState.QUEUED, 1, spool.fingerprint(KEY)) == (row.state, row.revision, row.fingerprint)
    job = ledger.admin.study("1.2.3").jobs[0]
    assert ([job.id], 130.0) == (broker.taken, job.enqueued_at)


def test_the_next_pass_knows_when_it_is_due(ledger: Ledger, spool: Spool, settler: Settler) -> None:
    """When the first of two studies is complete, then the second; never once nothing waits."""
    for uid, at in (("1.2.3", 100.0), ("1.2.4", 110.0)):
        store(spool, uid=uid, at=at)
        ledger.arrivals.note(key=study_key(uid), study_instance_uid=uid, source="ct1", now=at, held_until=0.0)
    due = [settler.due(now) for now in (110.0, 130.0)]
    settler.run(140.0)

    assert [130.0, 140.0, math.inf] == [*due, settler.due(140.0)]


def test_of_many_studies_none_makes_a_pass_come_sooner(ledger: Ledger, settler: Settler) -> None:
    """Nobody waits for one of them in particular: a pass for each would keep the node busy."""
    for number in range(9):
        uid = f"1.2.{number}"
        ledger.arrivals.note(key=study_key(uid), study_instance_uid=uid, source="ct1", now=100.0, held_until=0.0)

    assert math.inf == settler.due(110.0)


def test_a_study_that_is_sent_twice_is_measured_once(ledger: Ledger, spool: Spool, settler: Settler) -> None:
    """The same objects again: looked at, found unchanged, and that is said."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0)
    settler.run(130.0)
    store(spool, at=200.0)
    arrive(ledger, now=200.0)

    assert 0 == settler.run(230.0)
    assert (1, None) == (study_of(ledger).revision, study_of(ledger).unsettled_since)
    assert ["received", "settled", "unchanged"] == event_names(ledger)


def test_an_object_that_comes_late_makes_a_revision(ledger: Ledger, spool: Spool, settler: Settler) -> None:
    """Something new in the spool: revision 2."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0)
    settler.run(130.0)
    store(spool, "1.2.3.4.2", at=200.0)
    arrive(ledger, now=200.0)

    assert 1 == settler.run(230.0)
    assert 2 == study_of(ledger).revision


def test_an_object_that_comes_while_measuring_is_not_forgotten(ledger: Ledger, spool: Spool, settler: Settler) -> None:
    """It waits until the worker has ended, then it makes revision 2."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0)
    settler.run(130.0)
    held = claim(ledger, ledger.admin.study("1.2.3").jobs[0], now=131.0)
    store(spool, "1.2.3.4.2", at=132.0)
    arrive(ledger, now=132.0)

    assert 0 == settler.run(170.0)
    finish(ledger, held, now=171.0)
    assert 1 == settler.run(172.0)
    assert 2 == study_of(ledger).revision


def test_our_own_report_alone_is_ignored(ledger: Ledger, spool: Spool, settler: Settler, broker: Broker) -> None:
    """The PACS routes our report back after the study is gone from the ledger: ignored by rule, no loop."""
    store(spool, at=100.0, own=True)
    arrive(ledger, now=100.0)

    assert 0 == settler.run(130.0)
    assert (StudyState.IGNORED, "own_report", []) == (
        study_of(ledger).state,
        study_of(ledger).reason,
        broker.taken,
    )


def test_a_study_whose_folder_was_lost_waits_to_be_sent_again(ledger: Ledger, spool: Spool, settler: Settler) -> None:
    """Spool lost, ledger kept: the rule says so; sent again, the study is measured."""
    arrive(ledger, now=100.0)
    assert 0 == settler.run(130.0)
    assert (StudyState.IGNORED, "spool_empty") == (study_of(ledger).state, study_of(ledger).reason)
    store(spool, at=200.0)
    arrive(ledger, now=200.0)

    assert 1 == settler.run(230.0)
    assert StudyState.QUEUED is study_of(ledger).state


def test_our_own_report_beside_the_images_changes_nothing(ledger: Ledger, spool: Spool, settler: Settler) -> None:
    """The PACS routes our report back into a study that is reported: unchanged."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0)
    settler.run(130.0)
    finish(ledger, claim(ledger, ledger.admin.study("1.2.3").jobs[0]), destinations=())
    store(spool, "2.25.1", at=200.0, own=True)
    arrive(ledger, now=200.0)

    assert 0 == settler.run(230.0)
    assert (StudyState.REPORTED, 1) == (study_of(ledger).state, study_of(ledger).revision)


def test_images_that_come_after_our_own_report_are_measured(ledger: Ledger, spool: Spool, settler: Settler) -> None:
    """What the rule took out is looked at again when something else comes."""
    store(spool, at=100.0, own=True)
    arrive(ledger, now=100.0)
    settler.run(130.0)
    store(spool, "1.2.3.4.2", at=200.0)
    arrive(ledger, now=200.0)

    assert 1 == settler.run(230.0)
    assert StudyState.QUEUED is study_of(ledger).state


def test_what_an_administrator_ignored_is_not_measured(ledger: Ledger, spool: Spool, settler: Settler) -> None:
    """Objects that still come are noted, and that is all."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0)
    ledger.admin.ignore("1.2.3", why="phantom", now=101.0)
    store(spool, "1.2.3.4.2", at=200.0)
    arrive(ledger, now=200.0)

    assert 0 == settler.run(230.0)
    assert (StudyState.IGNORED, "phantom") == (study_of(ledger).state, study_of(ledger).reason)
    assert [] == ledger.arrivals.unsettled()


def test_who_asks_to_settle_is_served_by_the_next_pass(ledger: Ledger, spool: Spool, settler: Settler) -> None:
    """Though an association is open and the quiet period has not passed."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0, held_until=115.0)
    ledger.admin.settle_now("1.2.3", now=101.0)

    assert 1 == settler.run(101.1)


def test_a_broker_that_is_down_costs_no_study(
    ledger: Ledger, spool: Spool, settler: Settler, broker: Broker, reconciler: Reconciler
) -> None:
    """The job is in the ledger; when the broker is back the reconciler sends it, once."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0)
    broker.down = True
    assert 1 == settler.run(130.0)
    assert 0 == reconciler.run(131.0, whole_spool=False).enqueued
    broker.down = False

    assert [1, 0] == [reconciler.run(now, whole_spool=False).enqueued for now in (132.0, 134.0)]
    assert [ledger.admin.study("1.2.3").jobs[0].id] == broker.taken


def test_a_folder_that_cannot_be_read_keeps_nobody_waiting(
    ledger: Ledger, spool: Spool, settler: Settler, tmp_path: Path
) -> None:
    """The disk fails under one study: it waits for the next pass, the others are settled."""
    for uid in ("1.2.3", "1.2.4"):
        store(spool, uid=uid, at=100.0)
        arrive(ledger, uid, now=100.0)
    folder = tmp_path / "node" / "spool" / KEY[:2] / KEY
    aside = folder.rename(tmp_path / "aside")
    folder.touch()

    assert 1 == settler.run(130.0)
    assert [StudyState.RECEIVING, StudyState.QUEUED] == [study_of(ledger, uid).state for uid in ("1.2.3", "1.2.4")]
    folder.unlink()
    aside.rename(folder)
    assert 1 == settler.run(130.5)


# ---- spool and ledger


def test_a_study_that_the_ledger_never_heard_of_is_found(
    ledger: Ledger, spool: Spool, settler: Settler, reconciler: Reconciler
) -> None:
    """The listener was killed between fsync and note: the study is entered as of when its newest object came."""
    store(spool, at=100.0)
    store(spool, "1.2.3.4.2", at=103.0)

    assert Repairs(noted=1) == reconciler.run(500.0)
    row = study_of(ledger)
    assert ("1.2.3", "spool", 103.0, StudyState.RECEIVING) == (
        row.study_instance_uid,
        row.source,
        row.last_received_at,
        row.state,
    )
    assert 1 == settler.run(500.0)


def test_an_object_that_the_ledger_never_heard_of_is_found(
    ledger: Ledger, spool: Spool, settler: Settler, reconciler: Reconciler
) -> None:
    """A late object of a study that is reported, and the listener was killed: it makes revision 2."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0)
    settler.run(130.0)
    finish(ledger, claim(ledger, ledger.admin.study("1.2.3").jobs[0]), destinations=())
    store(spool, "1.2.3.4.2", at=200.0)

    assert 1 == reconciler.run(500.0).noted
    assert 1 == settler.run(500.0)
    assert 2 == study_of(ledger).revision


def test_what_the_ledger_knows_is_not_noted_again(ledger: Ledger, spool: Spool, reconciler: Reconciler) -> None:
    """Nothing is amiss: nothing is written."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0)
    before = study_of(ledger)

    assert [Repairs(), Repairs()] == [reconciler.run(now) for now in (500.0, 1100.0)]
    assert before == study_of(ledger)


def test_a_file_from_the_future_is_as_new_as_now(ledger: Ledger, spool: Spool, reconciler: Reconciler) -> None:
    """The clock was set back: an object that is dated later does not wait for that time."""
    store(spool, at=9e9)
    reconciler.run(500.0)

    assert 500.0 == study_of(ledger).last_received_at


def test_a_folder_of_no_study_is_left_alone(
    ledger: Ledger, spool: Spool, reconciler: Reconciler, tmp_path: Path
) -> None:
    """Files that say nothing, or belong to another study, are no study of ours; an empty folder neither."""
    stored = store(spool, at=100.0)
    stored.path.write_bytes(dicom("9.9.9", "9.9.9.1"))
    (tmp_path / "node" / "spool" / "00" / ("0" * 32)).mkdir(parents=True)

    assert Repairs() == reconciler.run(500.0)
    assert [] == ledger.admin.studies()


def test_one_folder_that_cannot_be_read_keeps_nobody_waiting(
    ledger: Ledger, spool: Spool, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails under one study: the others are noted, retention goes on, and the log names the folder."""
    _reported(ledger, spool, at=1000.0)
    now = 1000.0 + 40 * DAY_S
    store(spool, uid="1.2.4", at=now)
    store(spool, uid="1.2.5", at=now)
    broken, newest = study_key("1.2.4"), Spool.newest

    def failing(self: Spool, key: str) -> float | None:
        if key == broken:
            raise OSError(errno.EIO, "Input/output error")
        return newest(self, key)

    monkeypatch.setattr(Spool, "newest", failing)
    with capture_logs() as said:
        assert Repairs(noted=1, removed=1) == reconciler.run(now)
    unreadable = [(line["study"], line["why"]) for line in said if line["action"] == "spool_unreadable"]
    assert [(broken, "Input/output error")] == unreadable


def test_landmarks_that_nobody_counted_are_counted_once(ledger: Ledger, spool: Spool, reconciler: Reconciler) -> None:
    """Whoever wrote them died: with them the study is measured again, in the same pass as it is found."""
    _reported(ledger, spool, at=100.0)
    spool.write_document(KEY, b"{}")

    assert [Repairs(supplied=1, enqueued=1), Repairs()] == [reconciler.run(now) for now in (500.0, 501.0)]
    assert (StudyState.QUEUED, spool.newest_document(KEY)) == (study_of(ledger).state, study_of(ledger).document)


def test_landmarks_of_a_study_that_was_taken_out_are_left_alone(
    ledger: Ledger, spool: Spool, reconciler: Reconciler
) -> None:
    """What an administrator ignored stays so, pass after pass."""
    store(spool, at=100.0)
    arrive(ledger, now=100.0)
    ledger.admin.ignore("1.2.3", why="phantom", now=101.0)
    spool.write_document(KEY, b"{}")

    assert [Repairs(), Repairs()] == [reconciler.run(now) for now in (500.0, 501.0)]


def test_landmarks_of_a_study_that_the_ledger_lost_wait_for_it(
    ledger: Ledger, spool: Spool, settler: Settler, reconciler: Reconciler
) -> None:
    """Spool kept, ledger lost: the study is entered, and measured with the landmarks that were put for it."""
    store(spool, at=100.0)
    spool.write_document(KEY, b"{}")

    assert Repairs(noted=1, supplied=1) == reconciler.run(500.0)
    assert 1 == settler.run(530.0)
    assert spool.newest_document(KEY) == claim(ledger, ledger.admin.study("1.2.3").jobs[0], now=531.0).document


# ---- jobs


def test_a_dead_worker_is_found_and_its_job_sent_in_one_pass(
    ledger: Ledger, reconciler: Reconciler, broker: Broker
) -> None:
    """Lease ended: the job waits again and has its message, nobody had to wait for the next pass."""
    held = claim(ledger, settle(ledger), now=140.0, lease_s=15.0)

    assert Repairs(lost=1, enqueued=1) == reconciler.run(160.0, whole_spool=False)
    assert [held.job.id] == broker.taken


def test_the_third_death_is_the_last(ledger: Ledger, reconciler: Reconciler, broker: Broker) -> None:
    """max_attempts = 3: then the study has failed and no message is sent."""
    job = settle(ledger)
    for start in (200.0, 300.0):
        claim(ledger, job, now=start)
        reconciler.run(start + 50, whole_spool=False)
    claim(ledger, job, now=400.0)

    with capture_logs() as said:
        assert Repairs(lost=1) == reconciler.run(450.0, whole_spool=False)
    assert (StudyState.FAILED, [job.id, job.id]) == (study_of(ledger).state, broker.taken)
    assert ("job_given_up", KEY, job.id) == (said[0]["action"], said[0]["study"], said[0]["job"])


def test_a_message_that_was_lost_is_sent_again(ledger: Ledger, reconciler: Reconciler, broker: Broker) -> None:
    """The broker forgot all: every job that waits has a new message after the requeue time."""
    jobs = [settle(ledger, f"1.{n}").id for n in range(3)]

    runs = [reconciler.run(now, whole_spool=False).enqueued for now in (131.0, 133.0, 150.9, 151.0)]
    assert [3, 0, 0, 3] == runs
    assert jobs * 2 == broker.taken


# ---- retention


def _reported(ledger: Ledger, spool: Spool, *, at: float) -> None:
    store(spool, at=at)
    finish(ledger, claim(ledger, settle(ledger, now=at), now=at), destinations=(), now=at)


def test_what_is_done_and_old_leaves_the_spool(ledger: Ledger, spool: Spool, reconciler: Reconciler) -> None:
    """Thirty days after the last change the folder goes, once; the ledger keeps what was decided."""
    _reported(ledger, spool, at=1000.0)

    days = (29.9, 30.1, 31.0)
    assert [0, 1, 0] == [reconciler.run(1000.0 + day * DAY_S).removed for day in days]
    assert ([], StudyState.REPORTED) == (list(spool.keys()), study_of(ledger).state)
    assert "spool removed" == event_names(ledger)[-1]


def test_a_report_of_ours_that_comes_back_after_the_removal_goes_too(
    ledger: Ledger, spool: Spool, reconciler: Reconciler
) -> None:
    """The PACS routes it to a study that retention removed: it stays as long as any object would, not for ever."""
    _reported(ledger, spool, at=1000.0)
    removed = 1000.0 + 31 * DAY_S
    assert 1 == reconciler.run(removed).removed
    store(spool, "2.25.1", at=removed, own=True)

    days = (1.0, 29.9, 30.1, 31.0)
    assert [0, 0, 1, 0] == [reconciler.run(removed + day * DAY_S).removed for day in days]
    assert [] == list(spool.keys())


def test_retention_takes_no_object_that_the_ledger_does_not_know(ledger: Ledger, spool: Spool) -> None:
    """An object became durable a moment ago and is not noted yet: the folder stays."""
    _reported(ledger, spool, at=1000.0)
    now = 1000.0 + 40 * DAY_S
    store(spool, "1.2.3.4.2", at=now)

    assert 0 == remove_expired(ledger, spool, retention_days=30, now=now)
    assert 2 == len(spool.files(KEY))


def test_who_sends_does_not_wait_for_retention(
    ledger: Ledger, spool: Spool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Thousands of files are removed once the ledger is free for others: SQLite has one lock for all of it."""
    _reported(ledger, spool, at=1000.0)
    tree, seen = shutil.rmtree, []

    def remove(path: Path, *, ignore_errors: bool) -> None:
        arrive(ledger, "1.2.4", now=2000.0)
        seen.append(event_names(ledger)[-1])
        tree(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", remove)
    assert 1 == remove_expired(ledger, spool, retention_days=30, now=1000.0 + 40 * DAY_S)
    assert (["spool removed"], []) == (seen, list((tmp_path / "node" / "incoming").iterdir()))


def test_retention_takes_no_files_of_a_study_that_somebody_has_just_asked_for(
    ledger: Ledger, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator's order came after the look for what is old, and before the removal: the files are needed."""
    _reported(ledger, spool, at=1000.0)
    now = 1000.0 + 40 * DAY_S
    old = ledger.admin.expired(before=now)
    ledger.admin.retry("1.2.3", now=now)
    monkeypatch.setattr(Admin, "expired", lambda _self, **_: old)

    assert 0 == remove_expired(ledger, spool, retention_days=30, now=now)
    assert 1 == len(spool.files(KEY))


def test_what_fails_stays_a_failure(ledger: Ledger, reconciler: Reconciler) -> None:
    """A job that failed is no work for the reconciler: somebody named must act."""
    ledger.jobs.give_up(claim(ledger, settle(ledger)), who="the sender", why="no pixels", now=150.0)

    assert Repairs() == reconciler.run(1e5, whole_spool=False)
    assert JobState.FAILED is ledger.admin.study("1.2.3").jobs[0].state


def test_a_ledger_that_does_not_answer_is_said_to_the_caller(spool: Spool, sqlite_url: str) -> None:
    """A pass does not swallow it: the steward logs it and comes again."""
    ledger = Ledger.open(sqlite_url)
    ledger.close()
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    file.unlink()
    file.mkdir()

    with pytest.raises(Unavailable, match="the ledger does not answer"):
        Settler(ledger=ledger, spool=spool, study=Settings().study, dispatch=Broker()).run(1.0)

"""One measure job from claim to outcome, over a real ledger and a real spool."""

import json
import random
import time
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pydicom
import pytest
from ledgers import claim
from report_samples import STUDY, ct_slice, report_bytes
from spooled import IMAGE, KEY, file_of, landmarks, store

from service.broker import celery_app
from service.config import Report, Settings, Storage, Study
from service.config_peers import Destination
from service.dispatch import Dispatcher
from service.landmarks import supply
from service.ledger import Claim, JobRow, Ledger
from service.ledger.rows import Decided
from service.spool import Spool
from service.states import JobState, StudyState
from service.wiring import Node
from workers import measuring
from workers.boundary import work_on
from workers.document_format import FORMAT
from workers.measuring import measure_job
from workers.pipeline import Outcome, measure_files

NOW = 200.0


@pytest.fixture
def ledger_url(sqlite_url: str) -> str:
    """Give a SQLite ledger alone: what this job asks of a ledger is asked of both kinds in test_ledger_objects.py."""
    return sqlite_url


@pytest.fixture
def node(ledger: Ledger, tmp_path: Path) -> Node:
    """Open a node with two destinations whose broker is away."""
    pacs = [Destination(name=name, ae_title="PACS", host="127.0.0.1", port=104) for name in ("one", "two")]
    one_class = Report(sop_classes=("comprehensive_3d",))
    settings = Settings(storage=Storage(root=tmp_path), destinations=tuple(pacs), report=one_class)
    spool = Spool(tmp_path)
    spool.prepare()
    dispatch = Dispatcher(celery_app(settings))
    return Node(settings=settings, ledger=ledger, spool=spool, dispatch=dispatch, clock=lambda: NOW)


def supplied() -> bytes:
    """Return the sample report as another maker's: a source of landmarks."""
    report = pydicom.dcmread(BytesIO(report_bytes("patient")))
    report.Manufacturer = "Somebody"
    out = BytesIO()
    report.save_as(out)
    return out.getvalue()


def _claimed(node: Node, *files: bytes, now: float = 100.0) -> Claim:
    for file in files:
        store(node.spool, file)
    study = node.ledger.arrivals.note(key=KEY, study_instance_uid=STUDY, source="ct", now=now, held_until=0)
    job = node.ledger.arrivals.settle(study.id, fingerprint=node.spool.fingerprint(KEY), now=now)
    assert job is not None
    return claim(node.ledger, job, now=now)


def _delivered(node: Node, jobs: list[JobRow]) -> None:
    for job in jobs:
        assert node.ledger.jobs.finish_delivery(claim(node.ledger, job, now=NOW), detail="0x0000", now=NOW)


def _deliveries(node: Node) -> list[JobRow]:
    jobs = node.ledger.admin.study(KEY).jobs
    return [job for job in jobs if job.destination is not None and job.state is JobState.WAITING]


def test_a_measured_study_waits_for_its_deliveries(node: Node) -> None:
    """The report is a file of the spool, its bytes are those the ledger names, and each destination has its jobs."""
    measure_job(node, _claimed(node, file_of(ct_slice(1)), supplied()))
    detail = node.ledger.admin.study(KEY)

    assert StudyState.DELIVERING == detail.study.state
    report = pydicom.dcmread(node.spool.report(KEY, detail.reports[0].file_name))
    assert detail.reports[0].sop_instance_uid == report.SOPInstanceUID
    assert ["one", "one", "two", "two"] == sorted(str(job.destination) for job in _deliveries(node))
    kinds = {(each.destination, each.kind) for each in detail.deliveries}
    assert {(name, kind) for name in ("one", "two") for kind in ("sr", "summary")} == kinds


def test_the_content_date_is_the_start_of_the_revision(node: Node) -> None:
    """Content Date and Time are when the revision was settled, on the node's clock, whatever that says now."""
    settled = datetime(2026, 1, 2, 3, 4, 5, tzinfo=ZoneInfo("Asia/Kathmandu"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        measure_job(node, _claimed(node, file_of(ct_slice(1)), supplied(), now=settled.timestamp()))
    time.tzset()
    report = pydicom.dcmread(node.spool.report(KEY, node.ledger.admin.study(KEY).reports[0].file_name))

    assert "20260102" == report.ContentDate
    assert str(report.ContentTime).startswith("030405")


def test_a_study_without_landmarks_ends_with_its_reason(node: Node) -> None:
    """Nothing to measure is a disposition with a coded reason; there is no report and no delivery."""
    measure_job(node, _claimed(node, file_of(ct_slice(1))))
    detail = node.ledger.admin.study(KEY)

    assert (StudyState.NOT_ANALYSABLE, "NO_LANDMARKS") == (detail.study.state, detail.study.reason)
    assert ((), []) == (detail.reports, _deliveries(node))


def test_a_study_goes_to_the_destinations_that_were_decided(node: Node) -> None:
    """Its rule or its source named one: the other gets nothing, and one that is no longer configured is passed over."""
    for file in (file_of(ct_slice(1)), supplied()):
        store(node.spool, file)
    study = node.ledger.arrivals.note(key=KEY, study_instance_uid=STUDY, source="ct", now=100.0, held_until=0)
    decided = Decided(priority=2, destinations="gone,two", said="by rule spines: taken")
    job = node.ledger.arrivals.settle(study.id, fingerprint=node.spool.fingerprint(KEY), now=100.0, decided=decided)
    assert job is not None
    measure_job(node, claim(node.ledger, job, now=100.0))

    assert {"two"} == {each.destination for each in _deliveries(node)}


def test_measured_again_it_is_the_same_report(node: Node) -> None:
    """Where an administrator has a reported study measured again it has the same bytes, so nothing is sent twice."""
    measure_job(node, _claimed(node, file_of(ct_slice(1)), supplied()))
    _delivered(node, _deliveries(node))
    before = node.ledger.admin.study(KEY).reports

    again = node.ledger.admin.retry(KEY, now=NOW, measure=True)
    measure_job(node, claim(node.ledger, again[0], now=NOW))

    detail = node.ledger.admin.study(KEY)
    assert before == detail.reports
    assert (StudyState.REPORTED, []) == (detail.study.state, _deliveries(node))


def test_a_late_object_that_changes_nothing_sends_nothing(node: Node) -> None:
    """With late_instances = replace a further slice that no point lies on leaves the report as it is."""
    measure_job(node, _claimed(node, file_of(ct_slice(1)), supplied()))
    _delivered(node, _deliveries(node))

    measure_job(node, _claimed(node, file_of(ct_slice(40)), now=300.0))

    detail = node.ledger.admin.study(KEY)
    made = {report.revision for report in detail.reports}
    assert (2, {1}, StudyState.REPORTED) == (detail.study.revision, made, detail.study.state)


def test_measured_again_to_another_report_it_is_a_revision(node: Node) -> None:
    """The site changed its name: the second report names the first, has a number of its own, and is sent once."""
    measure_job(node, _claimed(node, file_of(ct_slice(1)), supplied()))
    _delivered(node, _deliveries(node))
    renamed = node.settings.model_copy(
        update={"report": node.settings.report.model_copy(update={"institution_name": "New Name"})}
    )
    other = replace(node, settings=renamed)
    for _ in range(2):
        node.ledger.admin.retry(KEY, now=NOW, measure=True)
        while waiting := [job for job in node.ledger.admin.study(KEY).jobs if job.state is JobState.WAITING]:
            work_on(other, waiting[0].id, measure_job, worker="w1", rng=random.Random(1))
            _delivered(node, _deliveries(node))

    detail = node.ledger.admin.study(KEY)
    first, second = (each for each in detail.reports if (each.kind, each.choice) == ("sr", 0))
    assert (StudyState.REPORTED, 2) == (detail.study.state, detail.study.revision)
    assert first.sop_instance_uid == second.predecessor_uid
    made = pydicom.dcmread(node.spool.report(KEY, second.file_name))
    assert (2, "New Name") == (made.InstanceNumber, made.get("InstitutionName"))
    assert 2 * 4 == len(detail.deliveries)


def _saying(digest: str, *args: Any, **named: Any) -> Outcome:
    return replace(measure_files(*args, **named), digest=digest)


def test_only_a_report_of_the_same_findings_stands(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revision 2 found something else and reached nobody; 3 finds the same as 2: what 1 had sent must not stand."""
    found = iter("122")
    monkeypatch.setattr(measuring, "measure_files", lambda *args, **named: _saying(next(found), *args, **named))
    measure_job(node, _claimed(node, file_of(ct_slice(1)), supplied()))
    _delivered(node, _deliveries(node))
    measure_job(node, _claimed(node, file_of(ct_slice(40)), now=300.0))
    measure_job(node, _claimed(node, file_of(ct_slice(41)), now=400.0))

    sent = {job.report_id for job in _deliveries(node)}
    assert {3} == {report.revision for report in node.ledger.admin.study(KEY).reports if report.id in sent}


def test_every_revision_is_reported_where_the_site_wants_it(node: Node) -> None:
    """With late_instances = always the new revision gets a report of its own, which names its predecessor."""
    always = Node(
        settings=node.settings.model_copy(update={"study": Study(late_instances="always")}),
        ledger=node.ledger,
        spool=node.spool,
        dispatch=node.dispatch,
        clock=node.clock,
    )
    measure_job(always, _claimed(node, file_of(ct_slice(1)), supplied()))
    _delivered(node, _deliveries(node))
    first = node.ledger.admin.study(KEY).reports[0]

    measure_job(always, _claimed(node, file_of(ct_slice(40)), now=300.0))

    made = node.ledger.admin.study(KEY).reports
    reports = {each.revision: each for each in made if (each.kind, each.choice) == ("sr", 0)}
    assert first.sop_instance_uid == reports[2].predecessor_uid
    written = pydicom.dcmread(node.spool.report(KEY, reports[2].file_name))
    named = written.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert first.sop_instance_uid == named.ReferencedSOPInstanceUID


def test_a_worker_that_lost_its_claim_changes_nothing(node: Node) -> None:
    """What a worker finishes after another took over is not entered."""
    lost = _claimed(node, file_of(ct_slice(1)), supplied())
    released = node.ledger.jobs.release_lost(now=100.0 + 60, max_attempts=3)
    assert [lost.job.id] == [job.id for job in released]

    measure_job(node, lost)

    assert (StudyState.QUEUED, ()) == (node.ledger.admin.study(KEY).study.state, node.ledger.admin.study(KEY).reports)


# ---- landmarks that were handed in


def _hand_in(node: Node, document: bytes) -> JobRow | None:
    return supply(node, STUDY, document, check=FORMAT.check).job


def _work(node: Node) -> None:
    """Do the measure job that waits, as a worker does."""
    (job,) = (job for job in node.ledger.admin.study(KEY).jobs if job.state is JobState.WAITING)
    work_on(node, job.id, measure_job, worker="w1", rng=random.Random(1))


def _state(node: Node) -> tuple[StudyState, str | None, str | None]:
    study = node.ledger.admin.study(KEY).study
    return study.state, study.reason, study.who


def test_a_study_without_landmarks_is_measured_once_they_are_handed_in(node: Node) -> None:
    """Not analysable before; with the points of the document there is a report, which names who placed them."""
    measure_job(node, _claimed(node, file_of(ct_slice(1))))
    assert (StudyState.NOT_ANALYSABLE, "NO_LANDMARKS", None) == _state(node)
    assert _hand_in(node, landmarks()) is not None
    _work(node)

    assert StudyState.DELIVERING is _state(node)[0]
    findings = json.loads(node.ledger.admin.findings(KEY) or "")
    (l1,) = findings["vertebrae"]
    assert ("L1", "reviewed") == (l1["level"], l1["landmark_source"])
    assert {"anterior": 24.0, "middle": 21.0, "posterior": 25.0} == pytest.approx(l1["heights_mm"])
    for report in node.ledger.admin.study(KEY).reports:
        file = node.spool.report(KEY, report.file_name)
        assert report.kind != "sr" or b"landmarks placed: reviewed, by Reader One" in file.read_bytes()


def test_the_same_points_of_another_reader_are_another_report(node: Node) -> None:
    """A report names its reader, so the earlier one does not stand for a document that somebody else reviewed."""
    measure_job(node, _claimed(node, file_of(ct_slice(1))))
    for reader in ("Reader One", "Reader Two"):
        _hand_in(node, landmarks(observer=reader))
        _work(node)
        _delivered(node, _deliveries(node))

    first, second = (each for each in node.ledger.admin.study(KEY).reports if (each.kind, each.choice) == ("sr", 0))
    assert first.sop_instance_uid == second.predecessor_uid
    assert b"by Reader Two" in node.spool.report(KEY, second.file_name).read_bytes()


def test_landmarks_that_do_not_fit_end_the_study_with_who_must_act(node: Node) -> None:
    """Their image never came: no report on other points passes for the one that was asked for, nor is it a fault."""
    study = node.ledger.arrivals.note(key=KEY, study_instance_uid=STUDY, source="ct", now=90.0, held_until=0)
    store(node.spool, file_of(ct_slice(2)))
    store(node.spool, supplied())
    _hand_in(node, landmarks())
    node.ledger.arrivals.settle(study.id, fingerprint="f", now=100.0)
    _work(node)

    why = "the landmarks that were put: sop_instance_uid, frame: expected an image of this study, found none"
    assert (StudyState.FAILED, why, "whoever supplied the landmarks") == _state(node)
    assert () == node.ledger.admin.study(KEY).reports

    _hand_in(node, landmarks(sop_instance_uid=f"{STUDY}.2.2"))
    _work(node)
    assert StudyState.DELIVERING is _state(node)[0]


def test_the_image_that_the_landmarks_name_may_come_late(node: Node) -> None:
    """What failed for want of an image is measured when it comes, with the document that waits for it."""
    study = node.ledger.arrivals.note(key=KEY, study_instance_uid=STUDY, source="ct", now=90.0, held_until=0)
    store(node.spool, file_of(ct_slice(2)))
    _hand_in(node, landmarks())
    node.ledger.arrivals.settle(study.id, fingerprint="f", now=100.0)
    _work(node)
    measure_job(node, _claimed(node, file_of(ct_slice(1)), now=300.0))

    assert StudyState.DELIVERING is _state(node)[0]
    assert IMAGE == json.loads(node.ledger.admin.findings(KEY) or "")["vertebrae"][0]["landmarks"]["sop_instance_uid"]


def test_landmarks_that_are_gone_are_asked_for_again(node: Node) -> None:
    """The spool lost the document: the study says so, and the same document, put again, is measured with."""
    measure_job(node, _claimed(node, file_of(ct_slice(1))))
    _hand_in(node, landmarks())
    node.spool.document(KEY, node.spool.newest_document(KEY) or "").unlink()
    _work(node)
    gone = "the landmarks that were put are gone from the spool: put them again"
    assert (StudyState.FAILED, gone, "whoever supplied the landmarks") == _state(node)

    _hand_in(node, landmarks())
    _work(node)
    assert StudyState.DELIVERING is _state(node)[0]

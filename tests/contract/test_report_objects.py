"""A study comes back as several objects: one job to the next, over a real spool and real peers."""

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from ledgers import empty_sqlite, sqlite_url
from pictured import ct
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from report_samples import STUDY
from servers import run_storescp
from spooled import KEY, file_of, landmarks, store

from service import peer, sop_classes
from service.broker import celery_app
from service.config import Report, Settings, Storage, Study
from service.config_peers import Destination
from service.deliver import Deliverer
from service.delivery import deliver
from service.dispatch import Dispatcher
from service.landmarks import supply
from service.ledger import Ledger, ReportRow
from service.messages import JobKind
from service.spool import Spool
from service.states import StudyState
from service.wiring import Node
from workers.boundary import work_on
from workers.document_format import FORMAT
from workers.measuring import measure_job

__all__ = ["empty_sqlite", "sqlite_url"]

EVERY = ("sr", "gsps", "summary", "pdf", "sagittal")
ENHANCED = sop_classes.REPORTS["enhanced"]
COMPREHENSIVE_3D = sop_classes.REPORTS["comprehensive_3d"]
PROFILE = """\
[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LocalEndianExplicit
[[PresentationContexts]]
[Only]
PresentationContext1 = {sop_class}\\Uncompressed
[[Profiles]]
[Only]
PresentationContexts = Only
"""


class _Pacs:
    """Takes the SOP classes that it is given, and keeps what it gets: (SOP Instance UID, data set as sent)."""

    def __init__(self, *classes: str) -> None:
        peer.silence_pynetdicom()
        self.received: list[tuple[str, bytes]] = []
        entity = AE(ae_title="PACS")
        for sop_class in classes:
            entity.add_supported_context(sop_class)
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._keep)])
        self.port: int = self._server.server_address[1]  # type: ignore[union-attr]  # not blocking

    def close(self) -> None:
        self._server.shutdown()  # type: ignore[union-attr]  # as above

    def _keep(self, event: evt.Event) -> int:
        assert isinstance(event.request, C_STORE)
        self.received.append((str(event.request.AffectedSOPInstanceUID), event.encoded_dataset(include_meta=False)))
        return 0x0000


Opener = Callable[..., Node]


@pytest.fixture
def opened(sqlite_url: str, tmp_path: Path) -> Opener:
    """Give what opens a node with one destination whose broker is away."""
    spool = Spool(tmp_path)
    spool.prepare()
    ledger = Ledger.open(sqlite_url)

    def open_it(port: int, *, objects: tuple[str, ...] = EVERY, late: str = "replace", **report: Any) -> Node:
        pacs = Destination.model_validate(
            {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": port, "send": objects}
        )
        settings = Settings(
            storage=Storage(root=tmp_path),
            destinations=(pacs,),
            study=Study.model_validate({"late_instances": late}),
            report=Report.model_validate({"dciodvfy": False, **report}),
        )
        dispatch = Dispatcher(celery_app(settings))
        return Node(settings=settings, ledger=ledger, spool=spool, dispatch=dispatch, clock=lambda: 1000.0)

    return open_it


def _arrive(node: Node, *numbers: int) -> None:
    """Store slices, else the two that lie nearest to the points, and settle."""
    for number in numbers or (0, 1):
        store(node.spool, file_of(ct(number)))
    study = node.ledger.arrivals.note(key=KEY, study_instance_uid=STUDY, source="ct", now=900.0, held_until=0)
    node.ledger.arrivals.settle(study.id, fingerprint=node.spool.fingerprint(KEY), now=900.0)


def _point(node: Node, **changes: Any) -> None:
    """Hand in points."""
    document = landmarks(sop_instance_uid=f"{STUDY}.2.0", **changes)
    supply(node, STUDY, document, check=FORMAT.check)


def _work(node: Node) -> None:
    """Do all jobs that wait, as a worker does: what is measured first, then what is to be sent."""
    with closing(Deliverer(node.settings, node.spool, random.Random(1))) as deliverer:
        for kind in JobKind:
            for job in (each for each in node.ledger.admin.study(KEY).jobs if each.kind is kind):
                if kind is JobKind.MEASURE:
                    work_on(node, job.id, measure_job, worker="w1", rng=random.Random(1))
                elif claim := node.ledger.jobs.claim(job.id, worker="w1", now=node.clock(), lease_s=60):
                    deliver(claim, node.ledger, deliverer, node.settings, node.clock)


def _state(node: Node) -> tuple[StudyState, str | None]:
    study = node.ledger.admin.study(KEY).study
    return study.state, study.reason


def _stored(node: Node, kind: str = "sr") -> list[ReportRow]:
    """Return the objects of one kind that arrived, the oldest first."""
    detail = node.ledger.admin.study(KEY)
    arrived = [each.sop_instance_uid for each in detail.deliveries if each.delivered_at is not None]
    return [row for row in detail.reports if row.kind == kind and row.sop_instance_uid in arrived]


def _file(node: Node, row: ReportRow) -> Dataset:
    return pydicom.dcmread(node.spool.report(KEY, row.file_name))


def _events(node: Node, name: str) -> list[str]:
    return sorted(each.detail for each in node.ledger.admin.study(KEY).events if each.event == name)


@pytest.fixture
def pacs() -> Any:
    """Give what runs a PACS of some SOP classes; all are stopped afterwards."""
    running: list[_Pacs] = []

    def run(*classes: str) -> _Pacs:
        running.append(_Pacs(*(classes or sop_classes.written(EVERY))))
        return running[-1]

    yield run
    for each in running:
        each.close()


# ---- what arrives


def test_each_kind_arrives_in_a_series_of_its_own(opened: Opener, pacs: Callable[..., _Pacs]) -> None:
    """Report, overlay, picture, page, section: one of each, under the configured numbers.

    The section goes first, since others refer to it, and then the report.
    """
    server = pacs()
    node = opened(server.port, gsps_series_number=77, pdf_series_description="Page of the node")
    _arrive(node)
    _point(node)
    _work(node)
    made = [_file(node, row) for kind in EVERY for row in _stored(node, kind)]

    assert (StudyState.REPORTED, None) == _state(node)
    assert [made[4].SOPInstanceUID, made[0].SOPInstanceUID] == [uid for uid, _ in server.received[:2]]
    assert [9001, 77, 9003, 9004, 9005] == [each.SeriesNumber for each in made]
    assert "Page of the node" == made[3].SeriesDescription
    assert len(made) == len({each.SeriesInstanceUID for each in made}) == len(server.received)


def test_sent_again_each_kind_is_the_same_bytes(opened: Opener, pacs: Callable[..., _Pacs]) -> None:
    """What an administrator sends again is what was sent, UID for UID and byte for byte."""
    server = pacs()
    node = opened(server.port)
    _arrive(node)
    _point(node)
    _work(node)
    node.ledger.admin.retry(KEY, now=1000.0)
    _work(node)
    half = len(server.received) // 2

    assert half == len(EVERY)
    assert server.received[:half] == server.received[half:]
    assert (StudyState.REPORTED, None) == _state(node)


def test_measured_again_each_kind_is_the_same_bytes(opened: Opener, pacs: Callable[..., _Pacs]) -> None:
    """The same inputs, version and configuration: nothing is sent, since each destination has it."""
    server = pacs()
    node = opened(server.port)
    _arrive(node)
    _point(node)
    _work(node)
    before = {row.file_name: node.spool.report(KEY, row.file_name).read_bytes() for row in _rows(node)}
    sent = len(server.received)
    node.ledger.admin.retry(KEY, now=1000.0, measure=True)
    _work(node)

    assert before == {row.file_name: node.spool.report(KEY, row.file_name).read_bytes() for row in _rows(node)}
    assert (sent, StudyState.REPORTED) == (len(server.received), _state(node)[0])


def _rows(node: Node) -> tuple[ReportRow, ...]:
    return node.ledger.admin.study(KEY).reports


# ---- what a destination takes


def test_a_pacs_of_the_smallest_class_gets_the_report_in_it(opened: Opener, tmp_path: Path) -> None:
    """A real storescp that takes Enhanced SR alone: the report goes in it, and the study says what was not taken."""
    (tmp_path / "profile.cfg").write_text(PROFILE.format(sop_class=ENHANCED), encoding="ascii")
    with run_storescp(tmp_path / "scp", "-xf", str(tmp_path / "profile.cfg"), "Only") as scp:
        node = opened(scp.port, objects=("sr", "gsps", "summary"))
        _arrive(node)
        _point(node)
        _work(node)
        [arrived] = [pydicom.dcmread(path) for path in scp.files()]

    assert (StudyState.REPORTED, None) == _state(node)
    assert ENHANCED == arrived.SOPClassUID
    assert [arrived.SOPInstanceUID] == [row.sop_instance_uid for row in _stored(node)]
    assert ["not taken by pacs: gsps", "not taken by pacs: summary"] == _events(node, "not_taken")


def test_a_pacs_without_the_section_can_have_a_report_without_it(opened: Opener, pacs: Callable[..., _Pacs]) -> None:
    """It does not take what its report refers to: the study says so, and with less to send nothing refers to it."""
    server = pacs(*sop_classes.written(("sr", "gsps")))
    kinds = ("sr", "gsps", "sagittal")
    node = opened(server.port, objects=kinds, sop_classes=("comprehensive",))
    thin = [ct(place, x_mm=3.0 * (place - 2)) for place in range(4)]
    for image in thin:
        image.SliceThickness = 1.5
        store(node.spool, file_of(image))
    _arrive(node, 40)
    _point(node)
    _work(node)
    section = next(row.sop_instance_uid.encode() for row in _rows(node) if row.kind == "sagittal")
    lacking = [section in data for _, data in server.received]
    node = opened(server.port, objects=kinds[:2], sop_classes=("comprehensive",))
    node.ledger.admin.retry(KEY, now=1000.0, measure=True)
    _work(node)
    _work(node)

    assert (StudyState.REPORTED, None) == _state(node)
    assert ["not taken by pacs: sagittal, which its report and overlay may refer to"] == _events(node, "not_taken")
    assert [True, True] == lacking
    assert {False} == {section in data for _, data in server.received[2:]}


def test_a_pacs_that_takes_no_report_fails_the_study(opened: Opener, pacs: Callable[..., _Pacs]) -> None:
    """A picture is no report: somebody must configure the PACS."""
    node = opened(pacs(*sop_classes.WRITTEN["summary"]).port)
    _arrive(node)
    _point(node)
    _work(node)
    study = node.ledger.admin.study(KEY).study

    assert (StudyState.FAILED, "the administrator of the destination") == (study.state, study.who)
    assert "SOP class not supported" in str(study.reason)
    assert 1 == len(_stored(node, "summary"))


def test_the_next_revision_names_what_its_destination_has(opened: Opener, pacs: Callable[..., _Pacs]) -> None:
    """The PACS took Enhanced SR: its successor in that class names it, not the one that the PACS never saw."""
    node = opened(pacs(ENHANCED).port, objects=("sr",))
    _arrive(node)
    _point(node)
    _work(node)
    _point(node, observer="Reader Two")
    _work(node)
    first, second = _stored(node)
    document = _file(node, second).PredecessorDocumentsSequence[0]

    assert (first.sop_instance_uid, ENHANCED) == (second.predecessor_uid, second.sop_class_uid)
    named = document.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert (first.sop_instance_uid, ENHANCED) == (named.ReferencedSOPInstanceUID, named.ReferencedSOPClassUID)


# ---- late objects


@pytest.mark.parametrize(("late", "revisions"), [("never", {1}), ("replace", {1}), ("always", {1, 2})])
def test_a_late_object_that_changes_nothing(
    opened: Opener, pacs: Callable[..., _Pacs], late: str, revisions: set[int]
) -> None:
    """Never and replace leave every kind as it is; always makes each of them anew, the report with its predecessor."""
    node = opened(pacs().port, late=late)
    _arrive(node)
    _point(node)
    _work(node)
    number = node.ledger.admin.study(KEY).study.revision
    if late != "never":
        _arrive(node, 40)
    _work(node)
    arrived = {row.revision - number + 1 for kind in EVERY for row in _stored(node, kind)}
    reports = _stored(node)

    assert revisions == arrived
    assert (StudyState.REPORTED, None) == _state(node)
    assert len(revisions) == len(reports) == len({row.sop_instance_uid for row in _stored(node, "summary")})
    assert [None, reports[0].sop_instance_uid][: len(reports)] == [row.predecessor_uid for row in reports]


def test_a_kind_that_is_wanted_later_is_made(opened: Opener, pacs: Callable[..., _Pacs]) -> None:
    """The site asks for the page after the report was sent: the next revision makes it, though nothing else changed."""
    server = pacs()
    first = opened(server.port, objects=("sr",))
    _arrive(first)
    _point(first)
    _work(first)
    node = opened(server.port, objects=("sr", "pdf"))
    _arrive(node, 40)
    _work(node)

    assert 1 == len(_stored(node, "pdf"))
    assert (StudyState.REPORTED, None) == _state(node)


# ---- what cannot be measured


def test_the_reason_is_reported_where_the_site_wants_it(opened: Opener, pacs: Callable[..., _Pacs]) -> None:
    """Instead of silence: a report with the coded reason; the study stays not analysable, and no picture is made."""
    server = pacs()
    node = opened(server.port, not_analysable=True)
    _arrive(node)
    _work(node)
    (row,) = _stored(node)

    assert (StudyState.NOT_ANALYSABLE, "NO_LANDMARKS") == _state(node)
    assert 1 == len(server.received)
    assert b"NO_LANDMARKS" in node.spool.report(KEY, row.file_name).read_bytes()


def test_silence_is_the_default(opened: Opener, pacs: Callable[..., _Pacs]) -> None:
    """A PACS is not filled with reports that say nothing."""
    server = pacs()
    node = opened(server.port)
    _arrive(node)
    _work(node)

    assert ((StudyState.NOT_ANALYSABLE, "NO_LANDMARKS"), []) == (_state(node), server.received)


def test_a_study_that_is_measured_later_replaces_its_reason(opened: Opener, pacs: Callable[..., _Pacs]) -> None:
    """Points came: the report with numbers names the one that said why there were none."""
    node = opened(pacs().port, not_analysable=True)
    _arrive(node)
    _work(node)
    _point(node)
    _work(node)
    reason, numbers = _stored(node)

    assert (StudyState.REPORTED, None) == _state(node)
    assert reason.sop_instance_uid == numbers.predecessor_uid
    assert COMPREHENSIVE_3D == replace(numbers).sop_class_uid

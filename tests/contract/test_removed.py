"""After retention: what comes again replaces no report by itself, and what went is made again where somebody asks."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledgers import deliver as deliver_one
from ledgers import measure as measured
from ledgers import study_of
from measuring_node import NOW, arrive, deliver, measure, measuring_node, work
from report_samples import STUDY
from spooled import file_of, store
from two_studies import SOUND, slice_of

from service.config import Study
from service.ledger import JobRow, Ledger
from service.settle import Settler
from service.spool import study_key
from service.states import JobState, StudyState
from service.wiring import Node
from workers.boundary import work_on
from workers.measuring import measure_job

KEY = study_key(STUDY)


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node."""
    with measuring_node(sqlite_url, tmp_path) as opened:
        yield opened


def _remove(node: Node) -> None:
    """Take the files of the study away for their age."""
    study = node.ledger.admin.study(STUDY).study
    assert node.ledger.admin.forget_files(study.id, remove=lambda: node.spool.remove(KEY), now=NOW)


def _sent_again(node: Node, *files: bytes) -> list[JobRow]:
    """Have objects come, and the study settle; return what is to be done."""
    for file in files:
        store(node.spool, file)
    node.ledger.arrivals.note(key=KEY, study_instance_uid=STUDY, source="ct", now=NOW, held_until=0.0)
    to_do: list[JobRow] = []
    Settler(ledger=node.ledger, spool=node.spool, study=Study(), dispatch=to_do.append).run(NOW + 3600.0)
    return to_do


def _retry(node: Node) -> None:
    """Ask for it again, and do all that is then to be done; every destination takes all."""
    node.ledger.admin.retry(STUDY, now=NOW)
    while waiting := [job for job in node.ledger.admin.study(STUDY).jobs if job.state is JobState.WAITING]:
        for job in waiting:
            if job.destination is None:
                work_on(node, job.id, measure_job, worker="w1", rng=random.Random(1))
        deliver(node, STUDY)


def _reports(node: Node) -> list[tuple[str, str | None, bool]]:
    """Return of each report its UID, its predecessor, and whether its file is there."""
    made = [each for each in node.ledger.admin.study(STUDY).reports if each.kind == "sr"]
    return [(r.sop_instance_uid, r.predecessor_uid, node.spool.report(KEY, r.file_name).is_file()) for r in made]


def test_what_comes_again_replaces_no_report(node: Node) -> None:
    """A reader's points went with the files: one late slice does not make a report without them. An event says so."""
    measure(node, STUDY, "20260304", SOUND)
    deliver(node, STUDY)
    _remove(node)
    late = slice_of(STUDY, "20260304", SOPInstanceUID=f"{STUDY}.2.77")

    assert [] == _sent_again(node, file_of(late))
    detail = node.ledger.admin.study(STUDY)
    assert StudyState.REPORTED is detail.study.state
    assert "retry measures what is there now" in detail.events[-1].detail


def test_who_asks_is_told_what_is_missing(node: Node) -> None:
    """Asked for, it is measured: the points that it was measured with are gone, and the study says who must act."""
    measure(node, STUDY, "20260304", SOUND)
    deliver(node, STUDY)
    _remove(node)
    _sent_again(node, file_of(slice_of(STUDY, "20260304")))
    _retry(node)

    study = node.ledger.admin.study(STUDY).study
    assert (StudyState.FAILED, "whoever supplied the landmarks") == (study.state, study.who)


def _reported_from_its_files(node: Node) -> None:
    """Take in a study whose report says that nothing could be measured."""
    work(node, arrive(node, STUDY, file_of(slice_of(STUDY, "20260304"))))
    deliver(node, STUDY)


def test_what_went_is_made_again_from_the_same_objects(node: Node) -> None:
    """Sent again, then retried: the same report, whose file is there, so the next retry sends it."""
    _reported_from_its_files(node)
    before = _reports(node)
    _remove(node)
    assert [] == _sent_again(node, file_of(slice_of(STUDY, "20260304")))
    _retry(node)
    assert before == _reports(node)
    sent = len(node.ledger.admin.study(STUDY).deliveries)
    _retry(node)

    assert len(node.ledger.admin.study(STUDY).deliveries) > sent
    assert StudyState.NOT_ANALYSABLE is node.ledger.admin.study(STUDY).study.state


def test_a_report_without_its_file_does_not_stand(node: Node) -> None:
    """A late object changes nothing that is reported, but the file is lost: a new report names the old one."""
    _reported_from_its_files(node)
    [(first, _, _)] = _reports(node)
    node.spool.report(KEY, f"sr-{first}.dcm").unlink()
    work(node, arrive(node, STUDY, file_of(slice_of(STUDY, "20260304", SOPInstanceUID=f"{STUDY}.2.77"))))

    assert (first, True) == _reports(node)[-1][1:]


@pytest.mark.parametrize("asked", [False, True])
def test_a_report_stands_until_somebody_asks(ledger: Ledger, asked: bool) -> None:
    """Removed, sent again in part, and retried: from then on what is there counts."""
    for job in measured(ledger):
        deliver_one(ledger, job)
    ledger.admin.forget_files(study_of(ledger).id, remove=lambda: True, now=900.0)
    ledger.arrivals.note(key=study_of(ledger).key, study_instance_uid="1.2.3", source="ct", now=901.0, held_until=0.0)
    ledger.arrivals.unchanged(study_of(ledger).id, now=902.0, why="it stands")
    if asked:
        ledger.admin.retry("1.2.3", now=903.0)

    assert asked is not ledger.arrivals.report_stands(study_of(ledger))


def test_what_no_destination_has_does_not_stand(ledger: Ledger) -> None:
    """Without a destination the report went with the files: what comes again is measured."""
    measured(ledger, destinations=())
    ledger.admin.forget_files(study_of(ledger).id, remove=lambda: True, now=900.0)

    assert not ledger.arrivals.report_stands(study_of(ledger))

"""A study of which nothing is measured: when that is told, and what becomes of numbers that were reported before."""

import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from measuring_node import NOW, arrive, deliver, measure, measuring_node, work, written
from report_samples import STUDY
from spooled import file_of
from two_studies import SOUND, document, slice_of

from service.config import Finder
from service.landmarks import supply
from service.ledger import ReportRow
from service.spool import study_key
from service.states import JobState, StudyState
from service.wiring import Node
from workers import pipeline
from workers.document_format import FORMAT
from workers.finders.reasons import FinderReason
from workers.pipeline import StudyReason

DATE = "20260304"
KEY = study_key(STUDY)


@pytest.fixture
def wishing(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node of a site that wants reasons reported."""
    with measuring_node(sqlite_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def silent(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node of a site that does not, which has measured and reported the study."""
    with measuring_node(sqlite_url, tmp_path, "sr", "gsps", "summary", not_analysable=False) as opened:
        measure(opened, STUDY, DATE, SOUND)
        deliver(opened, STUDY)
        yield opened


def flat() -> bytes:
    """Return a document all points of whose vertebrae are one point: nothing can be measured."""
    found = json.loads(document(STUDY, SOUND))
    for vertebra in found["vertebrae"]:
        vertebra["points"] = {name: [3.0, 0.0, 40.0] for name in vertebra["points"]}
    return json.dumps(found).encode()


def state(node: Node) -> tuple[StudyState, str | None]:
    study = node.ledger.admin.study(STUDY).study
    return study.state, study.reason


def arrived(node: Node, revision: int) -> list[ReportRow]:
    """Return the objects of a revision that the destination has."""
    detail = node.ledger.admin.study(STUDY)
    there = {each.report_id for each in detail.deliveries if each.delivered_at is not None}
    return [row for row in detail.reports if row.id in there and row.revision == revision]


def replaced(data: bytes) -> list[str]:
    """Return the reports that a report replaces (PS3.3 C.17.2)."""
    studies = pydicom.dcmread(BytesIO(data)).get("PredecessorDocumentsSequence", [])
    series = [one for study in studies for one in study.ReferencedSeriesSequence]
    return [str(item.ReferencedSOPInstanceUID) for one in series for item in one.ReferencedSOPSequence]


@pytest.mark.parametrize("reason", [StudyReason.NO_LANDMARKS, StudyReason.NO_VERTEBRA_MEASURED, *FinderReason])
def test_each_reason_is_reported_where_the_site_wants_it(
    wishing: Node, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """One valid report that says it and nothing beside it; it arrives, and the study is not analysable for it."""
    node = wishing
    if reason in set(FinderReason):
        asked = node.settings.model_copy(update={"finder": Finder(name="some")})
        node = replace(node, settings=asked)
        monkeypatch.setattr(
            pipeline, "ask_finder", lambda _inputs, found, _settings: replace(found, finder_gave=reason)
        )
    job = arrive(node, STUDY, file_of(slice_of(STUDY, DATE)))
    if reason == StudyReason.NO_VERTEBRA_MEASURED:
        work(node, supply(node, STUDY, flat(), check=FORMAT.check).job)
    else:
        work(node, job)
    deliver(node, STUDY)

    assert (StudyState.NOT_ANALYSABLE, reason) == state(node)
    made = node.ledger.admin.study(STUDY).reports
    assert [("sr", None)] == [(each.kind, each.finding) for each in made]
    assert arrived(node, made[0].revision) == list(made)
    assert reason.encode() in written(node, STUDY)


def test_numbers_that_hold_no_more_are_replaced_whatever_the_site_wants(silent: Node) -> None:
    """Newer points give nothing: a report says so in the place of the other; overlay and picture are not made anew."""
    numbers = pydicom.dcmread(BytesIO(written(silent, STUDY)))
    work(silent, supply(silent, STUDY, flat(), check=FORMAT.check).job)
    deliver(silent, STUDY)

    revision = silent.ledger.admin.study(STUDY).study.revision
    assert (StudyState.NOT_ANALYSABLE, "NO_VERTEBRA_MEASURED") == state(silent)
    assert ["sr"] == [row.kind for row in arrived(silent, revision)]
    assert [numbers.SOPInstanceUID] == replaced(written(silent, STUDY))
    (again,) = silent.ledger.admin.retry(STUDY, now=NOW, measure=True)
    work(silent, again)
    assert (StudyState.NOT_ANALYSABLE, "NO_VERTEBRA_MEASURED") == state(silent)
    assert ["sr"] == [row.kind for row in silent.ledger.admin.study(STUDY).reports if row.revision == revision]


def test_measured_again_to_nothing_is_a_revision_that_replaces_the_numbers(silent: Node) -> None:
    """No object came, but what read the points is gone, as a model that a site has taken out: no numbers stand."""
    numbers = pydicom.dcmread(BytesIO(written(silent, STUDY)))
    (again,) = silent.ledger.admin.retry(STUDY, now=NOW, measure=True)
    silent.spool.document(KEY, silent.spool.newest_document(KEY) or "").write_bytes(flat())
    work(silent, again)
    (another,) = (job for job in silent.ledger.admin.study(STUDY).jobs if job.state is JobState.WAITING)
    work(silent, another)
    deliver(silent, STUDY)

    assert (StudyState.NOT_ANALYSABLE, "NO_VERTEBRA_MEASURED") == state(silent)
    assert [numbers.SOPInstanceUID] == replaced(written(silent, STUDY))


def test_a_study_that_was_never_reported_gets_no_reason_unasked(silent: Node) -> None:
    """Nothing stands that would have to be replaced."""
    other = f"{STUDY}.8"
    work(silent, arrive(silent, other, file_of(slice_of(other, DATE))))
    assert () == silent.ledger.admin.study(other).reports

"""Proof of arrival at real destinations and at such that misbehave: what was accepted and lost is sent again."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ledgers import empty_sqlite, event_names, sqlite_url, study_of
from proving import REPORT, SR_CLASS, Archive, archive, proving
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import evt
from servers import Orthanc, free_port, run_orthanc, wait_until
from structlog.testing import capture_logs

from service import asking
from service.commitment import Reference, Report
from service.listed import FILING_S

__all__ = ["empty_sqlite", "sqlite_url"]

COMMITTING = {"storage_commitment": True}
SOURCES = [{"name": "ct1", "ae_titles": ["CT1"], "networks": ["192.0.2.0/24"]}]


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for a report that never comes."""
    monkeypatch.setattr(asking, "WAIT_S", 0.2)


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Orthanc, int]]:
    """Start an Orthanc with DICOMweb that knows a node; give it, and the port on which it looks for the node."""
    port = free_port()
    modalities = {"spondyl": ["SPONDYL", "127.0.0.1", port]}
    folder = tmp_path_factory.mktemp("pacs")
    with run_orthanc(folder, dicomweb=True, DicomModalities=modalities) as orthanc:
        yield orthanc, port


def lose(orthanc: Orthanc) -> None:
    """Take the report out of Orthanc."""
    for identifier in orthanc.find(SOPInstanceUID=REPORT):
        orthanc.call(f"/instances/{identifier}", method="DELETE")


def ways(orthanc: Orthanc) -> dict[str, dict[str, Any]]:
    """Return every way in which this Orthanc can prove."""
    return {
        "C-FIND": {"port": orthanc.port, "proof": "query"},
        "QIDO-RS": {"port": orthanc.port, "proof": "qido", "dicomweb_url": f"{orthanc.url}/dicom-web/"},
    }


# ---- Orthanc


def test_orthanc_commits_and_what_it_lost_is_sent_again(
    pacs: tuple[Orthanc, int], sqlite_url: str, tmp_path: Path
) -> None:
    """It reports on an association of its own: no such object, so the same UID is sent again; then it is proven."""
    orthanc, port = pacs
    lose(orthanc)
    with proving(sqlite_url, tmp_path / "state", COMMITTING | {"port": orthanc.port}, port=port) as node:
        node.step()
        assert ("stored", "delivering") == node.state
        lose(orthanc)
        node.step()
        wait_until(lambda: node.state == ("waiting", "delivering"), "Orthanc's report says that it is missing")
        assert "no such object instance (0x0112)" in str(node.row.error)
        node.wait()
        node.step()
        assert "stored" == node.row.state.value
        assert 1 == len(orthanc.find(SOPInstanceUID=REPORT))
        node.step()
        wait_until(lambda: node.state == ("done", "reported"), "Orthanc's report proves it")
        assert "stored by pacs: sr, Comprehensive 3D SR; proven by storage commitment" == node.proof
        assert {"missing", "proven"} <= set(event_names(node.ledger))


@pytest.mark.parametrize("way", ["C-FIND", "QIDO-RS"])
def test_a_query_proves_what_is_there_and_only_that(
    pacs: tuple[Orthanc, int], sqlite_url: str, tmp_path: Path, way: str
) -> None:
    """Not there: asked again while it may still be filed, then sent again under the same UID; there: proven."""
    orthanc, _ = pacs
    lose(orthanc)
    with proving(sqlite_url, tmp_path / "state", ways(orthanc)[way]) as node:
        node.step()
        lose(orthanc)
        assert f"pacs does not know the object yet ({way})" == node.step().error
        assert "stored" == node.row.state
        node.later_s += FILING_S
        assert ("waiting", f"pacs does not know the object ({way})") == (node.step().state, node.row.error)
        node.wait()
        node.step()
        assert "done" == node.step().state
        assert ("done", "reported") == node.state
        assert node.proof.endswith(f"; proven by {way}")


# ---- storage commitment, by peers that a test plays


def test_a_report_on_the_same_association_proves(sqlite_url: str, tmp_path: Path) -> None:
    """N-EVENT-REPORT where the N-ACTION was asked: answered with success, and the delivery is closed."""
    with archive() as peer, proving(sqlite_url, tmp_path / "state", COMMITTING | {"port": peer.port}) as node:
        node.step()
        node.step()
        assert ("done", "reported") == node.state
        wait_until(lambda: peer.answers == [0x0000], "the archive has its answer")


def test_a_report_is_answered_before_the_association_is_released(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late the thread that answers comes to run: the archive has its answer, and nobody waits for a release."""
    on_report = asking._on_report  # noqa: SLF001 - what is to be slow

    def late(event: evt.Event, heard: list[Report]) -> tuple[int, Dataset | None]:
        answer = on_report(event, heard)
        time.sleep(0.5)
        return answer

    monkeypatch.setattr(asking, "_on_report", late)
    with archive() as peer, proving(sqlite_url, tmp_path / "state", COMMITTING | {"port": peer.port}) as node:
        node.step()
        start = time.monotonic()
        node.step()
        assert time.monotonic() - start < 4
        assert "done" == node.row.state
        wait_until(lambda: peer.answers == [0x0000], "the archive has its answer")


@pytest.mark.parametrize("reports", ["same association", "elsewhere"])
def test_a_destination_that_loses_gets_it_again_under_the_same_uid(
    sqlite_url: str, tmp_path: Path, reports: str
) -> None:
    """0x0112, on whichever association: sent again, later and later, until patience ends; then somebody must act."""
    with (
        archive(reports=reports, reason=0x0112) as peer,
        proving(sqlite_url, tmp_path / "state", COMMITTING | {"port": peer.port}) as node,
    ):
        peer.to = lambda: node.port
        waits = []
        for _ in range(3):
            node.step()
            node.step()
            wait_until(lambda: node.state == ("waiting", "delivering"), "it is to be sent again")
            waits.append(node.row.not_before - node.clock())
            node.wait()
        assert [REPORT] * 3 == peer.stored
        assert 0 < waits[0] < waits[1] < waits[2] <= 3600.0
        node.later_s += 72 * 3600.0
        node.step()
        node.step()
        wait_until(lambda: node.state == ("failed", "failed"), "patience ends")
        assert "the administrator of the destination" == study_of(node.ledger).who


def test_no_answer_is_unknown_and_settled_by_proof(sqlite_url: str, tmp_path: Path) -> None:
    """It stored and hung up: sent again under the same UID, and proven like any other."""
    with (
        archive(aborts=1) as peer,
        proving(sqlite_url, tmp_path / "state", COMMITTING | {"port": peer.port}) as node,
    ):
        assert ("waiting", None) == (node.step().state, node.row.delivered_at)
        node.wait()
        assert "stored" == node.step().state
        assert "done" == node.step().state
        assert [REPORT] * 2 == peer.stored


@pytest.mark.usefixtures("_impatient")
def test_a_destination_that_never_reports_is_asked_again(sqlite_url: str, tmp_path: Path) -> None:
    """Each time in a transaction of its own, 60 s after the first, later and later; nothing is sent twice meanwhile.

    It may report on all of them: the first report counts, the others are answered with success.
    """
    with (
        archive(reports="never") as peer,
        proving(sqlite_url, tmp_path / "state", COMMITTING | {"port": peer.port}) as node,
    ):
        node.step()
        waits = []
        for _ in range(2):
            node.step()
            assert ("stored", "delivering") == node.state
            waits.append(node.row.not_before - node.clock())
            node.wait()
        assert [pytest.approx(60, abs=5), pytest.approx(120, abs=5)] == waits
        assert ([REPORT], 2) == (peer.stored, len(set(peer.transactions)))
        # The report on the first transaction comes after the second was asked: it proves as well.
        reference = Reference(sop_class_uid=SR_CLASS, sop_instance_uid=REPORT)
        peer.to = lambda: node.port
        peer.elsewhere(None, peer.report_on(peer.transactions[0], [reference]))
        assert ([0x0000], ("done", "reported")) == (peer.answers, node.state)
        with capture_logs() as logs:
            peer.elsewhere(None, peer.report_on(peer.transactions[1], [reference]))
        assert ([0x0000] * 2, ("done", "reported")) == (peer.answers, node.state)
        assert ["commitment_late"] == [each["action"] for each in logs if each["action"].startswith("commitment")]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"status": 0x0110}, "stored"),
        ({"status": 0x0122}, "failed"),
        ({"reason": 0x0213}, "stored"),
        ({"reason": 0x0122}, "failed"),
    ],
)
def test_what_the_answer_says_decides(sqlite_url: str, tmp_path: Path, answer: dict[str, int], state: str) -> None:
    """A failure that passes is asked again, never sent again; one that stays is somebody's to act on."""
    with archive(**answer) as peer, proving(sqlite_url, tmp_path / "state", COMMITTING | {"port": peer.port}) as node:
        node.step()
        assert state == node.step().state
        assert [REPORT] == peer.stored


# ---- who may report


def test_a_destination_that_is_no_source_may_report_and_not_store(sqlite_url: str, tmp_path: Path) -> None:
    """With sources of other networks, it is admitted for storage commitment; another title from there is rejected."""
    with (
        archive(reports="elsewhere") as peer,
        proving(sqlite_url, tmp_path / "state", COMMITTING | {"port": peer.port}, sources=SOURCES) as node,
    ):
        peer.to = lambda: node.port
        node.step()
        node.step()
        wait_until(lambda: node.state == ("done", "reported"), "its report is heard")
        stranger = Archive(calling_ae="LOST", to=lambda: node.port)
        stranger.elsewhere(None, stranger.report_on("1.2", []))
        storing = Archive(to=lambda: node.port)
        storing.elsewhere(None, storing.report_on("1.2", []), contexts=(SR_CLASS,))
        assert ([None], [None]) == (stranger.answers, storing.answers)


@pytest.mark.usefixtures("_impatient")
def test_a_report_that_nobody_asked_for_changes_nothing(sqlite_url: str, tmp_path: Path) -> None:
    """A transaction that is unknown, or another object than was asked for: invalid argument, or no proof."""
    with (
        archive(reports="never") as peer,
        proving(sqlite_url, tmp_path / "state", COMMITTING | {"port": peer.port}) as node,
    ):
        peer.to = lambda: node.port
        node.step()
        node.step()
        mine = Reference(sop_class_uid=SR_CLASS, sop_instance_uid=REPORT)
        other = Reference(sop_class_uid=SR_CLASS, sop_instance_uid="2.25.2")
        with capture_logs() as logs:
            peer.elsewhere(None, peer.report_on(generate_uid(), [mine]))
            peer.elsewhere(None, peer.report_on(peer.transactions[0], [other]))
        assert [0x0115, 0x0000] == peer.answers
        assert ("stored", "delivering") == node.state
        assert "commitment_unknown" in {each["action"] for each in logs}

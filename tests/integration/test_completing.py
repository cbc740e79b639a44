"""A study is completed from its source's archive before it is measured: a real Orthanc, and archives that misbehave."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partialmethod
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from ledgers import empty_sqlite, event_names, sqlite_url
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from report_samples import segmentation
from servers import Orthanc, free_port, run_orthanc, wait_until
from spooled import file_of
from two_studies import LOWER, SOUND, document, slice_of
from whole_site import Site, site

from service.checks.archives import archives
from service.completing import Completer
from service.config import Settings
from service.ledger.switches import Paused
from service.listening import steward_of
from service.metrics import Metrics
from service.receiving import Announced
from service.retrieve import GET, IntoSpool
from service.spool import study_key
from service.states import StudyState

__all__ = ["empty_sqlite", "sqlite_url"]

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Orthanc, int]]:
    """Start an Orthanc that sends to a node; give it, and the port on which it looks for the node."""
    port = free_port()
    modalities = {"spondyl": ["SPONDYL", "127.0.0.1", port]}
    folder = tmp_path_factory.mktemp("pacs")
    with run_orthanc(folder, DicomModalities=modalities, DicomAlwaysAllowMove=True) as orthanc:
        yield orthanc, port


@contextmanager
def completing(
    sqlite_url: str, root: Path, archive: dict[str, Any], *, destination: int | None = None, **node: Any
) -> Iterator[Site]:
    """Open a node whose one source has this archive; a study is quiet at once."""
    where = {"ae_title": "PACS", "host": "127.0.0.1", "timeout_s": 5.0, "patience_s": 100.0} | archive
    source = {"name": "pacs", "ae_titles": ["CT1", "PACS"], "archive": where}
    about: dict[str, Any] = {"node": {"port": 0} | node, "sources": [source], "study": {"quiet_s": 0.0}}
    with site(sqlite_url, root, *([destination] if destination else []), **about) as here:
        yield here


def settled(here: Site, completer: Completer) -> int:
    """Settle, complete, settle: as the steward does by itself; return how many are to be measured."""
    # The listener tells the ledger that an association is over once it is.
    wait_until(lambda: (here.settle(), _asks(here))[1], "the archive is to be asked", seconds=10)
    assert completer.run(here.now)
    return here.settle()


def completer(here: Site) -> Completer:
    """Return what asks the archives of a site."""
    return Completer(node=here.node, metrics=Metrics(here.node.settings))


def _asks(here: Site) -> bool:
    return any("completing" in event_names(here.node.ledger, row.study_instance_uid) for row in _studies(here))


def _studies(here: Site) -> Any:
    return here.node.ledger.admin.studies()


def said(here: Site, uid: str, event: str) -> list[str]:
    """Return the details of an event of a study."""
    return [each.detail for each in here.node.ledger.admin.study(uid).events if each.event == event]


def slices(uid: str, count: int) -> list[Dataset]:
    """Return slices of one series."""
    return [slice_of(uid, "20260301", SOPInstanceUID=f"{uid}.2.{n}", InstanceNumber=n) for n in range(1, count + 1)]


# ---- Orthanc


@pytest.mark.parametrize("retrieve", ["get", "move"])
def test_what_the_archive_has_more_is_fetched_before_a_worker_hears_of_the_study(
    pacs: tuple[Orthanc, int], sqlite_url: str, tmp_path: Path, retrieve: str
) -> None:
    """One slice of three is sent: measured is nothing before the number is the archive's, each as it has it."""
    orthanc, port = pacs
    uid = f"1.2.826.0.1.3680043.10.999.4{len(retrieve)}"
    images = slices(uid, 3)
    for image in images:
        orthanc.store(file_of(image))
    archive = {"port": orthanc.port, "retrieve": retrieve}
    with completing(sqlite_url, tmp_path, archive, port=port) as here:
        here.bring(images[0])
        steward = steward_of(here.node, Metrics(here.node.settings))
        steward.start()
        wait_until(lambda: here.study(uid).state is StudyState.QUEUED, "the study is completed and settled")
        steward.stop()

        assert ["received", "completing", "completed", "settled"] == event_names(here.node.ledger, uid)
        assert ["all 3 objects that pacs's archive lists are here, 2 fetched"] == said(here, uid, "completed")
        kept = {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, here.node.spool.files(study_key(uid)))}
        held = [pydicom.dcmread(BytesIO(file)) for file in orthanc.instances(StudyInstanceUID=uid)]
        assert {str(one.SOPInstanceUID): one for one in held} == kept
        assert here.study(uid).revision == 1
        # What came from the archive is the study's own: nothing is asked, or settled, again.
        here.now += 1.0
        assert (0, 0) == (here.settle(), completer(here).run(here.now))
        assert here.study(uid).revision == 1


def test_only_the_segmentation_is_fetched_where_that_is_asked_for(
    pacs: tuple[Orthanc, int], sqlite_url: str, tmp_path: Path
) -> None:
    """The scanner sends the images; the masks lie in the archive, as do images that nobody sent."""
    orthanc, _ = pacs
    uid = "1.2.826.0.1.3680043.10.999.45"
    images = slices(uid, 2)
    mask = segmentation()
    mask.StudyInstanceUID, mask.SeriesInstanceUID, mask.SOPInstanceUID = uid, f"{uid}.5", f"{uid}.5.1"
    for each in (images[1], mask):
        orthanc.store(file_of(each))
    with completing(sqlite_url, tmp_path, {"port": orthanc.port, "fetch": ["seg"]}) as here:
        here.bring(images[0])
        assert settled(here, completer(here)) == 1

        kept = {pydicom.dcmread(path).SOPInstanceUID for path in here.node.spool.files(study_key(uid))}
        assert {images[0].SOPInstanceUID, mask.SOPInstanceUID} == kept


def test_a_report_of_ours_on_an_earlier_study_is_fetched_and_compared_with(
    pacs: tuple[Orthanc, int], sqlite_url: str, empty_sqlite: Path, tmp_path: Path
) -> None:
    """Another node wrote it and its ledger is gone: the study waits until the report has been read, then names it."""
    orthanc, _ = pacs
    before, uid = "1.2.826.0.1.3680043.10.999.46", "1.2.826.0.1.3680043.10.999.47"
    who = {"PatientID": "P-46", "PatientBirthDate": "19500203", "PatientSex": "F", "IssuerOfPatientID": "HOSPITAL"}
    lost = tmp_path / "lost.sqlite"
    lost.write_bytes(empty_sqlite.read_bytes())
    with site(f"sqlite:///{lost}", tmp_path / "lost", orthanc.port) as other:
        other.send(slice_of(before, "20250301", **who))
        other.put(before, document(before, SOUND))
        other.work(before)

    archive = {"port": orthanc.port, "fetch": ["prior"]}
    with completing(sqlite_url, tmp_path, archive) as here:
        completing_it = completer(here)
        here.bring(slice_of(uid, "20260301", **who))
        # The report is fetched and its study settled; the one that it was fetched for still waits.
        assert settled(here, completing_it) == 1
        assert StudyState.RECEIVING is here.study(uid).state
        here.work(before)
        assert "ONLY_OWN_REPORTS" == here.study(before).reason
        here.now += 10.0
        completing_it.run(here.now)
        assert here.settle() == 1
        here.put(uid, document(uid, LOWER))
        here.work(uid)

        findings = here.node.ledger.admin.findings(uid) or ""
        assert before in findings
        assert ["all 0 objects that pacs's archive lists are here"] == said(here, uid, "completed")


# ---- archives that misbehave


@dataclass
class Liar:
    """An archive that lists objects of a study, and sends others, or none."""

    listed: list[str]
    sends: list[Dataset] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    #: Before each object, seconds.
    pause_s: float = 0.0

    def on_find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        """List one series, and the objects in it."""
        wanted = event.identifier
        for uid in self.listed if wanted.QueryRetrieveLevel == "IMAGE" else ["series"]:
            found = Dataset()
            found.QueryRetrieveLevel, found.StudyInstanceUID = wanted.QueryRetrieveLevel, wanted.StudyInstanceUID
            found.SeriesInstanceUID, found.Modality = f"{wanted.StudyInstanceUID}.2", "CT"
            if wanted.QueryRetrieveLevel == "IMAGE":
                found.SOPInstanceUID, found.SOPClassUID = uid, CT
            yield 0xFF00, found

    def on_get(self, event: evt.Event) -> Iterator[Any]:
        """Send what there is to send."""
        self.asked.append(event.identifier.QueryRetrieveLevel)
        yield len(self.sends)
        for each in self.sends:
            time.sleep(self.pause_s)
            yield 0xFF00, each


@contextmanager
def lying(*listed: str) -> Iterator[tuple[Liar, int]]:
    """Run such an archive; give it and its port."""
    liar = Liar(listed=list(listed))
    ae = AE(ae_title="PACS")
    ae.add_supported_context(FIND)
    ae.add_supported_context(GET)
    ae.add_supported_context(CT, scu_role=True, scp_role=True)
    handlers: list[Any] = [(evt.EVT_C_FIND, liar.on_find), (evt.EVT_C_GET, liar.on_get)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    yield liar, server.server_address[1]
    server.shutdown()


def test_an_archive_that_does_not_send_what_it_lists_is_asked_a_few_times_only(sqlite_url: str, tmp_path: Path) -> None:
    """Then the study is measured as it is, and says what is missing."""
    uid = "1.2.826.0.1.3680043.10.999.48"
    with lying(f"{uid}.2.1", f"{uid}.2.2") as (liar, port), completing(sqlite_url, tmp_path, {"port": port}) as here:
        here.bring(*slices(uid, 1))
        completing_it = completer(here)
        assert settled(here, completing_it) == 0
        for _ in range(4):
            assert StudyState.RECEIVING is here.study(uid).state
            here.now += 20.0 if _ < 3 else 31.0
            completing_it.run(here.now)
        assert here.settle() == 1

        assert ["measured as it is: 1 of 2 objects of pacs's archive are missing"] == said(here, uid, "incomplete")
        assert ["IMAGE"] * 5 == liar.asked


def test_an_archive_that_did_not_answer_has_its_looks_still(sqlite_url: str, tmp_path: Path) -> None:
    """Only looks that it did answer count: one that comes back late sends its share all the same."""
    uid = "1.2.826.0.1.3680043.10.999.56"
    with lying(f"{uid}.2.1", f"{uid}.2.2") as (_, port), completing(sqlite_url, tmp_path, {"port": port}) as here:
        here.bring(*slices(uid, 1))
        completing_it = completer(here)
        here.node.ledger.switches.pause(Paused.INTAKE, actor="test", address="", why="", now=here.now)
        assert settled(here, completing_it) == 0
        for _ in range(5):
            here.now += 10.0
            completing_it.run(here.now)
        here.node.ledger.switches.resume(Paused.INTAKE, actor="test", address="", now=here.now)
        here.now += 10.0
        completing_it.run(here.now)

        assert StudyState.RECEIVING is here.study(uid).state
        assert [] == said(here, uid, "incomplete")


def test_a_study_waits_for_a_silent_archive_as_long_as_the_site_says(sqlite_url: str, tmp_path: Path) -> None:
    """After that it is measured as it is, and says so; somebody who settles it by hand does not wait."""
    patient, hurried = "1.2.826.0.1.3680043.10.999.49", "1.2.826.0.1.3680043.10.999.50"
    with completing(sqlite_url, tmp_path, {"port": free_port(), "patience_s": 60.0}) as here:
        completing_it = completer(here)
        here.bring(*slices(patient, 1))
        assert settled(here, completing_it) == 0
        here.bring(*slices(hurried, 1))
        here.node.ledger.admin.settle_now(hurried, now=here.now)
        assert here.settle() == 1
        assert StudyState.QUEUED is here.study(hurried).state

        here.now += 59.0
        completing_it.run(here.now)
        assert (0, StudyState.RECEIVING) == (here.settle(), here.study(patient).state)
        here.now += 31.0
        completing_it.run(here.now)
        assert here.settle() == 1
        [why] = said(here, patient, "incomplete")
        assert why.startswith("measured as it is: pacs does not answer")


def test_what_an_archive_sends_unasked_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    """Nothing is kept but what was asked for and is what it says: other objects, other patients' stay out."""
    uid, other = "1.2.826.0.1.3680043.10.999.51", "1.2.826.0.1.3680043.10.999.52"
    with lying(f"{uid}.2.1", f"{uid}.2.2") as (liar, port), completing(sqlite_url, tmp_path, {"port": port}) as here:
        wanted, stranger = slices(uid, 2)[1], slices(other, 1)[0]
        liar.sends = [pydicom.dcmread(BytesIO(file_of(each))) for each in (stranger, wanted)]
        here.bring(*slices(uid, 1))
        assert settled(here, completer(here)) == 1

        assert ["all 2 objects that pacs's archive lists are here, 1 fetched"] == said(here, uid, "completed")
        assert [uid] == [row.study_instance_uid for row in here.node.ledger.admin.studies()]
        assert [study_key(uid)] == list(here.node.spool.keys())


def test_what_is_larger_than_any_object_may_be_passes_by(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not all of it is in memory before it is refused; what comes after it is kept, and the study has it."""
    uid = "1.2.826.0.1.3680043.10.999.54"
    came: list[str] = []
    monkeypatch.setattr(IntoSpool, "__call__", partialmethod(_noting, came, IntoSpool.__call__))
    with (
        lying(*(f"{uid}.2.{number}" for number in (1, 2, 3))) as (liar, port),
        completing(sqlite_url, tmp_path, {"port": port}, max_object_mb=1) as here,
    ):
        first, large, last = slices(uid, 3)
        large.add_new(0x0042_0011, "OB", bytes(3_000_000))
        liar.sends = [pydicom.dcmread(BytesIO(file_of(each))) for each in (large, last)]
        here.bring(first)
        assert settled(here, completer(here)) == 0

        held = {pydicom.dcmread(path).SOPInstanceUID for path in here.node.spool.files(study_key(uid))}
        assert {first.SOPInstanceUID, last.SOPInstanceUID} == held
        assert [last.SOPInstanceUID] == came


def _noting(keep: IntoSpool, came: list[str], real: Any, announced: Announced, data: bytes) -> None:
    came.append(announced.sop_instance_uid)
    real(keep, announced, data)


def test_an_archive_that_sends_without_an_end_is_hung_up_on(sqlite_url: str, tmp_path: Path) -> None:
    """Each object comes in time, and there is always one more: once the time is used up, nothing more is kept."""
    uid, many = "1.2.826.0.1.3680043.10.999.55", 30
    asked = {"timeout_s": 1.0, "patience_s": 0.5}
    with (
        lying(*(f"{uid}.2.{number}" for number in range(1, many + 1))) as (liar, port),
        completing(sqlite_url, tmp_path, {"port": port} | asked) as here,
    ):
        first, *more = slices(uid, many)
        liar.sends, liar.pause_s = [pydicom.dcmread(BytesIO(file_of(each))) for each in more], 0.3
        here.bring(first)
        assert settled(here, completer(here)) == 0

        assert len(here.node.spool.files(study_key(uid))) < many / 2


# ---- doctor


def test_doctor_asks_an_archive_what_it_will_be_asked(pacs: tuple[Orthanc, int]) -> None:
    """One that answers; one that does not fetch that way; one whose title nobody admits; one that is down."""
    orthanc, _ = pacs

    def found(**archive: Any) -> tuple[str, str]:
        where = {"ae_title": "PACS", "host": "127.0.0.1", "timeout_s": 5.0, "port": orthanc.port} | archive
        titles = ["CT1", "PACS"] if archive.get("retrieve") != "move" else ["CT1"]
        source = {"name": "pacs", "ae_titles": titles, "archive": where}
        [check] = archives(Settings.model_validate({"sources": [source]}))
        return check.verdict.value, check.found

    assert ("ok", "answers C-FIND and accepts C-GET") == found()
    assert ("note", "answers C-FIND and C-MOVE; PACS is the AE title of no source") == found(retrieve="move")
    with lying() as (_, port):
        verdict, words = found(port=port, retrieve="move")
        assert ("failed", "answers C-FIND, and accepts no C-MOVE") == (verdict, words)
    verdict, words = found(port=free_port())
    assert verdict == "failed"
    assert "does not answer" in words

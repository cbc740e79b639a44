"""The door of a real listener: a pause reaches senders, and who was rejected reaches the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import build_context
from servers import wait_until

from service import peer, receive, sop_classes
from service.config import Settings
from service.config_peers import Destination
from service.door import Door
from service.errors import PeerRefused
from service.ledger import Ledger
from service.ledger.switches import Paused
from service.metrics import Metrics
from service.receive import Listener
from service.spool import Spool


@dataclass(kw_only=True)
class Ear:
    """A listener whose clock is set by hand."""

    ledger: Ledger
    port: int = 0
    now: float = 1000.0

    def send(self, *, calling: str = "CT1", called: str = "SPONDYL") -> int | None:
        """Return the status of a C-STORE; None where there was no association."""
        found = Dataset()
        found.SOPClassUID, found.SOPInstanceUID = CTImageStorage, generate_uid()
        found.StudyInstanceUID = found.SeriesInstanceUID = "1.2.3"
        found.ensure_file_meta()
        found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        contexts = [build_context(CTImageStorage, ExplicitVRLittleEndian), build_context(sop_classes.VERIFICATION)]
        listener = Destination(name="ear", ae_title=called, host="127.0.0.1", port=self.port)
        try:
            with peer.calling(listener, contexts, calling_ae=calling) as association:
                status = int(association.send_c_store(found).Status)
                assert 0x0000 == association.send_c_echo().Status
        except PeerRefused:
            return None
        return status


@pytest.fixture
def ear(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    """Start a listener with one source; it tells the ledger of callers ten times a second."""
    monkeypatch.setattr(receive, "RENEW_S", 0.1)
    sources = [{"name": "ct1", "ae_titles": ["CT1"]}]
    settings = Settings.model_validate({"node": {"port": 0}, "sources": sources, "storage": {"root": tmp_path / "s"}})
    spool = Spool(settings.storage.root, min_free_bytes=0)
    spool.prepare()
    ledger = Ledger.open(sqlite_url)
    started = Ear(ledger=ledger)
    door = Door(ledger.switches, ledger.callers, lambda: started.now, lambda: started.now)
    listener = Listener(settings=settings, spool=spool, ledger=ledger, metrics=Metrics(settings), door=door)
    listener.start()
    started.port = listener.port
    yield started
    listener.stop()
    ledger.close()


def test_a_paused_intake_is_out_of_resources_and_answers_an_echo(ear: Ear) -> None:
    """0xA700 while it is paused, over an association that is accepted and answers C-ECHO; success before and after."""
    statuses = [ear.send()]
    ear.ledger.switches.pause(Paused.INTAKE, actor="anna", address="::1", why="update", now=ear.now)
    ear.now += 1.0
    statuses.append(ear.send())
    ear.ledger.switches.resume(Paused.INTAKE, actor="anna", address="::1", now=ear.now)
    ear.now += 1.0
    statuses.append(ear.send())

    assert [0x0000, 0xA700, 0x0000] == statuses


def test_who_was_rejected_is_told_to_the_ledger(ear: Ear) -> None:
    """An unknown title and a wrong called title, each with its cause; who was let in is not among them."""
    assert (None, None, 0) == (ear.send(calling="LOST"), ear.send(called="WRONG"), ear.send())
    wait_until(lambda: len(ear.ledger.callers.latest()) == 2, "the ledger knows both callers")

    assert {
        ("LOST", "127.0.0.1", "calling_ae_title", "SPONDYL"),
        ("CT1", "127.0.0.1", "called_ae_title", "WRONG"),
    } == {(each.calling_ae, each.address, each.cause, each.called_ae) for each in ear.ledger.callers.latest()}

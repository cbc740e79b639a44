"""The door of a real listener: a pause reaches senders, and who was rejected reaches the ledger."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import build_context
from pynetdicom.association import Association
from raw_caller import VERIFICATION, RawCaller, associate_rq
from servers import program, wait_until

from service import peer, receive, sop_classes
from service.config import Settings
from service.config_peers import Destination
from service.door import Door
from service.errors import PeerRefused, Unavailable
from service.ledger import Ledger
from service.ledger.switches import Paused
from service.metrics import Metrics
from service.receive import Listener
from service.spool import Spool

CT, ULTRASOUND = str(CTImageStorage), "1.2.840.10008.5.1.4.1.1.6.1"
PUSH_MODEL = "1.2.840.10008.1.20.1"


def one_object() -> Dataset:
    """Return a small object."""
    found = Dataset()
    found.SOPClassUID, found.SOPInstanceUID = CTImageStorage, generate_uid()
    found.StudyInstanceUID = found.SeriesInstanceUID = "1.2.3"
    found.ensure_file_meta()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return found


@dataclass(kw_only=True)
class Ear:
    """A listener whose clock is set by hand."""

    ledger: Ledger
    spool: Spool
    metrics: Metrics
    #: Of saved counts.
    folder: Path
    port: int = 0
    now: float = 1000.0

    def send(self, *, calling: str = "CT1", called: str = "SPONDYL") -> int | None:
        """Return the status of a C-STORE; None where there was no association."""
        try:
            with self.calling(calling=calling, called=called) as association:
                status = int(association.send_c_store(one_object()).Status)
                assert 0x0000 == association.send_c_echo().Status
        except (PeerRefused, Unavailable):
            return None
        return status

    @contextmanager
    def calling(self, *, calling: str = "CT1", called: str = "SPONDYL") -> Iterator[Association]:
        """Hold an association."""
        contexts = [build_context(CTImageStorage, ExplicitVRLittleEndian), build_context(sop_classes.VERIFICATION)]
        listener = Destination(name="ear", ae_title=called, host="127.0.0.1", port=self.port)
        with peer.calling(listener, contexts, calling_ae=calling) as association:
            yield association

    def pause(self) -> None:
        """Pause the intake, and have a second pass."""
        self.ledger.switches.pause(Paused.INTAKE, actor="anna", address="::1", why="update", now=self.now)
        self.now += 1.0

    def resume(self) -> None:
        """Let it go on, and have a second pass."""
        self.ledger.switches.resume(Paused.INTAKE, actor="anna", address="::1", now=self.now)
        self.now += 1.0

    def fill(self) -> None:
        """Leave less on the disk than must stay free."""
        self.spool._min_free_bytes = 2**62  # noqa: SLF001 - no disk is that large

    def counts(self) -> str:
        """Return what the listener has counted, as it saves it."""
        self.metrics.save(self.port, free_bytes=0)
        return "".join(path.read_text(encoding="utf-8") for path in self.folder.glob("*.prom"))


@pytest.fixture
def ear(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    """Start a listener with one source; it tells the ledger of callers ten times a second."""
    monkeypatch.setattr(receive, "RENEW_S", 0.1)
    sources = [{"name": "ct1", "ae_titles": ["CT1"]}]
    node = {"port": 0, "storage_commitment": True}
    settings = Settings.model_validate({"node": node, "sources": sources, "storage": {"root": tmp_path / "s"}})
    spool = Spool(settings.storage.root, min_free_bytes=0)
    spool.prepare()
    ledger = Ledger.open(sqlite_url)
    metrics = Metrics(settings)
    started = Ear(ledger=ledger, spool=spool, metrics=metrics, folder=tmp_path / "s" / "metrics")
    door = Door(ledger.switches, ledger.callers, lambda: started.now, lambda: started.now)
    listener = Listener(settings=settings, spool=spool, ledger=ledger, metrics=metrics, door=door)
    listener.start()
    started.port = listener.port
    yield started
    listener.stop()
    ledger.close()


def test_a_pause_rejects_who_would_store_and_refuses_what_an_open_association_brings(ear: Ear, tmp_path: Path) -> None:
    """A sender is told to come again; 0xA700 where there is an association, which answers C-ECHO; after it success.

    Nothing is wrong with such a caller: the ledger does not list it.
    """
    file = tmp_path / "one.dcm"
    one_object().save_as(file, enforce_file_format=True)
    call = [program("storescu"), "-aet", "CT1", "-aec", "SPONDYL", "127.0.0.1", str(ear.port), str(file)]
    with ear.calling() as association:
        statuses = [association.send_c_store(one_object()).Status]
        ear.pause()
        rejected = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
        statuses.append(association.send_c_store(one_object()).Status)
        assert 0x0000 == association.send_c_echo().Status
    ear.resume()
    statuses.append(ear.send())
    ear.send(calling="LOST")
    wait_until(lambda: ear.ledger.callers.latest() != [], "the ledger knows a caller")

    assert [0x0000, 0xA700, 0x0000] == statuses
    assert "Rejected Transient" in rejected.stderr
    assert "Temporary Congestion" in rejected.stderr
    assert {"LOST"} == {each.calling_ae for each in ear.ledger.callers.latest()}


CONGESTED = (0x02, 0x03, 0x01)


@pytest.mark.parametrize("closed", ["paused", "out_of_space"])
@pytest.mark.parametrize(
    ("proposed", "titles", "answer"),
    [
        ((CT,), {}, CONGESTED),
        ((VERIFICATION, CT), {}, CONGESTED),
        ((VERIFICATION,), {}, None),
        ((PUSH_MODEL,), {}, None),
        ((VERIFICATION, PUSH_MODEL), {}, None),
        ((VERIFICATION, ULTRASOUND), {}, None),
        ((CT,), {"calling": "LOST"}, (0x01, 0x01, 0x03)),
        ((CT,), {"called": "WRONG"}, (0x01, 0x01, 0x07)),
    ],
)
def test_who_may_send_is_decided_before_anything_is_sent(
    ear: Ear, closed: str, proposed: tuple[str, ...], titles: dict[str, str], answer: tuple[int, ...] | None
) -> None:
    """PS3.8 9.3.4: transient, temporary congestion, to a source that proposes what we store, and to nobody else.

    What stores nothing is accepted; who may not send at all is told so for good. It is the same of a full disk.
    """
    ear.pause() if closed == "paused" else ear.fill()
    with closing(RawCaller(ear.port)) as caller:
        calling, called = titles.get("calling", "CT1"), titles.get("called", "SPONDYL")
        caller.say(associate_rq(only=proposed, calling=calling, called=called))
        kind, body = caller.read()

    assert (kind, tuple(body[1:4]) if kind == 3 else None) == (2 if answer is None else 3, answer)
    found = re.findall(rf'rejected_associations_total\{{cause="{closed}",[^}}]*source="ct1"\}} ([0-9])', ear.counts())
    assert [str(int(answer == CONGESTED))] == found


def test_a_disk_that_fills_refuses_what_an_open_association_brings(ear: Ear) -> None:
    """0xA700 for each object, over an association that goes on; once there is room again, others may begin."""
    with ear.calling() as association:
        ear.fill()
        assert [0xA700] * 2 == [association.send_c_store(one_object()).Status for _ in range(2)]
        assert None is ear.send()
        ear.spool._min_free_bytes = 0  # noqa: SLF001 - somebody made room
        assert 0x0000 == association.send_c_store(one_object()).Status
    assert 0x0000 == ear.send()


def test_who_was_rejected_is_told_to_the_ledger(ear: Ear) -> None:
    """An unknown title and a wrong called title, each with its cause; who was let in is not among them."""
    assert (None, None, 0) == (ear.send(calling="LOST"), ear.send(called="WRONG"), ear.send())
    wait_until(lambda: len(ear.ledger.callers.latest()) == 2, "the ledger knows both callers")

    assert {
        ("LOST", "127.0.0.1", "calling_ae_title", "SPONDYL"),
        ("CT1", "127.0.0.1", "called_ae_title", "WRONG"),
    } == {(each.calling_ae, each.address, each.cause, each.called_ae) for each in ear.ledger.callers.latest()}

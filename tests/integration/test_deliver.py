"""C-STORE to real and to misbehaving peers: nothing is lost, nothing hangs, and what failed says whether to retry."""

import contextlib
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import BaseServer
from typing import Any

import pydicom
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode, encode_file_meta
from pynetdicom.transport import ThreadedAssociationServer
from servers import StoreScp, free_port, program, run_storescp, wait_until

import service.deliver
from service import peer, sop_classes
from service.asking import FIND
from service.config import Settings
from service.config_peers import Destination, Tls
from service.deliver import Deliverer, Unsendable
from service.errors import MayBeThere, NotNow, NotReached, NotTaken, PeerRefused, SpondylError, Unavailable
from service.listed import FILING_S
from service.spool import Spool

REPORT, REPORT_3D = sop_classes.REPORTS["comprehensive"], sop_classes.REPORTS["comprehensive_3d"]
ENHANCED = sop_classes.REPORTS["enhanced"]
#: A storescp that takes one SOP class.
ONE_CLASS = """\
[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LocalEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[Only]
PresentationContext1 = {sop_class}\\Uncompressed
[[Profiles]]
[Only]
PresentationContexts = Only
"""
CONTEXTS = [build_context(REPORT, ExplicitVRLittleEndian)]


@pytest.fixture
def deliverer(tmp_path: Path) -> Iterator[Deliverer]:
    """Return a deliverer; its associations are released afterwards."""
    deliverer = Deliverer(Settings(), Spool(tmp_path / "state"), random.Random(1))
    yield deliverer
    deliverer.close()


def report(path: Path, sop_class: str = REPORT, *, comment: str = "") -> Path:
    """Write a small report."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.3", "1.2.3.4", "SR"
    ds.ImageComments = comment or None
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = encode(ds, is_implicit_vr=False, is_little_endian=True)
    assert data is not None
    path.write_bytes(bytes(128) + b"DICM" + encode_file_meta(meta) + data)
    return path


def at(port: int, *, ae_title: str = "PACS", timeout_s: float = 5.0, **more: Any) -> Destination:
    """Return a destination on this machine."""
    return Destination(name="pacs", ae_title=ae_title, host="127.0.0.1", port=port, timeout_s=timeout_s, **more)


@dataclass
class Pacs:
    """A PACS whose answers a test chooses."""

    port: int = 0
    status: int = 0x0000
    delay_s: float = 0.0
    aborts: int = 0
    associations: int = 0
    released: int = 0
    aborted: int = 0
    received: list[str] = field(default_factory=list)
    #: The SOP class of each object.
    classes: dict[str, str] = field(default_factory=dict)
    #: By SOP class, where it does not answer `status`; what it answers first, one after the other, None being nothing.
    by_class: dict[str, int] = field(default_factory=dict)
    first: list[int | None] = field(default_factory=list)
    #: What it says to a C-FIND that it has.
    has: list[str] = field(default_factory=list)

    def find(self, _event: evt.Event) -> Iterator[tuple[int, Dataset]]:
        """Answer a C-FIND."""
        for uid in self.has:
            found = Dataset()
            found.QueryRetrieveLevel, found.SOPInstanceUID = "IMAGE", uid
            yield 0xFF00, found

    def answer(self, event: evt.Event) -> Dataset:
        """Answer a C-STORE."""
        assert isinstance(event.request, C_STORE)
        self.received.append(str(event.request.AffectedSOPInstanceUID))
        self.classes[self.received[-1]] = str(event.request.AffectedSOPClassUID)
        time.sleep(self.delay_s)
        if self.aborts:
            self.aborts -= 1
            event.assoc.abort()
        answer = Dataset()
        answer.Status = self.by_class.get(str(event.request.AffectedSOPClassUID), self.status)
        if self.first:
            status = self.first.pop(0)
            if status is None:
                event.assoc.abort()
            else:
                answer.Status = status
        answer.ErrorComment = "PatientID PLANTED-ID differs"
        return answer

    def established(self, _event: evt.Event) -> None:
        """Count an association."""
        self.associations += 1

    def ended(self, _event: evt.Event) -> None:
        """Count an association that was released."""
        self.released += 1

    def broken(self, _event: evt.Event) -> None:
        """Count an association that was aborted."""
        self.aborted += 1


@contextlib.contextmanager
def pacs(*classes: str, port: int = 0, most: int = 10, idle_s: float = 30.0, called_ae: str = "PACS") -> Iterator[Pacs]:
    """Run a PACS that takes the given SOP classes."""
    peer.silence_pynetdicom()
    state = Pacs()
    entity = AE(ae_title=called_ae)
    entity.require_called_aet = True
    entity.maximum_associations = most
    entity.network_timeout = idle_s
    for sop_class in classes or sop_classes.REPORTS.values():
        entity.add_supported_context(sop_class)
    handlers = [
        (evt.EVT_C_STORE, state.answer),
        (evt.EVT_C_FIND, state.find),
        (evt.EVT_ESTABLISHED, state.established),
        (evt.EVT_RELEASED, state.ended),
        (evt.EVT_ABORTED, state.broken),
    ]
    server = entity.make_server(
        ("127.0.0.1", port),
        ae_title=called_ae,
        contexts=entity.supported_contexts,
        evt_handlers=handlers,  # type: ignore[arg-type]  # pairs
        server_class=ThreadedAssociationServer,
    )
    # AE.start_server() looks for its end every half second; there are many tests.
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    state.port = server.server_address[1]
    try:
        yield state
    finally:
        BaseServer.shutdown(server)
        server.server_close()
        entity.shutdown()


# ---- what arrives


def test_a_report_arrives_as_it_is(deliverer: Deliverer, storescp: StoreScp, tmp_path: Path) -> None:
    """Each SOP class of ours gets to a real storescp; the data set there is that of the file."""
    for sop_class in sop_classes.REPORTS.values():
        deliverer.send(at(storescp.port), report(tmp_path / "r.dcm", sop_class))
        sent = pydicom.dcmread(tmp_path / "r.dcm")
        assert sent in [pydicom.dcmread(path) for path in storescp.files()]


def test_a_peer_of_the_default_transfer_syntax_gets_it_too(deliverer: Deliverer, tmp_path: Path) -> None:
    """Whoever takes Implicit VR Little Endian alone (PS3.5 10.1) gets an equal data set."""
    with run_storescp(tmp_path / "implicit", "+xi") as scp:
        deliverer.send(at(scp.port), report(tmp_path / "r.dcm"))
        [stored] = [pydicom.dcmread(path) for path in scp.files()]
    assert stored == pydicom.dcmread(tmp_path / "r.dcm")


def test_no_response_is_lost(deliverer: Deliverer, storescp: StoreScp, tmp_path: Path) -> None:
    """1500 sends in a row over one association: each is answered (pynetdicom 3.0.4 alone loses up to 0.5 %)."""
    path = report(tmp_path / "r.dcm")
    start = time.monotonic()
    for _ in range(1500):
        deliverer.send(at(storescp.port), path)
    assert time.monotonic() - start < 60
    assert len(storescp.files()) == 1


def test_the_reactor_is_parked_while_the_association_is_open(tmp_path: Path) -> None:
    """Between two messages nobody but the sender reads from the queue of messages, whatever tries to open the gate."""
    with pacs() as state, peer.calling(at(state.port), CONTEXTS, calling_ae="ME") as association:
        association.send_c_store(report(tmp_path / "r.dcm"))
        association._reactor_checkpoint.set()  # noqa: SLF001 - what pynetdicom does after every message
        association.dimse.msg_queue.put((None, None))
        time.sleep(0.05)
        assert association.dimse.msg_queue.qsize() == 1
        association.dimse.msg_queue.get()
    assert not association.is_alive()
    assert association.is_released


def test_one_association_serves_many_reports(deliverer: Deliverer, tmp_path: Path) -> None:
    """The association is kept open between reports."""
    with pacs() as state:
        for _ in range(5):
            deliverer.send(at(state.port), report(tmp_path / "r.dcm"))
        assert (state.associations, len(state.received)) == (1, 5)
        deliverer.close()
        wait_until(lambda: state.released == 1, "the association is released")


def test_an_idle_association_is_released(deliverer: Deliverer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without reports the peer gets its slot back; the next report opens another."""
    monkeypatch.setattr(service.deliver, "IDLE_S", 0.2)
    with pacs() as state:
        deliverer.send(at(state.port), report(tmp_path / "r.dcm"))
        wait_until(lambda: state.released == 1, "the association is released")
        deliverer.send(at(state.port), report(tmp_path / "r.dcm"))
        assert state.associations == 2


def test_a_peer_that_closed_the_kept_association_is_called_again(deliverer: Deliverer, tmp_path: Path) -> None:
    """The PACS ends idle associations or restarts: the next report goes through at once."""
    with pacs(idle_s=0.2) as state:
        deliverer.send(at(state.port), report(tmp_path / "r.dcm"))
        wait_until(lambda: state.aborted == 1, "the PACS ends the association")
        deliverer.send(at(state.port), report(tmp_path / "r.dcm"))
        assert (state.associations, len(state.received)) == (2, 2)
    with pacs(port=state.port) as again:
        deliverer.send(at(again.port), report(tmp_path / "r.dcm"))
        assert len(again.received) == 1


def test_a_peer_that_aborts_a_kept_association_is_called_again(deliverer: Deliverer, tmp_path: Path) -> None:
    """It ends the association over the send itself: once more at once; a peer that aborts every time is unavailable."""
    path = report(tmp_path / "r.dcm")
    with pacs() as state:
        deliverer.send(at(state.port), path)
        state.aborts = 1
        deliverer.send(at(state.port), path)
        assert (state.associations, len(state.received), state.aborts) == (2, 3, 0)
        state.aborts = 2
        with pytest.raises(Unavailable, match="gave no answer"):
            deliverer.send(at(state.port), path)
        assert state.aborts == 0


def test_an_answer_that_comes_too_late_is_not_the_next_ones(
    deliverer: Deliverer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit strikes while the PACS thinks: its answer must not be taken for that to the next report."""
    get_msg = DIMSEServiceProvider.get_msg

    def strike(provider: DIMSEServiceProvider, block: bool = False) -> object:
        if block:  # the requestor waits for its answer; the PACS only looks
            raise SoftTimeLimitExceeded
        return get_msg(provider, block)

    with pacs() as state:
        monkeypatch.setattr(DIMSEServiceProvider, "get_msg", strike)
        with pytest.raises(SoftTimeLimitExceeded):
            deliverer.send(at(state.port), report(tmp_path / "first.dcm"))
        monkeypatch.setattr(DIMSEServiceProvider, "get_msg", get_msg)
        wait_until(lambda: len(state.received) == 1, "the first report arrived")
        time.sleep(0.1)  # its success is on the way
        state.status = 0xC000
        with pytest.raises(PeerRefused, match="0xC000"):
            deliverer.send(at(state.port), report(tmp_path / "second.dcm"))
        assert state.associations == 2


def test_an_association_that_is_gone_before_the_send_is_unavailable(
    deliverer: Deliverer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pynetdicom raises then says nothing against the report."""

    def gone(*_: object) -> None:
        raise RuntimeError("The association with a peer SCP must be established")

    monkeypatch.setattr(Association, "send_c_store", gone)
    with pacs() as state, pytest.raises(Unavailable, match="ended the association"):
        deliverer.send(at(state.port), report(tmp_path / "r.dcm"))


def test_destinations_do_not_wait_for_each_other(deliverer: Deliverer, tmp_path: Path) -> None:
    """While one destination is slow, another is served."""
    path = report(tmp_path / "r.dcm")
    with pacs() as slow, pacs() as quick:
        slow.delay_s = 1.5
        to_slow = Destination(name="slow", ae_title="PACS", host="127.0.0.1", port=slow.port)
        thread = threading.Thread(target=deliverer.send, args=(to_slow, path))
        thread.start()
        start = time.monotonic()
        deliverer.send(at(quick.port), path)
        assert time.monotonic() - start < 1.2
        thread.join()
        assert len(slow.received) == 1


# ---- what does not


def test_success_and_warnings_are_delivered(deliverer: Deliverer, tmp_path: Path) -> None:
    """PS3.4 B.2.3: a warning means stored; a duplicate means that it is there."""
    with pacs() as state:
        for status in (0x0000, 0xB000, 0xB007, 0x0111):
            state.status = status
            deliverer.send(at(state.port), report(tmp_path / "r.dcm"))
        assert len(state.received) == 4


def test_a_failure_that_stays_is_refused(deliverer: Deliverer, tmp_path: Path) -> None:
    """The destination's administrator must act. The peer's comment is not repeated: it may quote the patient."""
    with pacs() as state:
        for status in (0xA900, 0xC000, 0x0122):
            state.status = status
            with pytest.raises(PeerRefused, match=f"0x{status:04X}") as refusal:
                deliverer.send(at(state.port), report(tmp_path / "r.dcm"))
            assert "PLANTED" not in str(refusal.value)
        assert state.associations == 1


def test_a_failure_that_passes_is_tried_again_later(deliverer: Deliverer, tmp_path: Path) -> None:
    """Out of resources, processing failure: the same object again, later; not at once."""
    path = report(tmp_path / "r.dcm")
    with pacs() as state:
        for status in (0xA700, 0x0110):
            state.status = status
            with pytest.raises(Unavailable, match=f"0x{status:04X}"):
                deliverer.send(at(state.port), path)
        assert len(state.received) == 2
        state.status = 0x0000
        deliverer.send(at(state.port), path)
        assert len(set(state.received)) == 1


def test_an_sop_class_that_is_not_taken_is_refused_by_name(deliverer: Deliverer, tmp_path: Path) -> None:
    """One class is not taken: refused, and named; the other still goes."""
    with pacs(REPORT) as state:
        with pytest.raises(PeerRefused, match="Comprehensive 3D SR Storage: SOP class not supported"):
            deliverer.send(at(state.port), report(tmp_path / "r.dcm", REPORT_3D))
        deliverer.send(at(state.port), report(tmp_path / "r.dcm", REPORT))
        assert len(state.received) == 1


@pytest.mark.parametrize("taken", [ENHANCED, REPORT, REPORT_3D])
def test_the_alternative_that_is_taken_goes(deliverer: Deliverer, tmp_path: Path, taken: str) -> None:
    """A storescp that accepts one SOP class of the report gets the object in that class, and no other."""
    profile = tmp_path / "profile.cfg"
    profile.write_text(ONE_CLASS.format(sop_class=taken), encoding="ascii")
    paths = {each: report(tmp_path / f"{each}.dcm", each) for each in sop_classes.REPORTS.values()}
    with run_storescp(tmp_path / "scp", "-xf", str(profile), "Only") as scp:
        sent = deliverer.send(at(scp.port), *paths.values())
        [stored] = [pydicom.dcmread(path) for path in scp.files()]

    assert (paths[taken], taken) == (sent, stored.SOPClassUID)


def test_the_first_of_several_that_are_taken_goes(deliverer: Deliverer, storescp: StoreScp, tmp_path: Path) -> None:
    """A PACS that takes them all gets the one that says most, once."""
    paths = [report(tmp_path / f"{each}.dcm", each) for each in sop_classes.REPORTS.values()]

    assert paths[0] == deliverer.send(at(storescp.port), *paths)
    assert [REPORT_3D] == [pydicom.dcmread(path).SOPClassUID for path in storescp.files()]


@pytest.mark.parametrize("status", [0x0122, 0xA900, 0xC000])
def test_a_class_that_is_refused_only_by_the_answer_is_passed_over(
    deliverer: Deliverer, tmp_path: Path, status: int
) -> None:
    """Some accept every presentation context and refuse by the answer; each alternative is offered once."""
    paths = [report(tmp_path / f"{each}.dcm", each) for each in sop_classes.REPORTS.values()]
    with pacs() as state:
        state.status = status
        with pytest.raises(NotTaken, match=f"0x{status:04X}"):
            deliverer.send(at(state.port), *paths)
        assert len(paths) == len(set(state.received))


@pytest.mark.parametrize("kept", [True, False], ids=["over an association that was kept", "by a later try"])
def test_what_may_be_there_already_is_not_sent_under_another_uid(
    deliverer: Deliverer, tmp_path: Path, kept: bool
) -> None:
    """The answer was lost, and the object is refused then: it may be there, so no other SOP class of it goes."""
    paths = [report(tmp_path / f"{each}.dcm", each) for each in sop_classes.REPORTS.values()]
    with pacs() as state:
        if kept:
            deliverer.send(at(state.port), report(tmp_path / "before.dcm"))
            state.received.clear()
        state.aborts, state.status = 1, 0xC000
        if not kept:
            with pytest.raises(Unavailable):
                deliverer.send(at(state.port), *paths)
        with pytest.raises(NotTaken, match="it may have the object, of an earlier try"):
            deliverer.send(at(state.port), *paths, perhaps={} if kept else {paths[0].name: 0.0})
        assert 2 == len(state.received)
        assert 1 == len(set(state.received))


@pytest.mark.parametrize("there", [True, False])
def test_a_destination_that_is_asked_for_proof_is_asked_what_it_has(
    deliverer: Deliverer, tmp_path: Path, there: bool
) -> None:
    """Refused in a later try: stored where a C-FIND says that it is there, else the next alternative goes."""
    paths = [report(tmp_path / f"{each}.dcm", each) for each in sop_classes.REPORTS.values()]
    with pacs(*sop_classes.REPORTS.values(), FIND) as state:
        state.has = [str(pydicom.dcmread(paths[0]).SOPInstanceUID)] if there else []
        state.status = 0xC000
        to = at(state.port, proof="query")
        if there:
            assert paths[0] == deliverer.send(to, *paths, perhaps={paths[0].name: 0.0})
            assert 1 == len(state.received)
        else:
            with pytest.raises(NotNow, match="still file it"):
                deliverer.send(to, *paths, perhaps={paths[0].name: 1.0})
            assert 1 == len(set(state.received))
            with pytest.raises(NotTaken):
                deliverer.send(to, *paths, perhaps={paths[0].name: FILING_S})
            assert len(paths) == len(set(state.received))


def test_what_may_be_there_goes_first(deliverer: Deliverer, tmp_path: Path) -> None:
    """The first alternative is refused, and no answer comes to the second: that one is sent again, and taken."""
    paths = {each: report(tmp_path / f"{each}.dcm", each) for each in sop_classes.REPORTS.values()}
    with pacs() as state:
        state.by_class, state.first = {REPORT_3D: 0xA900}, [0xA900, None]
        with pytest.raises(Unavailable) as told:
            deliverer.send(at(state.port), *paths.values())
        assert (True, paths[REPORT].name) == (told.value.unsure, told.value.of)
        assert paths[REPORT] == deliverer.send(at(state.port), *paths.values(), perhaps={told.value.of: 0.0})
        assert [REPORT_3D, REPORT, REPORT] == [state.classes[uid] for uid in state.received]


def test_whoever_asks_for_another_try_gets_the_alternatives(deliverer: Deliverer, tmp_path: Path) -> None:
    """A worker died, so each may be there: the first is refused, and nobody can tell; then somebody has looked."""
    paths = {each: report(tmp_path / f"{each}.dcm", each) for each in sop_classes.REPORTS.values()}
    with pacs() as state:
        state.by_class = {REPORT_3D: 0xA900}
        with pytest.raises(MayBeThere, match="look there, then retry"):
            deliverer.send(
                at(state.port), *paths.values(), perhaps=dict.fromkeys((p.name for p in paths.values()), 9.0)
            )
        assert paths[REPORT] == deliverer.send(at(state.port), *paths.values())


@pytest.mark.parametrize(
    ("second", "family"),
    [(0xA700, NotNow), (0x0124, PeerRefused), (0xC000, MayBeThere), (None, Unavailable)],
    ids=["out of resources", "not authorised", "not understood", "no answer either"],
)
def test_however_the_second_of_two_tries_ends_the_first_is_remembered(
    deliverer: Deliverer, tmp_path: Path, second: int | None, family: type[SpondylError]
) -> None:
    """Over an association that was kept the answer is lost, and it is sent again at once: it may be there still."""
    paths = [report(tmp_path / f"{each}.dcm", each) for each in sop_classes.REPORTS.values()]
    with pacs() as state:
        deliverer.send(at(state.port), report(tmp_path / "before.dcm"))
        state.first = [None, second]
        with pytest.raises(family) as told:
            deliverer.send(at(state.port), *paths)
        assert (True, paths[0].name) == (told.value.unsure, told.value.of)
        assert 2 == len(set(state.received))


def test_a_second_try_that_is_certainly_refused_goes_on_to_the_alternatives(
    deliverer: Deliverer, tmp_path: Path
) -> None:
    """The answer to the first alternative is lost; then its SOP class is not supported: it is not there."""
    paths = {each: report(tmp_path / f"{each}.dcm", each) for each in sop_classes.REPORTS.values()}
    with pacs() as state:
        deliverer.send(at(state.port), report(tmp_path / "before.dcm"))
        state.by_class, state.first = {REPORT_3D: 0x0122}, [None]
        assert paths[REPORT] == deliverer.send(at(state.port), *paths.values())


def test_a_class_that_is_not_supported_has_no_object_there(deliverer: Deliverer, tmp_path: Path) -> None:
    """0x0122 in a later try: it never stored one, so the next alternative goes."""
    paths = [report(tmp_path / f"{each}.dcm", each) for each in sop_classes.REPORTS.values()]
    with pacs() as state:
        state.status = 0x0122
        with pytest.raises(NotTaken):
            deliverer.send(at(state.port), *paths, perhaps={paths[0].name: 0.0})
        assert len(paths) == len(set(state.received))


def test_only_what_a_destination_is_to_get_is_proposed(deliverer: Deliverer, tmp_path: Path) -> None:
    """A destination that wants the report alone is not asked about pictures, though it would take them."""
    picture = report(tmp_path / "picture.dcm", "1.2.840.10008.5.1.4.1.1.7")
    with pacs(REPORT, "1.2.840.10008.5.1.4.1.1.7") as state:
        with pytest.raises(NotTaken):
            deliverer.send(at(state.port, send=("sr",)), picture)
        assert state.received == []


def test_a_peer_that_takes_no_report_at_all_refuses(deliverer: Deliverer, tmp_path: Path) -> None:
    """No presentation context is accepted."""
    with pacs("1.2.840.10008.5.1.4.1.1.2") as state, pytest.raises(PeerRefused, match="no presentation context"):
        deliverer.send(at(state.port), report(tmp_path / "r.dcm"))


def test_a_permanent_rejection_is_refused(deliverer: Deliverer, tmp_path: Path) -> None:
    """PS3.8 9.3.4, result 1: somebody must configure the peer or us."""
    with pacs(called_ae="OTHER") as state, pytest.raises(PeerRefused, match="Called AE title not recognised"):
        deliverer.send(at(state.port), report(tmp_path / "r.dcm"))


def test_a_transient_rejection_is_tried_again(deliverer: Deliverer, tmp_path: Path) -> None:
    """PS3.8 9.3.4, result 2: the peer is busy."""
    with (
        pacs(most=1) as state,
        peer.calling(at(state.port), CONTEXTS, calling_ae="OTHER"),
        pytest.raises(Unavailable, match="Rejected Transient"),
    ):
        deliverer.send(at(state.port), report(tmp_path / "r.dcm"))


def test_a_peer_that_is_down_is_unavailable_at_once(deliverer: Deliverer, tmp_path: Path) -> None:
    """A refused connection takes no time."""
    start = time.monotonic()
    with pytest.raises(Unavailable, match=r"does not answer, or hangs up, at 127\.0\.0\.1:"):
        deliverer.send(at(free_port()), report(tmp_path / "r.dcm"))
    assert time.monotonic() - start < 1.5


def test_whether_it_may_be_there_is_known(
    deliverer: Deliverer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where nobody was reached, or the answer says so; it may where there was none, whatever became of a retry."""
    path, found = report(tmp_path / "r.dcm"), []

    def try_it(state: Pacs, status: int, aborts: int) -> None:
        state.status, state.aborts = status, aborts
        with pytest.raises(Unavailable) as told:
            deliverer.send(at(state.port), path)
        found.append((told.value.unsure, told.value.of))

    def nobody(*_: object, **__: object) -> None:
        raise NotReached

    with pacs() as state:
        try_it(state, 0x0000, 1)
        try_it(state, 0xA700, 0)
        monkeypatch.setattr(peer, "call", nobody)
        try_it(state, 0x0000, 1)
        try_it(state, 0x0000, 0)

    assert [(True, path.name), (False, path.name), (True, path.name), (False, "")] == found


def test_a_host_that_has_no_address_is_unavailable(deliverer: Deliverer, tmp_path: Path) -> None:
    """A name server may answer tomorrow."""
    for host in ("nowhere.invalid", "no..where"):
        nowhere = Destination(name=host[:7].replace(".", "-"), ae_title="PACS", host=host, port=104)
        with pytest.raises(Unavailable, match="no address is known"):
            deliverer.send(nowhere, report(tmp_path / "r.dcm"))


def test_a_peer_that_says_nothing_is_unavailable_in_time(deliverer: Deliverer, tmp_path: Path) -> None:
    """It accepts the connection and is silent: the wait is the destination's limit, not for ever."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        start = time.monotonic()
        with pytest.raises(Unavailable):
            deliverer.send(at(silent.getsockname()[1], timeout_s=0.5), report(tmp_path / "r.dcm"))
        assert time.monotonic() - start < 2.5


def test_a_peer_that_never_answers_is_unavailable_in_time(deliverer: Deliverer, tmp_path: Path) -> None:
    """No response to the C-STORE: unknown, so it is tried again under the same UID, and the peer gets it twice."""
    with pacs() as state:
        state.delay_s = 1.5
        start = time.monotonic()
        with pytest.raises(Unavailable, match="gave no answer"):
            deliverer.send(at(state.port, timeout_s=0.5), report(tmp_path / "r.dcm"))
        assert time.monotonic() - start < 1.5
        state.delay_s = 0.0
        deliverer.send(at(state.port), tmp_path / "r.dcm")
        assert len(state.received) == 2
        assert len(set(state.received)) == 1


def test_a_peer_that_dies_under_the_send_is_unavailable(deliverer: Deliverer, tmp_path: Path) -> None:
    """Killed between two reports: unavailable; back again: delivered."""
    port = free_port()
    with run_storescp(tmp_path / "scp", port=port):
        deliverer.send(at(port), report(tmp_path / "r.dcm"))
    with pytest.raises(Unavailable):
        deliverer.send(at(port), report(tmp_path / "r.dcm"))
    with run_storescp(tmp_path / "scp", port=port) as scp:
        deliverer.send(at(port), report(tmp_path / "r.dcm"))
        assert len(scp.files()) == 2


def test_what_is_no_report_is_not_sent(deliverer: Deliverer, tmp_path: Path) -> None:
    """A missing file, text, or an image is our own fault; no peer is called for it."""
    (tmp_path / "text").write_text("no DICOM", encoding="ascii")
    image = report(tmp_path / "image.dcm", "1.2.840.10008.5.1.4.1.1.1")
    for path in (tmp_path / "missing.dcm", tmp_path / "text", image):
        with pytest.raises(Unsendable):
            deliverer.send(at(free_port()), path)


# ---- TLS


def test_tls_both_ways_certified(deliverer: Deliverer, tmp_path: Path) -> None:
    """A report reaches a storescp that demands a certificate; a storescp of another CA is not talked to."""
    openssl = program("openssl")
    for name in ("ours", "strange"):
        subprocess.run(
            [
                openssl,
                *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x", "-keyout"),
                f"{name}.key",
                "-out",
                f"{name}.pem",
            ],
            check=True,
            capture_output=True,
            cwd=tmp_path,
        )
    ours = Tls(cert_file=tmp_path / "ours.pem", key_file=tmp_path / "ours.key", ca_file=tmp_path / "ours.pem")
    for name, refused in (("ours", False), ("strange", True)):
        pem = (str(tmp_path / f"{name}.key"), str(tmp_path / f"{name}.pem"))
        options = ("+tls", *pem, "--add-cert-file", str(tmp_path / "ours.pem"), "--require-peer-cert")
        with run_storescp(tmp_path / f"scp-{name}", *options) as scp:
            to = at(scp.port, tls=ours).model_copy(update={"name": name})
            with pytest.raises(Unavailable) if refused else contextlib.nullcontext():
                deliverer.send(to, report(tmp_path / "r.dcm"))
            assert len(scp.files()) == (0 if refused else 1)

"""The listener, spoken to by dcmtk and by hand: what is acknowledged is durable, what is not leaves nothing."""

import io
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
import pytest
from ledgers import migrated
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode, encode_file_meta
from servers import program, run_storescp, wait_until
from structlog.testing import capture_logs

from service import arriving, peer, receive, sop_classes
from service.config import Settings
from service.config_peers import Destination
from service.errors import Unavailable
from service.ledger import Admin, Ledger
from service.receive import Listener
from service.spool import Spool, study_key

CT = str(CTImageStorage)
EXPLICIT = str(ExplicitVRLittleEndian)
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"


@dataclass
class Counted:
    """Counts by remembering."""

    sources: list[str] = field(default_factory=list)
    rejections: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    own_reports: int = 0

    def received(self, source: str) -> None:
        """Remember an object."""
        self.sources.append(source)

    def association_rejected(self, cause: str, source: str) -> None:  # noqa: ARG002
        """Remember a rejection."""
        self.rejections.append(cause)

    def association_aborted(self, cause: str, source: str) -> None:
        """Nothing here asks for it."""

    def object_refused(self, cause: str, source: str) -> None:  # noqa: ARG002
        """Remember a refusal."""
        self.refusals.append(cause)

    def context_refused(self, sop_class: str) -> None:
        """Remember a presentation context."""
        self.contexts.append(sop_class)

    def own_report(self) -> None:
        """Remember a report of ours."""
        self.own_reports += 1


@dataclass(frozen=True, kw_only=True)
class Ear:
    """A listener and what stands behind it."""

    listener: Listener
    spool: Spool
    ledger: Ledger
    counted: Counted
    root: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.listener.port

    def stored(self) -> list[Path]:
        """Return everything in the spool, own reports included."""
        return sorted((self.root / "spool").rglob("*.dcm"))

    def left_over(self) -> list[Path]:
        """Return unfinished files."""
        return list((self.root / "incoming").iterdir())


Listen = Callable[..., Ear]


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Listen]:
    """Return a function that starts a listener; its arguments are sections of the configuration."""
    ears: list[Ear] = []

    def start(*, min_free_bytes: int = 0, **sections: object) -> Ear:
        root = tmp_path / "state"
        node = {"port": 0, "idle_timeout_s": 20.0} | dict(sections.pop("node", {}))  # type: ignore[call-overload]  # a section
        settings = Settings.model_validate({"node": node, **sections})
        spool = Spool(root, min_free_bytes=min_free_bytes)
        spool.prepare()
        url = f"sqlite:///{root / 'ledger.sqlite'}"
        migrated(url)
        counted = Counted()
        ledger = Ledger.open(url)
        listener = Listener(settings=settings, spool=spool, ledger=ledger, metrics=counted)
        listener.start()
        ears.append(Ear(listener=listener, spool=spool, ledger=ledger, counted=counted, root=root))
        return ears[-1]

    yield start
    for ear in ears:
        ear.listener.stop()
        ear.ledger.close()


@pytest.fixture
def ear(listen: Listen) -> Ear:
    """Start a listener that takes objects from everybody."""
    return listen()


def dataset(sop_class: str = CT, **attributes: object) -> Dataset:
    """Return a small object; an attribute that is None is left out."""
    ds = Dataset()
    values = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": generate_uid(),
        "PatientName": "Planted^Name",
        "PatientID": "PLANTED-ID",
        "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.1",
        "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.2",
        "Modality": "OT",
    }
    for keyword, value in (values | attributes).items():
        if value is not None:
            setattr(ds, keyword, value)
    return ds


def encoded(ds: Dataset, syntax: str = EXPLICIT) -> bytes:
    """Return the bytes of a data set."""
    uid = UID(syntax)
    data = encode(ds, uid.is_implicit_VR, uid.is_little_endian, uid.is_deflated)
    assert data is not None
    return data


def write(path: Path, ds: Dataset, syntax: str = EXPLICIT) -> Path:
    """Write a DICOM file."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    meta.FileMetaInformationGroupLength = 0
    path.write_bytes(bytes(128) + b"DICM" + encode_file_meta(meta) + encoded(ds, syntax))
    return path


def body(path: Path) -> bytes:
    """Return a file without preamble and File Meta Information."""
    content = path.read_bytes()
    # (0002,0000) UL 4: the length of what follows it.
    return content[144 + struct.unpack_from("<L", content, 140)[0] :]


def storescu(
    port: int, *paths: Path, options: tuple[str, ...] = ("-R", "-aec", "SPONDYL")
) -> subprocess.CompletedProcess[str]:
    """Send files with dcmtk."""
    return subprocess.run(
        [program("storescu"), "-v", *options, "127.0.0.1", str(port), *map(str, paths)],
        env={**os.environ, "TCP_NODELAY": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def to(ear: Ear, *, ae_title: str = "SPONDYL") -> Destination:
    """Return the listener as a destination."""
    return Destination(name="ear", ae_title=ae_title, host="127.0.0.1", port=ear.port, timeout_s=10)


def send_raw(
    ear: Ear, data: bytes, *, sop_class: str = CT, sop_instance: str = "1.2.3", syntax: str = EXPLICIT
) -> tuple[int, str]:
    """Send whatever bytes as a C-STORE's data set; return status and Error Comment."""
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = UID(sop_class)
    request.AffectedSOPInstanceUID = UID(sop_instance)
    request.Priority = 2
    request.DataSet = io.BytesIO(data)
    with peer.calling(to(ear), [build_context(CT, syntax)], calling_ae="HAND") as association:
        association.dimse.send_msg(request, 1)
        _, response = association.dimse.get_msg(block=True)
    assert isinstance(response, C_STORE)
    assert response.Status is not None
    comment: str | None = response.ErrorComment
    return response.Status, comment or ""


def send(ear: Ear, ds: Dataset, **changes: str) -> tuple[int, str]:
    """Send a data set by hand."""
    command = {"sop_instance": str(ds.get("SOPInstanceUID", "1.2.3")), **changes}
    return send_raw(ear, encoded(ds, changes.get("syntax", EXPLICIT)), **command)


# ---- what is taken


def test_c_echo_is_answered(ear: Ear) -> None:
    """Verification always works."""
    command = [program("echoscu"), "-aec", "SPONDYL", "127.0.0.1", str(ear.port)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_every_sop_class_is_stored(ear: Ear, tmp_path: Path) -> None:
    """Each accepted SOP class gets from a sender into the spool."""
    for sop_class in sop_classes.ACCEPTED:
        ds = dataset(sop_class)
        contexts = [build_context(sop_class, list(sop_classes.transfer_syntaxes(sop_class)))]
        with peer.calling(to(ear), contexts, calling_ae="MANY") as association:
            path = write(tmp_path / "one.dcm", ds)
            assert association.send_c_store(path).Status == 0x0000, sop_class
    held = [pydicom.dcmread(path) for path in ear.spool.files(study_key(str(dataset().StudyInstanceUID)))]
    assert sorted(sop_classes.ACCEPTED) == sorted(str(ds.SOPClassUID) for ds in held)
    assert ear.counted.sources == ["unlisted"] * len(sop_classes.ACCEPTED)


def test_every_transfer_syntax_is_negotiated(ear: Ear) -> None:
    """Each listed transfer syntax, proposed alone, is accepted for each SOP class that it is listed for."""
    pairs = [(uid, syntax) for uid in sop_classes.ACCEPTED for syntax in sop_classes.transfer_syntaxes(uid)]
    accepted: set[tuple[str, str]] = set()
    for start in range(0, len(pairs), 128):
        contexts = [build_context(uid, syntax) for uid, syntax in pairs[start : start + 128]]
        with peer.calling(to(ear), contexts, calling_ae="MANY") as association:
            accepted |= {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.accepted_contexts}
    assert set(pairs) == accepted


ONE_CONTEXT = """
[[TransferSyntaxes]]
[Own]
TransferSyntax1 = {syntax}
[[PresentationContexts]]
[One]
PresentationContext1 = {sop_class}\\Own
[[Profiles]]
[Default]
PresentationContexts = One
"""
#: Transfer syntaxes of the data set that dcmtk's own storescp refuses: processes 10 and 12, 14, 6 and 8 of JPEG.
REFUSED_BY_DCMTK = {"1.2.840.10008.1.2.4.55", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.53"}


def one_slice(test_data: Path) -> dict[str, Path]:
    """Return the CT slice by transfer syntax."""
    files = (test_data / "dicom" / "cornerstone3D").glob("CTImage.dcm_*")
    by_syntax = {str(pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID): path for path in files}
    assert len(by_syntax) >= 14
    return by_syntax


def test_dcmtk_is_kept_byte_by_byte(ear: Ear, test_data: Path, tmp_path: Path) -> None:
    """In every transfer syntax the spool holds what dcmtk's bit-preserving storescp gets from the same storescu."""
    profile = tmp_path / "profile.cfg"
    with run_storescp(tmp_path / "reference", "--bit-preserving") as reference:
        for syntax, path in one_slice(test_data).items():
            profile.write_text(ONE_CONTEXT.format(syntax=syntax, sop_class=CT), encoding="ascii")
            here = storescu(ear.port, path, options=("-xf", str(profile), "Default", "-aec", "SPONDYL"))
            there = storescu(reference.port, path, options=("-xf", str(profile), "Default", "-aec", "PACS"))
            assert here.returncode == 0, here.stdout + here.stderr
            assert (there.returncode != 0) == (syntax in REFUSED_BY_DCMTK)
            [stored] = ear.stored()
            assert pydicom.filereader.read_file_meta_info(stored).TransferSyntaxUID == syntax
            if there.returncode == 0:
                [expected] = reference.files()
                assert body(stored) == body(expected), syntax
                expected.unlink()
            stored.unlink()
    assert ear.left_over() == []


def test_a_file_sent_raw_is_kept_byte_by_byte(ear: Ear, test_data: Path) -> None:
    """In every transfer syntax the data set in the spool is that of the file, where the sender sends it as it is."""
    for syntax, path in one_slice(test_data).items():
        with peer.calling(to(ear), [build_context(CT, syntax)], calling_ae="RAW") as association:
            assert association.send_c_store(path).Status == 0x0000, syntax
        [stored] = ear.stored()
        assert body(stored) == body(path)
        stored.unlink()


def test_a_real_study_arrives_whole(ear: Ear, test_data: Path) -> None:
    """CT, SEG and RTSTRUCT of one study: every object, once, readable, under one key."""
    files = sorted((test_data / "verse012").rglob("*.dcm"))
    sent = storescu(ear.port, *files)
    assert sent.returncode == 0, sent.stdout
    uids = {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in files}
    [key] = ear.spool.keys()
    assert uids == {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in ear.spool.files(key)}


def test_sending_twice_changes_nothing(ear: Ear, tmp_path: Path) -> None:
    """The same object again is acknowledged and is no other object."""
    path = write(tmp_path / "one.dcm", dataset())
    assert (storescu(ear.port, path).returncode, storescu(ear.port, path).returncode) == (0, 0)
    assert len(ear.stored()) == 1


# ---- who may, and what is refused at negotiation


def test_a_wrong_called_ae_title_is_rejected(ear: Ear, tmp_path: Path) -> None:
    """Rejected, permanent, called AE title not recognised; counted; nothing stored."""
    sent = storescu(ear.port, write(tmp_path / "one.dcm", dataset()), options=("-aec", "NOBODY"))
    assert sent.returncode != 0
    assert "Rejected Permanent" in sent.stderr
    assert "Called AE Title Not Recognized" in sent.stderr
    assert ear.counted.rejections == ["called_ae_title"]
    assert ear.stored() == []


SOURCES = [
    {"name": "ct1", "ae_titles": ["CT1", "CT1Q"], "networks": ["127.0.0.0/8"]},
    {"name": "far", "ae_titles": ["FAR"], "networks": ["192.0.2.0/24"]},
]


@pytest.mark.parametrize(("calling", "cause"), [("STRANGER", "calling_ae_title"), ("FAR", "address")])
def test_a_caller_that_is_no_source_is_rejected(listen: Listen, tmp_path: Path, calling: str, cause: str) -> None:
    """Where sources are configured, title and address must match: rejected, calling AE title not recognised."""
    ear = listen(sources=SOURCES)
    sent = storescu(ear.port, write(tmp_path / "one.dcm", dataset()), options=("-aet", calling, "-aec", "SPONDYL"))
    assert "Calling AE Title Not Recognized" in sent.stderr
    assert ear.counted.rejections == [cause]
    assert ear.stored() == []


def test_a_source_is_known_by_any_of_its_titles(listen: Listen, tmp_path: Path) -> None:
    """A PACS may send under another title than it answers under; both are the one source, in counts and ledger."""
    ear = listen(sources=SOURCES)
    for calling in ("CT1", "CT1Q"):
        path = write(tmp_path / "one.dcm", dataset())
        assert storescu(ear.port, path, options=("-aet", calling, "-aec", "SPONDYL")).returncode == 0
    assert ear.counted.sources == ["ct1", "ct1"]
    assert [study.source for study in ear.ledger.admin.studies()] == ["ct1"]


def test_an_unknown_sop_class_is_refused_and_the_rest_taken(ear: Ear, tmp_path: Path) -> None:
    """The presentation context is refused and counted by name; other objects of the association are stored."""
    files = [write(tmp_path / "us.dcm", dataset(ULTRASOUND)), write(tmp_path / "ct.dcm", dataset())]
    sent = storescu(ear.port, *files, options=("-R", "-nh", "-aec", "SPONDYL"))
    assert "No presentation context for" in sent.stderr + sent.stdout
    assert ear.counted.contexts == ["Ultrasound Image Storage"]
    assert [str(pydicom.dcmread(path).SOPClassUID) for path in ear.stored()] == [CT]


def test_an_association_without_any_context_ends_cleanly(ear: Ear, tmp_path: Path) -> None:
    """Nothing is acceptable: the sender is told so at once, and the node goes on."""
    start = time.monotonic()
    sent = storescu(ear.port, write(tmp_path / "us.dcm", dataset(ULTRASOUND)))
    assert "No Acceptable Presentation Contexts" in sent.stderr
    assert time.monotonic() - start < 5
    assert storescu(ear.port, write(tmp_path / "ct.dcm", dataset())).returncode == 0


def test_a_private_sop_class_is_no_label(ear: Ear) -> None:
    """A UID that a caller makes up is counted as unknown."""
    with pytest.raises(Exception, match="no presentation context"):
        peer.call(to(ear), [build_context("1.2.3.4.5.6.7.8.9")], calling_ae="ODD")
    assert ear.counted.contexts == ["unknown"]


def test_associations_beyond_the_limit_are_rejected_for_now(listen: Listen) -> None:
    """Rejected, transient, local limit exceeded; counted."""
    ear = listen(node={"max_associations": 1})
    contexts = [build_context(CT)]
    with peer.calling(to(ear), contexts, calling_ae="FIRST"), pytest.raises(Exception, match="Rejected Transient"):
        peer.call(to(ear), contexts, calling_ae="SECOND")
    assert ear.counted.rejections == ["too_many_associations"]


# ---- objects that are refused


@pytest.mark.parametrize(
    ("changes", "comment"),
    [
        ({"StudyInstanceUID": None}, "Study Instance UID is missing"),
        ({"StudyInstanceUID": ""}, "Study Instance UID is missing"),
        ({"SeriesInstanceUID": None}, "Series Instance UID is missing"),
        ({"SOPInstanceUID": None}, "SOP Instance UID is missing"),
        ({"SOPClassUID": None}, "SOP Class UID is missing"),
    ],
)
def test_an_object_without_a_uid_is_refused(ear: Ear, changes: dict[str, object], comment: str) -> None:
    """Study, Series, SOP Instance and SOP Class UID are needed: 0xC000 with a comment, never a file."""
    assert send(ear, dataset(**changes)) == (0xC000, comment)  # type: ignore[arg-type]  # attributes
    assert (ear.stored(), ear.left_over(), ear.counted.refusals) == ([], [], ["cannot_understand"])


@pytest.mark.parametrize("uid", ["../../etc/cron.d/x", "1..2", "1.02", "1.2.", "abc", "1." * 33 + "1"])
@pytest.mark.parametrize("tag", [0x0020000D, 0x0020000E, 0x00080018])
def test_a_malformed_uid_is_refused(ear: Ear, tag: int, uid: str) -> None:
    """PS3.5 9.1: digits and dots, no leading zeros, at most 64 characters. Never a file, whatever it spells."""
    ds = dataset()
    data = encoded(ds)
    value = str(ds[tag].value).encode()
    even = uid.encode() + b"\0" * (len(uid) % 2)
    old = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"UI", len(value) + len(value) % 2) + value
    assert old in data
    forged = data.replace(old + b"\0" * (len(value) % 2), old[:6] + struct.pack("<H", len(even)) + even)
    status, comment = send_raw(ear, forged, sop_instance=str(ds.SOPInstanceUID))
    assert status == 0xC000
    assert comment.endswith("is malformed")
    assert (ear.stored(), ear.left_over()) == ([], [])


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_uids_that_disagree_with_the_command_are_refused(ear: Ear) -> None:
    """0xA900 with a comment: the data set is not the announced object."""
    comment = "SOP Instance UID is not the one that was announced"
    assert send(ear, dataset(), sop_instance="1.2.3.4") == (0xA900, comment)
    assert send(ear, dataset(), sop_instance="../1")[0] == 0xA900
    comment = "SOP Class UID is not the one that was announced"
    assert send(ear, dataset("1.2.840.10008.5.1.4.1.1.4")) == (0xA900, comment)
    assert send(ear, dataset("1.2.840.10008.5.1.4.1.1.4"), sop_class="1.2.840.10008.5.1.4.1.1.4") == (0xA900, comment)
    assert (ear.stored(), ear.counted.refusals) == ([], ["mismatch"] * 4)


@pytest.mark.parametrize("data", [b"\x08\x00", random.Random(1).randbytes(4096), bytes(4096), b"\xff" * 4096])
def test_bytes_that_are_no_data_set_are_refused(ear: Ear, data: bytes) -> None:
    """Cut off, random: cannot understand, never a file, and the node goes on."""
    assert send_raw(ear, data)[0] == 0xC000
    assert send(ear, dataset())[0] == 0x0000
    assert len(ear.stored()) == 1


def test_out_of_space_is_answered_and_survived(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found while an object comes: 0xA700 with a comment, nothing left behind, and C-ECHO still works."""
    ear = listen(min_free_bytes=2**62)
    monkeypatch.setattr(ear.spool, "require_room", lambda: None)
    status, comment = send(ear, dataset())
    assert status == 0xA700
    assert comment.startswith("0 bytes are free")
    assert (ear.stored(), ear.left_over(), ear.counted.refusals) == ([], [], ["out_of_space"])
    with peer.calling(to(ear), [build_context("1.2.840.10008.1.1")], calling_ae="ECHO") as association:
        assert association.send_c_echo().Status == 0x0000


def test_a_fault_of_ours_is_answered(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong inside, the sender gets a failure status and a comment without detail."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("Planted^Name")

    monkeypatch.setattr(ear.spool, "keep", fail)
    assert send(ear, dataset()) == (0xC211, "fault of the receiving node; see its log")
    assert ear.counted.refusals == ["our_fault"]


def test_a_refusal_names_its_sender(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose object was refused, ours the fault or not: by AE title and address, which are no patient's."""
    with capture_logs() as said:
        send(ear, dataset(StudyInstanceUID=None))
        monkeypatch.setattr(ear.spool, "keep", lambda *_, **__: 1 / 0)
        send(ear, dataset())
    refused = [line for line in said if line["action"] == "object_refused"]

    assert [("cannot_understand", "127.0.0.1"), ("our_fault", "127.0.0.1")] == [
        (line["cause"], line["address"]) for line in refused
    ]
    assert {"HAND"} == {line["calling_ae"] for line in refused}


# ---- our own reports


def test_own_reports_come_back_without_consequence(ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PACS that routes our report back is told success; the study has not arrived, and the report is kept apart."""
    monkeypatch.setattr(Admin, "is_own_report", lambda _self, uid: uid == "2.25.1")
    report = dataset(sop_classes.REPORTS["comprehensive"], SOPInstanceUID="2.25.1")
    assert storescu(ear.port, write(tmp_path / "sr.dcm", report)).returncode == 0
    [kept] = ear.stored()
    assert kept.name.endswith(".own.dcm")
    assert ear.counted.own_reports == 1
    assert ear.ledger.admin.studies() == []
    assert ear.spool.newest(study_key(str(report.StudyInstanceUID))) is None


@pytest.mark.parametrize(
    ("maker", "flag", "action"),
    [
        ("Spondyl", "UNVERIFIED", "own_report_ignored"),
        ("Spondyl", "VERIFIED", "own_report_changed"),
        ("Workstation", "UNVERIFIED", "own_report_changed"),
    ],
)
def test_an_edit_under_our_uid_is_said(
    ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maker: str, flag: str, action: str
) -> None:
    """A reader's tool that saves our report under the UID it had is not read, and not passed over in silence."""
    monkeypatch.setattr(Admin, "is_own_report", lambda _self, _uid: True)
    names = {"Manufacturer": maker, "ManufacturerModelName": "Spondyl"}
    report = dataset(sop_classes.REPORTS["comprehensive"], VerificationFlag=flag, **names)
    with capture_logs() as said:
        assert storescu(ear.port, write(tmp_path / "sr.dcm", report)).returncode == 0
    assert [action] == [line["action"] for line in said if line["action"].startswith("own_report")]
    assert (1, []) == (ear.counted.own_reports, ear.ledger.admin.studies())


@pytest.mark.parametrize(("maker", "own"), [("Spondyl", 1), ("Other", 0)])
@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.104.1"])
def test_whatever_else_we_made_comes_back_without_consequence(
    ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sop_class: str, maker: str, own: int
) -> None:
    """A presentation state or PDF of ours brings nothing; of what does not bear our name the ledger is not asked."""
    asked: list[str] = []

    def is_own_report(_self: Admin, uid: str) -> bool:
        asked.append(uid)
        return True

    monkeypatch.setattr(Admin, "is_own_report", is_own_report)
    state = dataset(sop_class, Manufacturer=maker, ManufacturerModelName="Spondyl")
    assert storescu(ear.port, write(tmp_path / "pr.dcm", state)).returncode == 0
    assert (own, own, 1 - own) == (ear.counted.own_reports, len(asked), len(ear.ledger.admin.studies()))


def test_a_report_that_the_ledger_does_not_know_is_an_object_like_any(ear: Ear, tmp_path: Path) -> None:
    """A reader's tool may keep our name on a report whose points were moved: it holds landmarks."""
    report = dataset(sop_classes.REPORTS["comprehensive"], Manufacturer="Spondyl", ManufacturerModelName="Spondyl")
    assert storescu(ear.port, write(tmp_path / "sr.dcm", report)).returncode == 0
    assert (ear.counted.own_reports, len(ear.ledger.admin.studies())) == (0, 1)


@pytest.mark.parametrize(("maker", "own"), [("Spondyl", 1), ("Other", 0)])
def test_the_makers_name_counts_while_the_ledger_is_away(
    ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maker: str, own: int
) -> None:
    """Nothing is lost without the ledger, and what bears our name starts no loop."""

    def away(_self: Admin, _uid: str) -> bool:
        raise Unavailable

    monkeypatch.setattr(Admin, "is_own_report", away)
    report = dataset(sop_classes.REPORTS["comprehensive"], Manufacturer=maker, ManufacturerModelName="Spondyl")
    assert storescu(ear.port, write(tmp_path / "sr.dcm", report)).returncode == 0
    assert (ear.counted.own_reports, len(ear.stored())) == (own, 1)


# ---- the ledger


def test_an_object_is_stored_though_the_ledger_is_damaged(ear: Ear) -> None:
    """Its sender is told that it is durable, which it is; the ledger hears of it once somebody has restored it."""
    ear.ledger.engine.dispose()
    file = ear.root / "ledger.sqlite"
    file.write_bytes(bytes([0x55]) * file.stat().st_size)

    assert (0x0000, "") == send(ear, dataset())
    assert 1 == len(ear.stored())


@pytest.fixture
def held_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a study held so long that no test sees the end of it by itself."""
    monkeypatch.setattr(arriving, "HOLD_S", 600.0)


@pytest.mark.usefixtures("held_for_long")
def test_the_ledger_holds_a_study_while_it_arrives(ear: Ear, tmp_path: Path) -> None:
    """An open association keeps the study open; its end lets go of it."""
    ds = dataset()
    path = write(tmp_path / "one.dcm", ds)
    with peer.calling(to(ear), [build_context(CT, EXPLICIT)], calling_ae="CT1") as association:
        assert association.send_c_store(path).Status == 0x0000
        [study] = ear.ledger.admin.studies()
        assert study.held_until > time.time() + 5
        assert (study.study_instance_uid, study.source) == (str(ds.StudyInstanceUID), "CT1")
    wait_until(lambda: ear.ledger.admin.studies()[0].held_until <= time.time(), "the study is let go of")


@pytest.mark.usefixtures("held_for_long")
def test_a_lost_connection_lets_go_of_the_study(ear: Ear, tmp_path: Path) -> None:
    """A sender that vanishes does not hold its study for longer."""
    association = peer.call(to(ear), [build_context(CT, EXPLICIT)], calling_ae="CT1")
    assert association.send_c_store(write(tmp_path / "one.dcm", dataset())).Status == 0x0000
    wrapper = association.dul.socket
    assert wrapper is not None
    assert wrapper.socket is not None
    wrapper.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wrapper.socket.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: ear.ledger.admin.studies()[0].held_until <= time.time(), "the study is let go of")
    peer.hang_up(association)


# ---- hostile and broken callers


def associate_rq(ear: Ear) -> bytes:
    """Return an A-ASSOCIATE-RQ for CT in explicit VR, as pynetdicom writes it."""
    sent: list[bytes] = []
    association = peer.call(to(ear), [build_context(CT, EXPLICIT)], calling_ae="RAW")
    request = association.requestor.primitive
    from pynetdicom.pdu import A_ASSOCIATE_RQ  # noqa: PLC0415 - only here

    assert request is not None
    sent.append(A_ASSOCIATE_RQ(request).encode())
    peer.hang_up(association)
    return sent[0]


def test_a_sender_that_dies_in_the_middle_leaves_nothing(ear: Ear) -> None:
    """Half a C-STORE and a closed connection: no file, no part, and the node goes on."""
    with closing(socket.create_connection(("127.0.0.1", ear.port))) as raw:
        raw.sendall(associate_rq(ear))
        assert raw.recv(1) == b"\x02"
        # P-DATA-TF of 1000 bytes, of which 10 are sent.
        raw.sendall(b"\x04\x00" + struct.pack(">L", 1000) + bytes(10))
    assert send(ear, dataset())[0] == 0x0000
    assert (len(ear.stored()), ear.left_over()) == (1, [])


def _assert_dropped_after(ear: Ear, said: bytes) -> None:
    """Connect, say it and wait: the connection ends, by A-ABORT or by closing, long before a limit of 60 s."""
    with closing(socket.create_connection(("127.0.0.1", ear.port))) as raw:
        raw.sendall(said)
        raw.settimeout(20)
        assert raw.recv(1) in {b"", b"\x07"}


@pytest.mark.parametrize(
    "said", [b"", b"\x01\x00\x00\x00\x01\x00", b"\x01"], ids=["nothing", "half a request", "a byte"]
)
def test_a_silent_caller_is_dropped(listen: Listen, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """A connection on which nothing more comes is closed within the idle time."""
    monkeypatch.setattr(receive, "_LONGEST_REQUEST_S", 60.0)
    ear = listen(node={"idle_timeout_s": 0.5})
    _assert_dropped_after(ear, said)


def test_an_idle_association_is_aborted(listen: Listen) -> None:
    """An association over which nothing comes is ended after the idle time."""
    ear = listen(node={"idle_timeout_s": 0.5})
    association = peer.call(to(ear), [build_context(CT)], calling_ae="IDLE")
    wait_until(lambda: not peer.is_open(association), "the association is aborted", seconds=20)
    peer.hang_up(association)


def test_probes_take_no_association(listen: Listen) -> None:
    """A load balancer that only connects and leaves does not keep a sender out."""
    ear = listen(node={"max_associations": 2})
    for _ in range(10):
        socket.create_connection(("127.0.0.1", ear.port)).close()
    time.sleep(0.3)
    assert send(ear, dataset())[0] == 0x0000


@pytest.mark.parametrize("said", [b"", b"\x01\x00\x00\x00\x01\x00"], ids=["nothing", "half a request"])
def test_who_connects_and_asks_for_nothing_is_dropped_soon(
    listen: Listen, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """However long an association may be idle: an A-ASSOCIATE-RQ is awaited for some seconds only."""
    monkeypatch.setattr(receive, "_LONGEST_REQUEST_S", 0.5)
    ear = listen(node={"idle_timeout_s": 60})
    _assert_dropped_after(ear, said)


def test_silent_connections_keep_no_sender_out(listen: Listen) -> None:
    """Only who has asked for an association counts as one."""
    ear = listen(node={"max_associations": 2})
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", ear.port))))
        time.sleep(0.3)
        assert send(ear, dataset())[0] == 0x0000


def test_a_connection_from_where_no_source_is_is_closed(listen: Listen) -> None:
    """Every source names its networks: nothing is read from another address, and it is counted and said."""
    ear = listen(sources=[{"name": "far", "ae_titles": ["FAR"], "networks": ["192.0.2.0/24"]}])
    with capture_logs() as said, closing(socket.create_connection(("127.0.0.1", ear.port))) as raw:
        raw.settimeout(20)
        assert raw.recv(1) == b""
    lines = [(line["cause"], line["address"]) for line in said if line["action"] == "association_rejected"]
    assert lines == [("address", "127.0.0.1")]


def test_an_enormous_pdu_is_not_read(ear: Ear) -> None:
    """A PDU that announces 2 GB ends the connection at once; nothing of it is buffered."""
    with closing(socket.create_connection(("127.0.0.1", ear.port))) as raw:
        raw.sendall(b"\x01\x00" + struct.pack(">L", 2**31) + bytes(1000))
        raw.settimeout(5)
        start = time.monotonic()
        try:
            answer = raw.recv(1)
        except ConnectionResetError:
            answer = b""
        assert answer == b""
        assert time.monotonic() - start < 4
    assert send(ear, dataset())[0] == 0x0000


def test_several_senders_at_once_lose_nothing(ear: Ear, tmp_path: Path) -> None:
    """Four associations deliver one study at the same time."""
    folders = []
    for sender in range(4):
        folder = tmp_path / str(sender)
        folder.mkdir()
        folders.append([write(folder / f"{n}.dcm", dataset(InstanceNumber=n)) for n in range(10)])
    threads = [threading.Thread(target=storescu, args=(ear.port, *files)) for files in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ear.stored()) == 40
    assert ear.left_over() == []


KILLED = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from service.config import Settings
from service.receive import Listener
from service.spool import Spool

class Nothing:
    def __getattr__(self, name):
        return lambda *a, **k: None

spool = Spool(Path(sys.argv[1]))
spool.prepare()
ledger = SimpleNamespace(arrivals=Nothing(), admin=SimpleNamespace(is_own_report=lambda uid: False))
listener = Listener(settings=Settings(node={"port": 0}), spool=spool, ledger=ledger, metrics=Nothing())
listener.start()
print("PORT", listener.port, flush=True)
time.sleep(60)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """The listener dies in the middle of an association: every acknowledged object is in the spool, whole."""
    root = tmp_path / "state"
    files = [
        write(tmp_path / f"{n:03}.dcm", dataset(InstanceNumber=n, BitsAllocated=8, PixelData=bytes(200_000)))
        for n in range(60)
    ]
    code = [sys.executable, "-c", KILLED, str(root)]
    with subprocess.Popen(code, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        port = next(int(line.split()[1]) for line in process.stdout if line.startswith("PORT"))
        outcome: list[subprocess.CompletedProcess[str]] = []
        sender = threading.Thread(target=lambda: outcome.append(storescu(port, *files)))
        sender.start()
        wait_until(lambda: len(list(root.rglob("*.dcm"))) > 10, "some objects are stored", step=0.002)
        process.kill()
        sender.join()
    acknowledged = outcome[0].stderr.count("Received Store Response (Success)")
    spool = Spool(root)
    spool.prepare()
    [key] = spool.keys()
    assert 10 <= acknowledged <= len(spool.files(key)) < 60
    assert {body(path) for path in spool.files(key)} <= {body(path) for path in files}
    assert list((root / "incoming").iterdir()) == []


# ---- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA, a certificate of it for each side, and one of a stranger."""
    folder = tmp_path_factory.mktemp("tls")
    openssl = program("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], check=True, capture_output=True, cwd=folder)

    for ca in ("ca", "stranger"):
        run(
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{ca}.key",
            "-out",
            f"{ca}.pem",
            "-days",
            "2",
            "-subj",
            f"/CN={ca}",
        )
    for side in ("node", "peer"):
        run(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{side}.key",
            "-out",
            f"{side}.csr",
            "-subj",
            f"/CN={side}",
        )
        run(
            "x509",
            "-req",
            "-in",
            f"{side}.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-out",
            f"{side}.pem",
            "-days",
            "2",
        )
    return folder


def tls_options(folder: Path, name: str) -> tuple[str, ...]:
    """Return dcmtk's options for TLS with a certificate of its own."""
    pem = (str(folder / f"{name}.key"), str(folder / f"{name}.pem"))
    return ("+tls", *pem, "--add-cert-file", str(folder / "ca.pem"), "-aec", "SPONDYL")


@pytest.fixture
def tls_ear(listen: Listen, certificates: Path) -> Ear:
    """Start a listener with TLS."""
    files = {
        "cert_file": certificates / "node.pem",
        "key_file": certificates / "node.key",
        "ca_file": certificates / "ca.pem",
    }
    return listen(node={"tls": files})


def test_tls_with_a_certificate_of_the_ca(tls_ear: Ear, certificates: Path, tmp_path: Path) -> None:
    """A caller whose certificate the CA signed is served."""
    path = write(tmp_path / "one.dcm", dataset())
    sent = storescu(tls_ear.port, path, options=tls_options(certificates, "peer"))
    assert sent.returncode == 0, sent.stderr
    assert [body(path)] == [body(stored) for stored in tls_ear.stored()]


def test_tls_refuses_strangers_and_plain_text(tls_ear: Ear, certificates: Path, tmp_path: Path) -> None:
    """Another CA's certificate, none at all, or no TLS: nothing gets in, and the node goes on."""
    path = write(tmp_path / "one.dcm", dataset())
    anonymous = ("--anonymous-tls", "--add-cert-file", str(certificates / "ca.pem"), "-aec", "SPONDYL")
    for options in (tls_options(certificates, "stranger"), anonymous, ("-aec", "SPONDYL", "-to", "3", "-ta", "3")):
        assert storescu(tls_ear.port, path, options=options).returncode != 0
    assert tls_ear.stored() == []
    assert storescu(tls_ear.port, path, options=tls_options(certificates, "peer")).returncode == 0


def test_a_caller_silent_in_the_handshake_stops_nobody(tls_ear: Ear, certificates: Path, tmp_path: Path) -> None:
    """Another caller is served while one has said nothing since it connected."""
    with closing(socket.create_connection(("127.0.0.1", tls_ear.port))):
        time.sleep(0.1)
        path = write(tmp_path / "one.dcm", dataset())
        assert storescu(tls_ear.port, path, options=tls_options(certificates, "peer")).returncode == 0


# ---- stopping, and what is said


def test_stop_ends_what_is_open(listen: Listen) -> None:
    """After a moment of grace an open association is aborted, and the port is free."""
    ear = listen()
    port = ear.port
    association = peer.call(to(ear), [build_context(CT)], calling_ae="STAYS")
    ear.listener.stop()
    wait_until(lambda: not peer.is_open(association), "the association is aborted")
    peer.hang_up(association)
    with closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_listener_that_does_not_run_has_no_port(listen: Listen) -> None:
    """Stopping twice is harmless."""
    ear = listen()
    ear.listener.stop()
    ear.listener.stop()
    with pytest.raises(RuntimeError, match="not started"):
        assert ear.port


def test_a_port_in_use_is_a_configuration_error(listen: Listen, ear: Ear) -> None:
    """The setting is named."""
    with pytest.raises(Exception, match=r"^node\.bind, node\.port: "):
        listen(node={"port": ear.port})


def test_nothing_of_the_patient_is_said(listen: Listen, capfd: pytest.CaptureFixture[str]) -> None:
    """Name, ID and UIDs of what was stored or refused are in no line of the log."""
    ear = listen()
    good = dataset()
    send(ear, good)
    send(ear, dataset(StudyInstanceUID=None))
    send(ear, dataset(), sop_instance="1.2.3.4")
    ear.listener.stop()
    said = "".join(capfd.readouterr())
    assert "object_refused" in said
    for secret in ("Planted", "PLANTED", str(good.StudyInstanceUID), str(good.SOPInstanceUID)):
        assert secret not in said


def test_the_calling_side_says_who_it_is(ear: Ear) -> None:
    """Both sides name the implementation: ours, not the library's (PS3.7 D.3.3.2)."""
    seen = AE(ae_title="ANY").associate("127.0.0.1", ear.port, contexts=[build_context(CT)], ae_title="SPONDYL")
    assert str(seen.acceptor.implementation_class_uid) == peer.IMPLEMENTATION_CLASS_UID
    assert seen.acceptor.implementation_version_name == peer.IMPLEMENTATION_VERSION_NAME
    assert seen.acceptor.maximum_length == 131_072
    seen.release()

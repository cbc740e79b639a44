"""Deliveries that are to be proven, in the test's own process: a ledger, a listener, and archives that misbehave."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ears import Counting
from ledgers import claim, measure, study_of
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.dsutils import encode, encode_file_meta

from service import commitment, sop_classes
from service.commitment import Reference
from service.committing import Committing
from service.config import Settings
from service.deliver import Deliverer
from service.delivery import deliver
from service.hearing import Hearing
from service.ledger import DeliveryRow, JobRow, Ledger
from service.proving import Decisions
from service.receive import Listener
from service.spool import Spool

#: What `measure` of the ledgers enters.
REPORT = "2.25.1"
STUDY = "1.2.3"
SR_CLASS = sop_classes.REPORTS["comprehensive_3d"]


def report_bytes() -> bytes:
    """Return a small report of the SOP class and instance that the ledger knows."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = UID(SR_CLASS), UID(REPORT)
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = STUDY, f"{REPORT}.1", "SR"
    ds.PatientID, ds.PatientName = "PROOF", "Proof"
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = encode(ds, is_implicit_vr=False, is_little_endian=True)
    assert data is not None
    return bytes(128) + b"DICM" + encode_file_meta(meta) + data


@dataclass(kw_only=True)
class Proving:
    """A study with one delivery, and the listener to which destinations report."""

    ledger: Ledger
    settings: Settings
    deliverer: Deliverer
    job: JobRow
    port: int
    #: Added to the clock.
    later_s: float = 0.0

    def clock(self) -> float:
        """Return the time."""
        return time.time() + self.later_s

    def step(self) -> DeliveryRow:
        """Do what the delivery is due for: send, or ask."""
        now = self.clock()
        deliver(claim(self.ledger, self.job, now=now), self.ledger, self.deliverer, self.settings, self.clock)
        return self.row

    def wait(self) -> None:
        """Let the time pass until the delivery is due again."""
        self.later_s += max(0.0, self.row.not_before - self.clock())

    @property
    def row(self) -> DeliveryRow:
        """The delivery as it is."""
        return self.ledger.admin.study(STUDY).deliveries[-1]

    @property
    def state(self) -> tuple[str, str]:
        """The states of delivery and study."""
        return self.row.state.value, study_of(self.ledger).state.value

    @property
    def proof(self) -> str:
        """What the ledger says of the arrival."""
        [sent] = self.ledger.lists.sent(study_of(self.ledger).id)
        return sent.detail


@contextmanager
def proving(
    sqlite_url: str, root: Path, destination: dict[str, Any], *, port: int = 0, **sections: Any
) -> Iterator[Proving]:
    """Give a study whose report is to go to `destination`; the listener runs on `port`."""
    dimse = {} if destination.get("protocol") == "dicomweb" else {"ae_title": "PACS", "host": "127.0.0.1"}
    where = {"name": "pacs", "timeout_s": 5.0, **dimse, **destination}
    document: dict[str, Any] = {"node": {"port": port}, "storage": {"root": root}, "destinations": [where], **sections}
    settings = Settings.model_validate(document)
    spool = Spool(root)
    spool.prepare()
    ledger = Ledger.open(sqlite_url)
    now = time.time()
    [job] = measure(ledger, now=now)
    spool.write_report(study_of(ledger).key, f"{REPORT}.dcm", report_bytes())
    deliverer = Deliverer(settings, spool, random.Random(1))
    node = Proving(ledger=ledger, settings=settings, deliverer=deliverer, job=job, port=0)
    decisions = Decisions(ledger=ledger, settings=settings, clock=node.clock, rng=random.Random(1))
    committing = Committing(settings=settings, spool=spool, ledger=ledger.lists)
    listener = Listener(
        settings=settings,
        spool=spool,
        ledger=ledger,
        metrics=Counting(),
        hearing=Hearing(decisions),
        committing=committing,
    )
    listener.start()
    node.port = listener.port
    yield node
    listener.stop()
    deliverer.close()
    ledger.close()


@dataclass
class Archive:
    """A destination that stores, and answers a request for commitment as a test wants it."""

    port: int = 0
    #: Of the N-ACTION.
    status: int = 0x0000
    #: Of the object; None: it is committed to.
    reason: int | None = None
    #: "same association", "never", or "elsewhere".
    reports: str = "same association"
    #: Where it reports: the node's port.
    to: Callable[[], int] = lambda: 0
    calling_ae: str = "PACS"
    #: So many times it stores, and hangs up without an answer.
    aborts: int = 0
    stored: list[str] = field(default_factory=list)
    transactions: list[str] = field(default_factory=list)
    #: Statuses that the node answered reports with.
    answers: list[int | None] = field(default_factory=list)

    def on_store(self, event: evt.Event) -> int:
        """Take an object."""
        self.stored.append(str(getattr(event.request, "AffectedSOPInstanceUID", "")))
        if self.aborts:
            self.aborts -= 1
            event.assoc.abort()
        return 0x0000

    def on_action(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """Take a request for commitment."""
        transaction_uid, references = commitment.read_request(event.action_information)
        self.transactions.append(transaction_uid)
        if self.status == 0 and self.reports != "never":
            report = self.report_on(transaction_uid, references)
            send = self._here if self.reports == "same association" else self.elsewhere
            threading.Thread(target=send, args=(event.assoc, report), daemon=True).start()
        return self.status, None

    def on_report(self, _: evt.Event) -> tuple[int, Dataset | None]:
        """Answer a report that nobody asked for: invalid argument value."""
        return 0x0115, None

    def report_on(self, transaction_uid: str, references: list[Reference]) -> Dataset:
        """Return the report: all of them, or none."""
        if self.reason is None:
            return commitment.event_information(transaction_uid, committed=references, failed=[])
        failed = [(each, self.reason) for each in references]
        return commitment.event_information(transaction_uid, committed=[], failed=failed)

    def _here(self, association: Any, report: Dataset) -> None:
        time.sleep(0.1)  # the response to the N-ACTION goes first
        kind = 2 if "FailedSOPSequence" in report else 1
        known = commitment.PUSH_MODEL, commitment.PUSH_MODEL_INSTANCE
        self.answers.append(association.send_n_event_report(report, kind, *known)[0].get("Status"))

    def elsewhere(self, _: Any, report: Dataset, *, contexts: tuple[str, ...] = (commitment.PUSH_MODEL,)) -> None:
        """Report on an association of its own."""
        ae = AE(ae_title=self.calling_ae)
        association = ae.associate(
            "127.0.0.1",
            self.to(),
            contexts=[build_context(uid) for uid in contexts],
            ae_title="SPONDYL",
            ext_neg=[build_role(commitment.PUSH_MODEL, scp_role=True)],
        )
        if not association.is_established:
            self.answers.append(None)
            return
        self._here(association, report)
        association.release()


@contextmanager
def archive(**how: Any) -> Iterator[Archive]:
    """Run an archive on a port of its own."""
    found = Archive(**how)
    ae = AE(ae_title="PACS")
    ae.add_supported_context(SR_CLASS)
    ae.add_supported_context(commitment.PUSH_MODEL)
    handlers = [
        (evt.EVT_C_STORE, found.on_store),
        (evt.EVT_N_ACTION, found.on_action),
        (evt.EVT_N_EVENT_REPORT, found.on_report),
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
    assert server is not None
    found.port = server.server_address[1]
    yield found
    server.shutdown()

"""Destinations that are down, refuse, hang after P-DATA, or accept and lose: each has the report once, in the end."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

import pytest
from faults_seen import STILL_S
from nodes import Running, serving, storescu, write_config
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from servers import free_port, run_valkey, wait_until
from small_study import make_small_studies

from service import commitment, sop_classes
from service.commitment import Reference
from service.config import load
from service.ledger import Ledger, migrate

pytestmark = pytest.mark.long

TIMEOUT_S: Final = 3.0


@dataclass
class Sink:
    """An archive with a fault: what it stored, by SOP Instance UID, and how often each came."""

    fault: str
    port: int
    #: So many times it shows its fault.
    faults: int = 1
    held: dict[str, bytes] = field(default_factory=dict)
    came: list[str] = field(default_factory=list)

    def on_store(self, event: evt.Event) -> int:
        """Store an object, or do what the fault is."""
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]  # a C-STORE has one
        self.came.append(uid)
        if self.fault == "refuses" and len(self.came) <= self.faults:
            return 0xA700
        self.held[uid] = event.request.DataSet.getvalue()  # type: ignore[union-attr]  # as above
        if self.fault == "hangs" and len(self.came) <= self.faults:
            time.sleep(2 * TIMEOUT_S)
        return 0x0000

    def on_action(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """Promise a report on what is here; the first time it has just been lost."""
        if self.faults:
            self.faults -= 1
            self.held.clear()
        transaction_uid, wanted = commitment.read_request(event.action_information)
        threading.Thread(target=self._report, args=(event.assoc, transaction_uid, wanted), daemon=True).start()
        return 0x0000, None

    def _report(self, association: Association, transaction_uid: str, wanted: list[Reference]) -> None:
        time.sleep(0.1)  # the response to the N-ACTION goes first
        here = [each for each in wanted if each.sop_instance_uid in self.held]
        gone = [(each, 0x0112) for each in wanted if each.sop_instance_uid not in self.held]
        report = commitment.event_information(transaction_uid, committed=here, failed=gone)
        known = commitment.PUSH_MODEL, commitment.PUSH_MODEL_INSTANCE
        association.send_n_event_report(report, 2 if gone else 1, *known)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen on its port."""
        entity = AE(ae_title="PACS")
        entity.add_supported_context(sop_classes.REPORTS["comprehensive_3d"])
        entity.add_supported_context(commitment.PUSH_MODEL)
        handlers = [(evt.EVT_C_STORE, self.on_store), (evt.EVT_N_ACTION, self.on_action)]
        server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
        assert server is not None
        try:
            yield
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def sinks() -> dict[str, Sink]:
    """Give a sink for each fault."""
    return {fault: Sink(fault=fault, port=free_port()) for fault in ("is down", "refuses", "hangs", "loses")}


@pytest.fixture(scope="module")
def node(sinks: dict[str, Sink], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a node that has reported a study to all of them; one was not there before the others had it."""
    folder = tmp_path_factory.mktemp("destinations")
    [(_, study)] = make_small_studies(folder / "studies", 1, name="Hard^Way").items()
    tables = []
    for fault, sink in sinks.items():
        tables += ["[[destinations]]", f'name = "{fault.replace(" ", "_")}"', 'ae_title = "PACS"', 'host = "127.0.0.1"']
        tables += [f"port = {sink.port}", f"timeout_s = {TIMEOUT_S}", 'send = ["sr"]']
        tables += ["storage_commitment = true"] if fault == "loses" else []
    tables += ["[report]", 'sop_classes = ["comprehensive_3d"]']
    with ExitStack() as stack:
        node = write_config(folder / "node", {}, broker=stack.enter_context(run_valkey(folder / "valkey")))
        node.config.write_text("\n".join([node.config.read_text(encoding="utf-8"), *tables]), encoding="utf-8")
        migrate(load(node.config, {}).storage.ledger_url)
        for sink in sinks.values():
            if sink.fault != "is down":
                stack.enter_context(sink.listening())
        stack.enter_context(serving(node, "listen", "work"))
        assert storescu([study], node.port).returncode == 0
        with node.ledger() as ledger:
            wait_until(lambda: _done(ledger) == 3, "three destinations have it", seconds=90, step=0.1)
        assert ["delivering"] == [study.state for study in node.studies()]
        stack.enter_context(sinks["is down"].listening())
        node.wait_for("reported", seconds=90)
        time.sleep(STILL_S)
        yield node


def _done(ledger: Ledger) -> int:
    return sum(
        job.destination is not None and job.state == "done"
        for study in ledger.admin.studies()
        for job in ledger.admin.study(study.key).jobs
    )


@pytest.mark.parametrize(("fault", "times"), [("is down", 1), ("refuses", 2), ("hangs", 2), ("loses", 2)], ids=str)
def test_it_has_the_report_once(node: Running, sinks: dict[str, Sink], fault: str, times: int) -> None:
    """One report under one UID, whatever it did with the first; sent again only for a reason, and by itself."""
    sink = sinks[fault]
    [study] = node.studies()

    assert ("reported", 1) == (study.state, study.revision)
    assert 1 == len(sink.held)
    assert [*sink.held] * times == sink.came


def test_every_destination_has_the_same_report(node: Running, sinks: dict[str, Sink]) -> None:
    """Not one byte differs between who got it at once and who got it in the end."""
    assert node.studies()
    assert 1 == len({tuple(sink.held.items()) for sink in sinks.values()})

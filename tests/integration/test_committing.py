"""Storage commitment for what was sent to us: the spool answers, truthfully, on whichever association can be had."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from ledgers import empty_sqlite, sqlite_url
from proving import REPORT, SR_CLASS, STUDY, Proving, archive, proving, report_bytes
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, DeflatedExplicitVRLittleEndian
from pynetdicom import AE, build_context
from pynetdicom.dimse_primitives import N_ACTION
from pynetdicom.dsutils import encode
from servers import free_port, run_orthanc, wait_until
from structlog.testing import capture_logs

import service.spool
from service import asking
from service.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, Reference, Report, action_information
from service.committing import Committing
from service.config import Settings
from service.config_peers import Destination
from service.errors import PeerRefused
from service.receiving import ReceivingAssociation
from service.spool import Spool
from service.tries import Tries

__all__ = ["empty_sqlite", "sqlite_url"]

ASKED = {"storage_commitment": True}
NOBODY: dict[str, Any] = {"ae_title": "OTHER", "port": 1}


def receive(node: Proving) -> None:
    """Have the node hold one object, as it was received."""
    spool = Spool(node.settings.storage.root)
    spool.store(study_instance_uid=STUDY, sop_instance_uid=REPORT, header=report_bytes(), data=b"")


def ask(node: Proving, uid: str = REPORT, sop_class: str = SR_CLASS) -> Report | None:
    """Ask the node to commit to an object, over an association that waits for the report."""
    us = Destination(name="us", ae_title="SPONDYL", host="127.0.0.1", port=node.port, timeout_s=5)
    reference = Reference(sop_class_uid=sop_class, sop_instance_uid=uid)
    return asking.commit(us, reference, "2.25.77", calling_ae="CT1", awaited=lambda: True)


def test_what_is_in_the_spool_is_committed_to(sqlite_url: str, tmp_path: Path) -> None:
    """On the association that asked: committed; 0x0112 for what is not here, 0x0119 for another SOP class."""
    with proving(sqlite_url, tmp_path / "state", NOBODY, node={"port": 0, **ASKED}) as node:
        receive(node)
        assert Report(transaction_uid="2.25.77", committed=frozenset({REPORT}), failed={}) == ask(node)
        missing, other = ask(node, "2.25.9"), ask(node, sop_class=CTImageStorage)
        assert missing is not None
        assert other is not None
        assert ({"2.25.9": 0x0112}, {REPORT: 0x0119}) == (missing.failed, other.failed)
        Spool(node.settings.storage.root).remove(next(Spool(node.settings.storage.root).keys()))
        gone = ask(node)
        assert gone is not None
        assert {REPORT: 0x0112} == gone.failed


def test_a_node_that_is_not_told_to_commit_refuses(sqlite_url: str, tmp_path: Path) -> None:
    """Off, as it is by default: not offered; not authorised where it is, for a destination that reports."""
    for more, why in ({}, "no presentation context"), ({"proof": "commitment"}, "0x0124"):
        with proving(sqlite_url, tmp_path / "state", NOBODY | more) as node:
            receive(node)
            with pytest.raises(PeerRefused, match=why):
                ask(node)


def asked(references: list[Reference], calling_ae: str = "CT1") -> Any:
    """Return a request as pynetdicom hands it over, on an association that stands for one."""
    request = N_ACTION()
    request.RequestedSOPInstanceUID = PUSH_MODEL_INSTANCE
    information = action_information("2.25.77", references)
    request.ActionInformation = BytesIO(encode(information, is_implicit_vr=True, is_little_endian=True) or b"")
    association = Mock(spec=ReceivingAssociation, requestor=SimpleNamespace(ae_title=calling_ae), afterwards=[])
    return SimpleNamespace(
        request=request, assoc=association, action_type=1, action_information=information, context=None
    )


def test_more_than_can_be_answered_is_refused(tmp_path: Path) -> None:
    """Resource limitation (0x0213): 10,001 objects in a request; a report while too many wait to be brought back."""
    where = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 1}
    settings = Settings.model_validate({"node": ASKED, "destinations": [where]})
    ledger, spool = SimpleNamespace(recent=lambda limit: [][:limit]), Spool(tmp_path)
    committing = Committing(settings=settings, spool=spool, ledger=ledger, reports=Tries(0))
    many = [Reference(sop_class_uid=SR_CLASS, sop_instance_uid=f"2.25.{number}") for number in range(1, 10_002)]
    assert [0x0213, 0x0000, 0x0213, 0x0000] == [
        committing.on_action(event)[0]
        for event in (asked(many), asked(many[1:]), asked(many[:1], "PACS"), asked(many[:1]))
    ]


def test_no_request_is_inflated(sqlite_url: str, tmp_path: Path) -> None:
    """400,000 items deflate to 5 kB: the push model is not spoken so, nor in the context of a class that may be."""
    request = Dataset()
    request.TransactionUID, request.ReferencedSOPSequence = "2.25.77", [Dataset() for _ in range(20_000)]
    with proving(sqlite_url, tmp_path / "state", NOBODY, node={"port": 0, **ASKED}) as node:
        caller = AE(ae_title="CT1")
        contexts = [build_context(sop_class, DeflatedExplicitVRLittleEndian) for sop_class in (PUSH_MODEL, SR_CLASS)]
        association = caller.associate("127.0.0.1", node.port, contexts=contexts, ae_title="SPONDYL")
        assert [PUSH_MODEL] == [context.abstract_syntax for context in association.rejected_contexts]
        # pynetdicom's `meta_uid` names the context that a request goes in.
        answer, _ = association.send_n_action(request, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE, meta_uid=UID(SR_CLASS))
        wait_until(lambda: association.is_aborted, "the node ended the association")
        assert answer.get("Status") is None


def test_what_is_asked_for_is_digested_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many studies are looked through."""
    spool = Spool(tmp_path)
    spool.prepare()
    for study in ("1.1", "1.2", "1.3"):
        spool.store(study_instance_uid=study, sop_instance_uid=f"{study}.9", header=report_bytes(), data=b"")
    ledger = SimpleNamespace(recent=lambda limit: [][:limit])
    committing = Committing(settings=Settings(), spool=spool, ledger=ledger)
    digest = Mock(wraps=service.spool._digest)  # noqa: SLF001 - what costs
    monkeypatch.setattr(service.spool, "_digest", digest)
    wanted = [Reference(sop_class_uid=SR_CLASS, sop_instance_uid=f"2.25.{number}") for number in range(5)]
    committing.report("2.25.77", wanted)
    assert digest.call_count == 5


def test_the_whole_spool_is_read_for_one_request_at_a_time(tmp_path: Path) -> None:
    """Whoever asks for what is not here waits for whoever did before; what just came is answered for meanwhile."""
    spool = Spool(tmp_path)
    spool.prepare()
    kept = spool.store(study_instance_uid=STUDY, sop_instance_uid=REPORT, header=report_bytes(), data=b"")
    ledger = SimpleNamespace(recent=lambda limit: [kept.key][:limit])
    committing = Committing(settings=Settings(), spool=spool, ledger=ledger)
    here, not_here = (Reference(sop_class_uid=SR_CLASS, sop_instance_uid=uid) for uid in (REPORT, "2.25.9"))
    with ThreadPoolExecutor() as pool:
        with committing.searching:
            waits = pool.submit(committing.report, "2.25.77", [not_here])
            assert committing.report("2.25.78", [here])[0] == 1
            assert not waits.done()
        assert waits.result(timeout=20)[0] == 2


def test_a_caller_that_is_a_destination_is_called_back(sqlite_url: str, tmp_path: Path) -> None:
    """Orthanc sends an object and asks: the report comes on an association of ours, and Orthanc says Success."""
    port = free_port()
    modalities = {"spondyl": ["SPONDYL", "127.0.0.1", port]}
    with run_orthanc(tmp_path / "orthanc", DicomModalities=modalities) as orthanc:
        orthanc.store(report_bytes())
        with proving(sqlite_url, tmp_path / "state", {"port": orthanc.port}, node={"port": port, **ASKED}):
            body = {"Resources": orthanc.find(SOPInstanceUID=REPORT), "StorageCommitment": True}
            done = orthanc.call("/modalities/spondyl/store", body)
            where = f"/storage-commitment/{done['StorageCommitmentTransactionUID']}"
            wait_until(lambda: orthanc.call(where)["Status"] != "Pending", "our report reached Orthanc", seconds=20)
            assert ("Success", 1) == (orthanc.call(where)["Status"], len(orthanc.call(where)["Success"]))


def test_the_two_roles_do_not_mix(sqlite_url: str, tmp_path: Path) -> None:
    """A destination that proves by commitment may also ask: each gets its answer."""
    with (
        archive() as peer,
        proving(
            sqlite_url, tmp_path / "state", {"port": peer.port, "proof": "commitment"}, node={"port": 0, **ASKED}
        ) as node,
    ):
        node.step()
        node.step()
        assert ("done", "reported") == node.state
        answered = ask(node, "2.25.9")
        assert answered is not None
        assert {"2.25.9": 0x0112} == answered.failed


def test_a_destination_that_takes_no_report_is_said_so(sqlite_url: str, tmp_path: Path) -> None:
    """It asked, and does not know the transaction any more: said once, not tried for ever."""
    with (
        archive() as peer,
        proving(sqlite_url, tmp_path / "state", {"port": peer.port}, node={"port": 0, **ASKED}) as node,
        capture_logs() as logs,
    ):
        us = Destination(name="us", ae_title="SPONDYL", host="127.0.0.1", port=node.port, timeout_s=5)
        reference = Reference(sop_class_uid=SR_CLASS, sop_instance_uid=REPORT)
        assert asking.commit(us, reference, "2.25.77", calling_ae="PACS", awaited=lambda: False) is None
        wait_until(lambda: any(each["action"] == "commitment_unreported" for each in logs), "it is said", seconds=15)
        [said] = [each for each in logs if each["action"] == "commitment_unreported"]
        assert ("pacs", "pacs answered a report of storage commitment with status 0x0115") == (
            said["destination"],
            said["why"],
        )

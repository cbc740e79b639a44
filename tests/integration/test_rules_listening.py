"""The role `listen` with two sources and rules: what was sent, by whom, becomes what was decided."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from ledgers import migrated
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import build_context
from report_samples import ct_slice
from servers import free_port, listens, wait_until

from service import peer
from service.config import Settings
from service.config_peers import Destination
from service.ledger import Ledger
from service.listening import listen
from service.spool import study_key
from service.states import StudyState

RULES = [
    {"name": "spines", "sources": ["ct"], "match": {"StudyDescription": "*spine*"}, "priority": "high"},
    {"name": "rest", "sources": ["ct"], "action": "ignore"},
]


def test_two_sources_are_treated_as_they_and_the_rules_say(tmp_path: Path) -> None:
    """Spines of one are taken, its other studies ignored by rule; the other's processing is off; nothing is refused."""
    document = {
        "node": {"port": (port := free_port())},
        "storage": {"root": tmp_path, "min_free_gb": 0},
        "study": {"quiet_s": 0},
        "sources": [
            {"name": "ct", "ae_titles": ["CT1"]},
            {"name": "trial", "ae_titles": ["TRIAL"], "process": False},
        ],
        "rules": RULES,
    }
    settings = Settings.model_validate(document)
    migrated(settings.storage.ledger_url)
    told = threading.Event()
    with ThreadPoolExecutor(1) as pool, closing(Ledger.open(settings.storage.ledger_url)) as ledger:
        running = pool.submit(listen, settings, told=told)
        try:
            wait_until(lambda: listens(port), "the port is open")
            _send(port, "CT1", "2.25.1", "CT L-Spine")
            _send(port, "CT1", "2.25.2", "CT Head")
            _send(port, "TRIAL", "2.25.3", "CT Spine")
            wait_until(lambda: len(_decided(ledger)) == 3, "all are decided")
            decided = _decided(ledger)
        finally:
            told.set()
            running.result(30)

    assert (StudyState.QUEUED, None, 2) == decided["2.25.1"]
    assert (StudyState.IGNORED, "rest", 1) == decided["2.25.2"]
    assert (StudyState.IGNORED, "processing_off", 1) == decided["2.25.3"]
    assert all((tmp_path / "spool" / (key := study_key(uid))[:2] / key).is_dir() for uid in decided)


def _send(port: int, calling: str, study: str, description: str) -> None:
    ds = ct_slice(1)
    ds.StudyInstanceUID, ds.SOPInstanceUID, ds.StudyDescription = study, f"{study}.1", description
    ds.ensure_file_meta()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    node = Destination(name="node", ae_title="SPONDYL", host="127.0.0.1", port=port)
    with peer.calling(node, [build_context(CTImageStorage, ExplicitVRLittleEndian)], calling_ae=calling) as association:
        assert 0x0000 == association.send_c_store(ds).Status


def _decided(ledger: Ledger) -> dict[str, tuple[StudyState, str | None, int]]:
    rows = [row for row in ledger.admin.studies() if row.state is not StudyState.RECEIVING]
    return {row.study_instance_uid: (row.state, row.reason, row.priority) for row in rows}

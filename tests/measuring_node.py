"""A node whose jobs a test does itself: one destination, no broker, a SQLite ledger."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ledgers import claim
from spooled import file_of, store
from two_studies import Heights, document, slice_of

from service.broker import celery_app
from service.config import Report, Settings, Storage
from service.config_peers import Destination
from service.dispatch import Dispatcher
from service.landmarks import supply
from service.ledger import JobRow, Ledger
from service.spool import Spool, study_key
from service.states import JobState
from service.wiring import Node
from workers.document_format import FORMAT
from workers.measuring import measure_job

NOW: Final = 200.0


@contextmanager
def measuring_node(ledger_url: str, root: Path, *send: str, **changes: Any) -> Iterator[Node]:
    """Open the node; it writes its report in one SOP class, since one tells all of it, and reports reasons too.

    Its destination gets report and overlay, or `send`; `changes` are of [report]. dciodvfy, which takes longer than to
    measure supplied points, does not look: what it is asked, and what comes of its answer, is told by test_gate.py.
    """
    alike = {"sop_classes": ("comprehensive_3d",), "not_analysable": True, "dciodvfy": False}
    report = Report.model_validate({**alike, **changes})
    about = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}
    pacs = Destination.model_validate({**about, "send": send or ("sr", "gsps")})
    settings = Settings(storage=Storage(root=root), report=report, destinations=(pacs,))
    spool = Spool(root)
    spool.prepare()
    ledger = Ledger.open(ledger_url)
    dispatch = Dispatcher(celery_app(settings))
    yield Node(settings=settings, ledger=ledger, spool=spool, dispatch=dispatch, clock=lambda: NOW)
    ledger.close()


def arrive(node: Node, uid: str, *files: bytes) -> JobRow:
    """Have objects of a study arrive, and the study settle; return its measure job."""
    for file in files:
        store(node.spool, file)
    key = study_key(uid)
    study = node.ledger.arrivals.note(key=key, study_instance_uid=uid, source="ct", now=100.0, held_until=0)
    job = node.ledger.arrivals.settle(study.id, fingerprint=node.spool.fingerprint(key), now=100.0)
    assert job is not None
    return job


def work(node: Node, job: JobRow | None) -> None:
    """Do a measure job."""
    assert job is not None
    measure_job(node, claim(node.ledger, job, now=150.0))


def measure(node: Node, uid: str, date: str, heights: Heights, **changes: Any) -> None:
    """Take a study in, and have it measured with landmarks that are handed in."""
    arrive(node, uid, file_of(slice_of(uid, date, **changes)))
    work(node, supply(node, uid, document(uid, heights), check=FORMAT.check).job)


def deliver(node: Node, uid: str) -> None:
    """End every delivery of a study that waits: the destination has it."""
    for job in node.ledger.admin.study(uid).jobs:
        if job.destination is not None and job.state is JobState.WAITING:
            held = claim(node.ledger, job, now=NOW)
            assert node.ledger.jobs.finish_delivery(held, detail="0x0000", now=NOW)


def findings(node: Node, uid: str) -> Any:
    """Return the newest findings JSON of a study."""
    return json.loads(node.ledger.admin.findings(uid) or "null")


def written(node: Node, uid: str, kind: str = "sr") -> bytes:
    """Return the newest object of a kind on a study."""
    made = [each for each in node.ledger.admin.study(uid).reports if each.kind == kind]
    return node.spool.report(study_key(uid), made[-1].file_name).read_bytes()

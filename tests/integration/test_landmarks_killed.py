"""The process that takes landmarks is killed with -9 between any two of its steps: all of it happens, or none."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledgers import claim
from pydantic import SecretStr
from report_samples import STUDY
from spooled import KEY, landmarks, store_slice

from service.config import Settings, Storage
from service.landmarks import supply
from service.ledger import JobRow, Ledger
from service.reconcile import Reconciler, Repairs
from service.states import JobState, StudyState
from service.wiring import Node, open_node
from workers.document_format import FORMAT

REPOSITORY = Path(__file__).resolve().parents[2]
#: Takes a document from its standard input, and is killed in place of the step that is named.
KILLED = """
import os, signal, sys
from pydantic import SecretStr
from service import landmarks, spool
from service.config import Settings, Storage
from service.wiring import open_node
from workers.document_format import FORMAT

root, ledger, uid, place, step = sys.argv[1:]
settings = Settings(storage=Storage(root=root, ledger=SecretStr(ledger), min_free_gb=0))
with open_node(settings) as node:
    setattr(eval(place), step, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    landmarks.supply(node, uid, sys.stdin.buffer.read(), check=FORMAT.check)
"""


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    """Return the settings of a node over an empty ledger; its broker does not run."""
    return Settings(storage=Storage(root=tmp_path / "state", ledger=SecretStr(sqlite_url), min_free_gb=0))


@pytest.fixture
def node(settings: Settings) -> Iterator[Node]:
    """Open a node that holds one study, which had no landmarks."""
    with open_node(settings, clock=lambda: 1000.0) as opened:
        store_slice(opened.spool)
        arrivals = opened.ledger.arrivals
        study = arrivals.note(key=KEY, study_instance_uid=STUDY, source="ct", now=9e9, held_until=0.0)
        job = arrivals.settle(study.id, fingerprint=opened.spool.fingerprint(KEY), now=950.0)
        assert job is not None
        held = claim(opened.ledger, job, now=960.0)
        opened.ledger.jobs.finish_measure(held, findings="{}", reason="NO_LANDMARKS", objects=(), wanted={}, now=970.0)
        yield opened


def _kill(settings: Settings, place: str, step: str) -> None:
    storage = settings.storage
    command = [sys.executable, "-c", KILLED, str(storage.root), storage.ledger_url, STUDY, place, step]
    killed = subprocess.run(command, input=landmarks(), cwd=REPOSITORY, check=False, timeout=60)
    assert -signal.SIGKILL == killed.returncode


def _reconcile(node: Node) -> tuple[Repairs, list[int]]:
    """Do what a start of the listener does; return the repairs and the jobs whose messages were sent."""
    sent: list[JobRow] = []
    reconciler = Reconciler(ledger=node.ledger, spool=node.spool, settings=node.settings, dispatch=sent.append)
    return reconciler.run(1100.0), [job.id for job in sent]


def _asked_for_once(ledger: Ledger) -> None:
    """Check that the study waits for one worker, as revision 2, with the document."""
    detail = ledger.admin.study(KEY)
    (job,) = (job for job in detail.jobs if job.state is JobState.WAITING)
    assert (StudyState.QUEUED, 2, 2) == (detail.study.state, detail.study.revision, job.revision)
    assert ["supplied"] == [event.event for event in detail.events if event.event == "supplied"]
    assert detail.study.document == claim(ledger, job, now=2000.0).document


def test_killed_before_the_document_is_whole(node: Node, settings: Settings) -> None:
    """Nothing counts and nothing is left behind; put again, the points are asked for."""
    _kill(settings, "spool.Path", "rename")
    assert 1 == len(list((settings.storage.root / "incoming").iterdir()))
    node.spool.prepare()

    assert (None, []) == (node.spool.newest_document(KEY), list((settings.storage.root / "incoming").iterdir()))
    assert (Repairs(), []) == _reconcile(node)
    assert StudyState.NOT_ANALYSABLE is node.ledger.admin.study(KEY).study.state
    supply(node, STUDY, landmarks(), check=FORMAT.check)
    _asked_for_once(node.ledger)


@pytest.mark.parametrize("again", ["reconciler", "caller"])
def test_killed_between_file_and_ledger(node: Node, settings: Settings, again: str) -> None:
    """The document is whole and nobody counted it: the reconciler does, or the caller who got no answer."""
    _kill(settings, "spool.Spool", "fingerprint")
    assert landmarks() == node.spool.document(KEY, node.spool.newest_document(KEY) or "").read_bytes()
    assert (StudyState.NOT_ANALYSABLE, 1) == (
        node.ledger.admin.study(KEY).study.state,
        node.ledger.admin.study(KEY).study.revision,
    )

    if again == "reconciler":
        repairs, sent = _reconcile(node)
        assert (Repairs(supplied=1, enqueued=1), 1) == (repairs, len(sent))
    else:
        assert supply(node, STUDY, landmarks(), check=FORMAT.check).changed
    assert 0 == _reconcile(node)[0].supplied
    _asked_for_once(node.ledger)


def test_killed_before_a_worker_was_woken(node: Node, settings: Settings) -> None:
    """The revision is asked for; the reconciler sends the message. Put again, the points change nothing."""
    _kill(settings, "landmarks", "dispatch_all")

    repairs, sent = _reconcile(node)
    assert (Repairs(enqueued=1), 1) == (repairs, len(sent))
    assert not supply(node, STUDY, landmarks(), check=FORMAT.check).changed
    _asked_for_once(node.ledger)

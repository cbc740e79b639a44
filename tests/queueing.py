"""The queue for tests: a broker, a ledger, and a worker process whose work a test writes."""

import json
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import redis
from ledgers import migrated
from servers import running, wait_until

from service.config import load
from service.embedded import EmbeddedBroker
from service.ledger import JobRow, StudyDetail
from service.listening import steward_of
from service.metrics import Metrics
from service.states import StudyState
from service.wiring import Node, open_node

#: A worker whose measuring is replaced by `sys.argv[1]`, a statement; `sys.argv[2]` is its time limit, seconds;
#: `sys.argv[3]` is a statement for the process that keeps it.
WORKER = """
import os, signal, sys, time
from pathlib import Path
from service import logs
from service.config import load
import workers.tasks
from workers import keeper
from workers.app import work

def measure_job(node, claim):
    Path("tries").open("a").write(f"{os.getpid()}\\n")
    exec(sys.argv[1])

logs.configure("info", json=True)
settings = load(Path("spondyl.toml"), {})
limit = {"time_limit_s": float(sys.argv[2])}
settings = settings.model_copy(update={"queue": settings.queue.model_copy(update=limit)})
if sys.argv[1]:
    workers.tasks.measure_job = measure_job
exec(sys.argv[3])
sys.exit(work(settings))
"""
#: A keeper that loses patience within seconds, and a worker that asks for no message while the file `deaf` is there:
#: what celery/celery#8030 and celery/kombu#2492 look like from outside.
IMPATIENT = """
from kombu.transport.redis import MultiChannelPoller
keeper.LOOK_EVERY_S, keeper.PATIENCE_S, keeper.HEAR_S, keeper.FIRST_WAIT_S = 0.2, 3.0, 1.0, 0.1
ask = MultiChannelPoller._register_BRPOP
MultiChannelPoller._register_BRPOP = lambda self, channel: Path("deaf").exists() or ask(self, channel)
"""
CONFIG = """
[storage]
root = "state"
min_free_gb = 0
[queue]
lease_s = 2
requeue_s = 1
max_attempts = 2
"""
#: The end of a measure job that finds nothing to measure.
FINISH = (
    "node.ledger.jobs.finish_measure(claim, findings='{}', reason='no_images', objects=(), wanted={}, now=node.clock())"
)


@contextmanager
def queue_node(folder: Path) -> Iterator[Node]:
    """Open a node over the private broker and an empty ledger."""
    config = folder / "spondyl.toml"
    config.write_text(CONFIG, encoding="utf-8")
    settings = load(config, {})
    broker = EmbeddedBroker(settings)
    broker.start()
    try:
        migrated(settings.storage.ledger_url)
        with open_node(settings) as opened:
            yield opened
    finally:
        broker.stop()


@contextmanager
def worker(
    tmp_path: Path, statement: str = "", *, limit_s: float = 300, keeping: str = ""
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Run a worker; give a function that returns what it logged."""
    log = tmp_path / "worker.log"

    def said() -> list[dict[str, Any]]:
        return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]

    with running([sys.executable, "-c", WORKER, statement, str(limit_s), keeping], log, cwd=tmp_path):
        wait_until(lambda: any(line["action"] == "ready" for line in said()), "the worker is ready")
        yield said


def settled(node: Node) -> JobRow:
    """Enter a study and give its measure job, as the steward would."""
    uid = f"2.25.{uuid.uuid4().int}"
    now = node.clock()
    row = node.ledger.arrivals.note(key=uuid.uuid4().hex, study_instance_uid=uid, source="ct1", now=now, held_until=now)
    job = node.ledger.arrivals.settle(row.id, fingerprint="f", now=now, read=row)
    assert job is not None
    return job


def detail(node: Node, job: JobRow) -> StudyDetail:
    """Return all that the ledger knows of the study of a job."""
    study = next(study for study in node.ledger.admin.studies() if study.id == job.study_id)
    return node.ledger.admin.study(study.key)


def wait_for(node: Node, job: JobRow, state: StudyState, *, seconds: float = 60) -> StudyDetail:
    """Return the study once it is in `state`."""
    wait_until(lambda: detail(node, job).study.state is state, f"the study is {state}", seconds=seconds)
    return detail(node, job)


@contextmanager
def stewarded(node: Node) -> Iterator[None]:
    """Run the steward until the block ends."""
    steward = steward_of(node, Metrics(node.settings))
    steward.start()
    try:
        yield
    finally:
        steward.stop()


def raw(node: Node) -> "redis.Redis":
    """Return a connection to the broker itself."""
    return redis.Redis(unix_socket_path=str(EmbeddedBroker(node.settings).socket), decode_responses=True)


def shut_down(node: Node) -> None:
    """End the broker, and lose all that it held."""
    broker = EmbeddedBroker(node.settings)
    with closing(raw(node)) as connection:
        process = psutil.Process(int(connection.info("server")["process_id"]))
    process.kill()
    wait_until(lambda: not broker.alive(), "the broker is gone")
    for path in broker.folder.glob("appendonly*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def tries(folder: Path) -> list[str]:
    """Return the process of each time that measuring began."""
    path = folder / "tries"
    return path.read_text().split() if path.exists() else []


def worker_of(folder: Path) -> psutil.Process:
    """Return the process that took the last job: the parent of the one that measured, and the keeper's child."""
    parent = psutil.Process(int(tries(folder)[-1])).parent()
    assert parent is not None
    return parent


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE

"""The queue for real: a broker, a worker process, a ledger; what a message may do, and what it may not."""

import base64
import json
import os
import pickle
import shutil
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from servers import running, wait_until

from service.config import load
from service.embedded import EmbeddedBroker
from service.errors import Unavailable
from service.ledger import JobRow, StudyDetail, StudyRow
from service.listening import steward_of
from service.states import JobState, StudyState
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


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Open a node over the private broker and an empty ledger."""
    config = tmp_path / "spondyl.toml"
    config.write_text(CONFIG, encoding="utf-8")
    settings = load(config, {})
    broker = EmbeddedBroker(settings)
    broker.start()
    try:
        with open_node(settings, migrated=True) as opened:
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
    job = node.ledger.arrivals.settle(row.id, fingerprint="f", now=now, arrivals=row.arrivals)
    assert job is not None
    return job


def store_image(node: Node, study: StudyRow) -> None:
    """Put one plain image of a study into the spool."""
    image = Dataset()
    image.SOPClassUID = SecondaryCaptureImageStorage
    image.SOPInstanceUID = generate_uid(None)
    image.StudyInstanceUID = study.study_instance_uid
    image.SeriesInstanceUID = generate_uid(None)
    image.Modality = "OT"
    file = BytesIO()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(file, image, enforce_file_format=True)
    folder = node.settings.storage.root / "spool" / study.key[:2] / study.key
    folder.mkdir(parents=True)
    (folder / f"{'0' * 32}-{'1' * 32}.dcm").write_bytes(file.getvalue())


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
    steward = steward_of(node)
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


def test_a_job_is_done_once_however_often_its_message_comes(node: Node, tmp_path: Path) -> None:
    """Twenty messages for one job: the work is done once."""
    job = settled(node)
    with worker(tmp_path, f"time.sleep(0.3); {FINISH}"):
        for _ in range(20):
            node.dispatch(job)
        found = wait_for(node, job, StudyState.NOT_ANALYSABLE)
        with closing(raw(node)) as connection:
            wait_until(lambda: connection.llen("spondyl:spondyl.measure") == 0, "all messages are taken")

    assert len(tries(tmp_path)) == 1
    assert [(row.state, row.attempts) for row in found.jobs] == [(JobState.DONE, 1)]


def test_the_real_work_ends_in_the_ledger(node: Node, tmp_path: Path) -> None:
    """The real measure task, on a study of one image without landmarks, ends in its disposition."""
    job = settled(node)
    store_image(node, detail(node, job).study)
    with worker(tmp_path):
        node.dispatch(job)
        found = wait_for(node, job, StudyState.NOT_ANALYSABLE)

    assert found.study.reason


def test_a_message_is_an_id_and_nothing_else(node: Node) -> None:
    """What lies in the broker names the task and the job: no key, no UID."""
    job = settled(node)
    node.dispatch(job)
    with closing(raw(node)) as connection:
        (message,) = connection.lrange("spondyl:spondyl.measure", 0, -1)
    study = detail(node, job).study

    assert json.loads(message)["headers"]["argsrepr"] == f"[{job.id}]"
    assert json.loads(message)["content-type"] == "application/json"
    assert study.key not in message
    assert study.study_instance_uid not in message


def test_every_key_carries_the_product_name(node: Node, tmp_path: Path) -> None:
    """The broker may be shared: no key of ours is without the prefix, also while a worker holds a message."""
    with worker(tmp_path, "time.sleep(60)"), closing(raw(node)) as connection:
        node.dispatch(settled(node))
        wait_until(lambda: bool(tries(tmp_path)), "the work began")
        keys = [str(key) for key in connection.keys("*")]

    assert keys
    assert [key for key in keys if not key.startswith("spondyl:")] == []


class Explosive:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, int]]:
        """Tell pickle what to call."""
        return os.mkdir, (str(self.path), 0o700)


def test_a_pickle_is_never_opened(node: Node, tmp_path: Path) -> None:
    """A message that would run code when it is read is thrown away, and the worker goes on."""
    planted = tmp_path / "exploded"
    job = settled(node)
    with closing(raw(node)) as connection:
        node.dispatch(job)
        message = json.loads(str(connection.rpop("spondyl:spondyl.measure")))
        body = pickle.dumps(((Explosive(planted),), {}, {}))
        message["body"] = base64.b64encode(body).decode()
        message["content-type"] = "application/x-python-serialize"
        connection.lpush("spondyl:spondyl.measure", json.dumps(message))
    with worker(tmp_path, FINISH):
        node.dispatch(job)
        wait_for(node, job, StudyState.NOT_ANALYSABLE)
        with closing(raw(node)) as connection:
            wait_until(lambda: connection.llen("spondyl:spondyl.measure") == 0, "all messages are taken")

    assert not planted.exists()
    assert len(tries(tmp_path)) == 1


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("time.sleep(60)", "the time limit passed (queue.time_limit_s)"),
        ("signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}); time.sleep(60)", "the worker died 2 times"),
    ],
    ids=["asked", "killed"],
)
def test_a_job_that_takes_too_long_is_ended(node: Node, tmp_path: Path, statement: str, why: str) -> None:
    """A job is told when its time is up, and killed where it does not listen; after the last try somebody must act."""
    job = settled(node)
    with worker(tmp_path, statement, limit_s=1), stewarded(node):
        node.dispatch(job)
        found = wait_for(node, job, StudyState.FAILED)

    assert len(tries(tmp_path)) == 2
    assert (found.study.who, found.jobs[0].state) == ("developers", JobState.FAILED)
    assert why in (found.study.reason or "")


def test_a_job_whose_process_is_killed_is_done_by_another(node: Node, tmp_path: Path) -> None:
    """A pool process that dies in the middle of a job costs one lease; the second try finishes."""
    job = settled(node)
    first_time = f"time.sleep(60) if claim.job.attempts == 1 else {FINISH}"
    with worker(tmp_path, first_time), stewarded(node):
        node.dispatch(job)
        wait_until(lambda: bool(tries(tmp_path)), "the work began")
        os.kill(int(tries(tmp_path)[0]), signal.SIGKILL)
        found = wait_for(node, job, StudyState.NOT_ANALYSABLE)

    assert found.jobs[0].attempts == 2
    assert len(set(tries(tmp_path))) == 2


def test_no_process_of_a_killed_worker_goes_on(node: Node, tmp_path: Path) -> None:
    """A worker that is killed with -9 takes its pool with it: nobody works on without a heartbeat."""
    with worker(tmp_path, "time.sleep(60)"):
        node.dispatch(settled(node))
        wait_until(lambda: bool(tries(tmp_path)), "the work began")
        child = psutil.Process(int(tries(tmp_path)[0]))
        worker_of(tmp_path).kill()
        wait_until(lambda: gone(child), "the pool is gone")


def test_a_fault_says_where_and_never_what(node: Node, tmp_path: Path) -> None:
    """A bug in the work is logged by type and place, its text nowhere; the study fails for the developers."""
    job = settled(node)
    faulty = "import warnings; warnings.warn('MUSTERMANN^ERIKA', stacklevel=1); raise ValueError('MUSTERMANN^ERIKA')"
    with worker(tmp_path, faulty) as said, stewarded(node):
        node.dispatch(job)
        found = wait_for(node, job, StudyState.FAILED)
        lines = [line for line in said() if line["action"] == "try_failed"]

    assert (found.study.who, found.study.reason) == ("developers", "ValueError")
    assert [line["error"] for line in lines] == ["ValueError"] * 2
    assert "MUSTERMANN" not in (tmp_path / "worker.log").read_text()


def test_a_broker_that_is_gone_is_unavailable_at_once(node: Node) -> None:
    """Nobody who sends a message waits for a broker that is not there."""
    job = settled(node)
    node.dispatch.ping()
    shut_down(node)

    with pytest.raises(Unavailable, match="the broker did not take the message"):
        node.dispatch(job)
    with pytest.raises(Unavailable, match="the broker does not answer"):
        node.dispatch.ping()


def test_a_worker_outlives_its_broker(node: Node, tmp_path: Path) -> None:
    """The broker dies and all it held is lost: once it is back, what the ledger still wants is done."""
    broker = EmbeddedBroker(node.settings)
    with worker(tmp_path, FINISH), stewarded(node):
        first, second = settled(node), settled(node)
        node.dispatch(first)
        wait_for(node, first, StudyState.NOT_ANALYSABLE)
        shut_down(node)
        try:
            broker.start()
            wait_for(node, second, StudyState.NOT_ANALYSABLE)
        finally:
            broker.stop()

    assert len(tries(tmp_path)) == 2


def test_a_job_outlives_the_broker(node: Node, tmp_path: Path) -> None:
    """The broker dies while a job runs: the job ends well at its first try, and the next one is begun after it."""
    broker = EmbeddedBroker(node.settings)
    with worker(tmp_path, f"time.sleep(1); {FINISH}") as said:
        first, second = settled(node), settled(node)
        node.dispatch(first)
        wait_until(lambda: bool(tries(tmp_path)), "the work began")
        shut_down(node)
        try:
            broker.start()
            node.dispatch(second)
            wait_for(node, second, StudyState.NOT_ANALYSABLE)
        finally:
            broker.stop()

        assert [line["exit_code"] for line in said() if line["action"] == "worker_ended"] == [1]
    found = detail(node, first)
    assert (found.study.state, found.jobs[0].attempts) == (StudyState.NOT_ANALYSABLE, 1)


def test_a_worker_that_takes_no_messages_is_replaced(node: Node, tmp_path: Path) -> None:
    """A worker that died, hangs or asks for no message any more has a successor; nobody has to look after it."""
    deaf = tmp_path / "deaf"

    def is_deaf() -> bool:
        deaf.touch()
        with closing(raw(node)) as connection:
            return all("b" not in client["flags"] for client in connection.client_list())  # nobody blocks for one

    with worker(tmp_path, FINISH, keeping=IMPATIENT) as said:

        def do_a_job() -> None:
            job = settled(node)

            def done() -> bool:
                node.dispatch(job)  # again and again, as the reconciler would: whoever dies may die with a message
                return detail(node, job).study.state is StudyState.NOT_ANALYSABLE

            wait_until(done, "the job is done", seconds=30, step=0.2)

        def pids(action: str) -> list[int]:
            return [line["pid"] for line in said() if line["action"] == action]

        do_a_job()
        worker_of(tmp_path).kill()
        do_a_job()
        hanging = worker_of(tmp_path)
        hanging.suspend()
        do_a_job()
        wait_until(is_deaf, "the worker asks for no message")
        node.dispatch(settled(node))
        wait_until(lambda: len(pids("worker_stuck")) == 2, "it is found out")
        deaf.unlink()
        do_a_job()

        assert (pids("worker_stuck")[0], hanging.pid in pids("role_killed")) == (hanging.pid, True)


def test_a_worker_that_is_told_to_stop_finishes_its_job(node: Node, tmp_path: Path) -> None:
    """SIGTERM: the running job ends well, and no other is begun."""
    job = settled(node)
    with worker(tmp_path, f"time.sleep(1); {FINISH}"):
        node.dispatch(job)
        wait_until(lambda: bool(tries(tmp_path)), "the work began")
        keeper = worker_of(tmp_path).parent()
        assert keeper is not None
        keeper.terminate()
        wait_until(lambda: gone(keeper), "the worker is gone")

    assert detail(node, job).study.state is StudyState.NOT_ANALYSABLE
    assert detail(node, job).jobs[0].attempts == 1

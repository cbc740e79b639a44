"""The queue for real: a broker, a worker process, a ledger; what a message may do, and what it may not."""

import base64
import json
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from queueing import (
    FINISH,
    IMPATIENT,
    detail,
    gone,
    queue_node,
    raw,
    settled,
    shut_down,
    stewarded,
    tries,
    wait_for,
    worker,
    worker_of,
)
from servers import wait_until

from service.embedded import EmbeddedBroker
from service.errors import Unavailable
from service.ledger import StudyRow
from service.states import JobState, StudyState
from service.wiring import Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Open a node over the private broker and an empty ledger."""
    with queue_node(tmp_path) as opened:
        yield opened


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


def test_a_worker_at_work_shows_our_name_and_is_not_outlived(node: Node, tmp_path: Path) -> None:
    """The broker may be shared: every key of ours has the prefix. Killed with -9 a worker takes its pool with it."""
    with worker(tmp_path, "time.sleep(60)"), closing(raw(node)) as connection:
        node.dispatch(settled(node))
        wait_until(lambda: bool(tries(tmp_path)), "the work began")
        keys = [str(key) for key in connection.keys("*")]
        child = psutil.Process(int(tries(tmp_path)[0]))
        worker_of(tmp_path).kill()
        wait_until(lambda: gone(child), "the pool is gone: nobody works on without a heartbeat")

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


def test_a_job_that_takes_too_long_is_ended(node: Node, tmp_path: Path) -> None:
    """A job is told when its time is up, and killed where it does not listen; after the last try somebody must act."""
    deaf, slow = settled(node), settled(node)
    listens = f"claim.job.study_id != {deaf.study_id}"
    hear_nothing = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})"
    with worker(tmp_path, f"{listens} or {hear_nothing}; time.sleep(60)", limit_s=1), stewarded(node):
        for job in (deaf, slow):
            node.dispatch(job)
        ended = [wait_for(node, job, StudyState.FAILED) for job in (deaf, slow)]

    assert len(tries(tmp_path)) == 4
    assert [("developers", JobState.FAILED)] * 2 == [(found.study.who, found.jobs[0].state) for found in ended]
    assert ["the worker died 2 times", "the time limit passed (queue.time_limit_s)"] == [
        found.study.reason for found in ended
    ]


@pytest.mark.long
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
    """The broker dies with a message, and all it held is lost: once it is back, what the ledger still wants is done."""
    broker = EmbeddedBroker(node.settings)
    with worker(tmp_path, FINISH), stewarded(node):
        first = settled(node)
        node.dispatch(first)
        wait_for(node, first, StudyState.NOT_ANALYSABLE)
        asleep = worker_of(tmp_path)
        asleep.suspend()  # it would take the message
        with closing(raw(node)) as connection:
            wait_until(lambda: all("b" not in client["flags"] for client in connection.client_list()), "nobody asks")
            second = settled(node)
            wait_until(lambda: bool(connection.llen("spondyl:spondyl.measure")), "the broker holds a message")
        shut_down(node)
        asleep.resume()
        try:
            broker.start()
            wait_for(node, second, StudyState.NOT_ANALYSABLE)
        finally:
            broker.stop()

    assert len(tries(tmp_path)) == 2


@pytest.mark.long
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

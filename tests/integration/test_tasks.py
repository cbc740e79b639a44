"""The tasks as functions: from a job's id to what the ledger says, without a queue between."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from servers import free_port

from service.config import Queue, Settings, Storage
from service.config_peers import Destination
from service.ledger import JobRow, NewReport
from service.ledger.jobs import Jobs
from service.ledger.rows import Decided
from service.messages import JobKind
from service.states import JobState, StudyState
from service.wiring import Node, open_node
from workers.app import worker_app
from workers.tasks import Opened, register

KEY = "ab" * 16
REPORT = NewReport(
    kind="sr",
    sop_instance_uid="2.25.1",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.88.33",
    series_instance_uid="2.25.2",
    file_name="0001-sr.dcm",
    findings_digest="0" * 64,
    predecessor_uid=None,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings with a destination where nobody listens."""
    return Settings(
        storage=Storage(root=tmp_path, min_free_gb=0),
        queue=Queue.model_validate({"broker": "memory://"}),
        destinations=(Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=free_port(), timeout_s=2),),
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[Celery]:
    """Give the application with its tasks."""
    app, opened = Celery("test", set_as_current=False), Opened(settings)
    register(app, opened)
    yield app
    opened.close()
    opened.close()


def entered(node: Node, *, key: str = KEY, uid: str = "1.2.3", priority: int = 1) -> JobRow:
    """Enter a study; give its measure job."""
    now = node.clock()
    row = node.ledger.arrivals.note(key=key, study_instance_uid=uid, source="ct1", now=now, held_until=now)
    decided = Decided(priority=priority, destinations=None, said="")
    job = node.ledger.arrivals.settle(row.id, fingerprint="f", now=now, read=row, decided=decided)
    assert job is not None
    return job


def test_a_measure_task_ends_its_job(settings: Settings, app: Celery) -> None:
    """The task claims, works and decides: here a study whose files are gone, which somebody must act on."""
    with open_node(settings, migrated=True) as node:
        job = entered(node)
        app.tasks[JobKind.MEASURE.value](job.id)
        app.tasks[JobKind.MEASURE.value](job.id)
        study = node.ledger.admin.study(KEY)

    assert study.study.state is StudyState.FAILED
    assert study.study.who
    assert [(row.state, row.attempts) for row in study.jobs] == [(JobState.FAILED, 1)]


def test_the_most_urgent_study_is_measured_whichever_message_comes(settings: Settings, app: Celery) -> None:
    """The message of a study that is not urgent starts the one that is; each is measured once, by two messages."""
    with open_node(settings, migrated=True) as node:
        usual, urgent = entered(node), entered(node, key="cd" * 16, uid="1.2.4", priority=2)
        ended = []
        for message in (usual, urgent, usual):
            app.tasks[JobKind.MEASURE.value](message.id)
            keys = {key: node.ledger.admin.study(key).jobs[0] for key in (KEY, "cd" * 16)}
            ended.append([key[:2] for key, job in keys.items() if job.state is JobState.FAILED])

    assert [["cd"], ["ab", "cd"], ["ab", "cd"]] == ended
    assert {1} == {job.attempts for job in keys.values()}


def test_of_two_workers_that_choose_the_same_study_one_chooses_again(
    settings: Settings, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between choosing and claiming another worker was faster: this message starts the next one instead."""
    with open_node(settings, migrated=True) as node:
        usual, urgent = entered(node), entered(node, key="cd" * 16, uid="1.2.4", priority=2)
        assert node.ledger.jobs.claim(urgent.id, worker="other", now=node.clock(), lease_s=60)
        choose, stale = Jobs.most_urgent, [urgent.id]
        monkeypatch.setattr(Jobs, "most_urgent", lambda *a, **k: stale.pop() if stale else choose(*a, **k))
        app.tasks[JobKind.MEASURE.value](usual.id)

        assert StudyState.FAILED is node.ledger.admin.study(KEY).study.state


def test_a_deliver_task_puts_off_what_cannot_be_delivered(settings: Settings, app: Celery) -> None:
    """A destination where nobody listens: the delivery waits, its study is still being delivered."""
    with open_node(settings, migrated=True) as node:
        claim = node.ledger.jobs.claim(entered(node).id, worker="w", now=node.clock(), lease_s=5)
        assert claim is not None
        node.spool.write_report(KEY, REPORT.file_name, minimal_file())
        (delivery,) = node.ledger.jobs.finish_measure(
            claim, findings="{}", reason=None, objects=[REPORT], wanted={"pacs": ["sr"]}, now=node.clock()
        )
        app.tasks[JobKind.DELIVER.value](delivery.id)
        study = node.ledger.admin.study(KEY)

    assert study.study.state is StudyState.DELIVERING
    assert [(row.destination, row.state, row.attempts) for row in study.deliveries] == [("pacs", JobState.WAITING, 1)]


def minimal_file() -> bytes:
    """Return the file meta information of a report with Explicit VR Little Endian, and no data set."""
    elements = b""
    for element, vr, value in (
        (0x0002, b"UI", REPORT.sop_class_uid.encode()),
        (0x0003, b"UI", REPORT.sop_instance_uid.encode()),
        (0x0010, b"UI", b"1.2.840.10008.1.2.1"),
    ):
        padded = value + b"\0" * (len(value) % 2)
        elements += b"\x02\0" + element.to_bytes(2, "little") + vr + len(padded).to_bytes(2, "little") + padded
    group = b"\x02\0\0\0UL\x04\0" + len(elements).to_bytes(4, "little")
    return bytes(128) + b"DICM" + group + elements


def test_a_node_that_cannot_be_opened_leaves_the_job_alone(settings: Settings, app: Celery) -> None:
    """Without a ledger nothing can be decided: the task ends quietly, and the job waits to be sent again."""
    app.tasks[JobKind.MEASURE.value](1)

    with open_node(settings, migrated=True) as node:
        job = entered(node)
        assert node.ledger.jobs.claim(job.id, worker="w", now=node.clock(), lease_s=5) is not None


def test_a_worker_knows_both_tasks_and_no_others(settings: Settings) -> None:
    """The application of a worker has the two tasks, by the names that outlive a deployment."""
    tasks = {name for name in worker_app(settings).tasks if not name.startswith("celery.")}

    assert tasks == {"spondyl.measure", "spondyl.deliver"}

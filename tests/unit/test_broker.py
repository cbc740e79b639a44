"""The queue's settings: what a message may be, who gets it when, and where the private broker lies."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kombu.connection import Connection
from kombu.utils.url import url_to_parts

from service.broker import broker_url, celery_app, transport_options
from service.config import Queue, Settings, Storage
from service.dispatch import dispatch_all
from service.embedded import SOCKET_PATH_BYTES, socket_path
from service.errors import Misconfigured, Unavailable
from service.ledger.rows import JobRow
from service.messages import JobKind
from service.states import JobState


def settings_with(broker: str = "embedded", root: Path = Path("/srv/spondyl"), **queue: float) -> Settings:
    """Return settings with this broker."""
    return Settings(storage=Storage(root=root), queue=Queue.model_validate({"broker": broker, **queue}))


def job(number: int) -> JobRow:
    """Return a waiting measure job."""
    return JobRow(
        id=number,
        kind=JobKind.MEASURE,
        study_id=1,
        revision=1,
        destination=None,
        report_id=None,
        state=JobState.WAITING,
        attempts=0,
        faults=0,
        not_before=0.0,
        enqueued_at=None,
        lease_until=None,
        worker=None,
        error=None,
        created_at=0.0,
    )


def test_messages_are_json_only() -> None:
    """Nothing but JSON is written or read: a pickle runs code."""
    conf = celery_app(settings_with()).conf

    assert (conf.accept_content, conf.task_serializer, conf.result_serializer) == (["json"], "json", "json")


def test_a_message_is_acknowledged_after_the_work() -> None:
    """A worker that dies gives its message back, and holds no other message meanwhile."""
    conf = celery_app(settings_with()).conf

    assert (conf.task_acks_late, conf.task_reject_on_worker_lost) == (True, True)
    assert conf.worker_prefetch_multiplier == 1


def test_a_worker_without_its_broker_ends() -> None:
    """It never tries to connect again, neither at its start nor later: its keeper starts a fresh one."""
    conf = celery_app(settings_with()).conf

    assert (conf.broker_connection_retry_on_startup, conf.broker_connection_retry) == (False, False)


def test_there_is_a_queue_for_each_kind_of_job() -> None:
    """Queues are named for the kinds of jobs, and no other queue is ever made."""
    conf = celery_app(settings_with()).conf

    assert [queue.name for queue in conf.task_queues] == ["spondyl.measure", "spondyl.deliver"]
    assert conf.task_create_missing_queues is False


def test_no_result_is_kept() -> None:
    """Results stand in the ledger."""
    conf = celery_app(settings_with()).conf

    assert (conf.task_ignore_result, conf.result_backend) == (True, None)


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.floats(10, 1e6))
def test_a_running_task_is_never_given_to_a_second_worker(limit_s: float) -> None:
    """Warning before the kill, kill before Redis gives the message to somebody else."""
    settings = settings_with("redis://h", time_limit_s=limit_s)
    conf = celery_app(settings).conf

    assert conf.task_soft_time_limit < conf.task_time_limit == limit_s
    assert conf.broker_transport_options["visibility_timeout"] >= 2 * limit_s


def test_a_lost_message_comes_back_within_seconds_of_its_time() -> None:
    """Redis is searched for unacknowledged messages every 5 s, not every 100 s."""
    options = transport_options("rediss://h", settings_with())

    assert options["unacked_restore_interval"] * options["unacked_restore_throttle"] == 5


def test_every_key_in_redis_carries_the_product_name() -> None:
    """A Redis may be shared: keys start with spondyl."""
    assert transport_options("redis://h", settings_with())["global_keyprefix"] == "spondyl:"


@pytest.mark.parametrize(
    ("url", "key"),
    [("amqp://h", "confirm_publish"), ("redis+socket:///s", "visibility_timeout"), ("sqs://", "max_retries")],
)
def test_a_transport_gets_the_options_it_knows(url: str, key: str) -> None:
    """Options of Redis go to Redis, publisher confirms to AMQP; all fail fast."""
    options = transport_options(url, settings_with())

    assert key in options
    assert options["max_retries"] == 1
    assert ("visibility_timeout" in options) == url.startswith("redis")


def test_a_broker_nobody_speaks_is_a_configuration_error() -> None:
    """The message names the key and the scheme, and repeats no password."""
    with pytest.raises(Misconfigured, match=r"queue\.broker: no Celery transport for carrier-pigeon://") as caught:
        celery_app(settings_with("carrier-pigeon://:hunter2@h"))

    assert "hunter2" not in str(caught.value)


def test_a_configured_broker_is_used_as_it_is() -> None:
    """The URL of the configuration is Celery's."""
    assert broker_url(settings_with("redis://:p@h:6379/3")) == "redis://:p@h:6379/3"


def test_the_private_socket_lies_beside_its_data() -> None:
    """A short path needs no other place."""
    assert socket_path(settings_with()) == Path("/srv/spondyl/broker/broker.sock")


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=200))
def test_the_private_socket_always_fits_the_kernel(name: str) -> None:
    """However long the folder's name, the socket's path fits; another folder means another socket."""
    one, other = (socket_path(settings_with(root=Path("/srv") / name / end)) for end in ("a", "b"))

    assert len(os.fsencode(one)) <= SOCKET_PATH_BYTES
    assert one != other


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20))
def test_celery_finds_the_private_socket_whatever_its_name(name: str) -> None:
    """Any character of a folder's name survives the way through the URL."""
    settings = settings_with(root=Path("/srv") / name)
    address = Connection(broker_url(settings)).hostname  # type: ignore[no-untyped-call]  # kombu has no types here

    assert Path("/" + url_to_parts(str(address)).path) == socket_path(settings)


def test_jobs_are_sent_until_the_broker_stops() -> None:
    """The first job that the broker does not take ends the round: the reconciler sends the others."""
    sent: list[int] = []

    def dispatch(row: JobRow) -> None:
        if row.id == 2:
            raise Unavailable
        sent.append(row.id)

    assert dispatch_all(dispatch, [job(1), job(2), job(3)]) == [1]
    assert sent == [1]

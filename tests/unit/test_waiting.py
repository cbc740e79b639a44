"""How many messages wait."""

import socket
from pathlib import Path

from service.broker import celery_app
from service.config import Queue, Settings, Storage
from service.messages import JobKind
from service.waiting import waiting_messages


def settings_with(broker: str, root: Path) -> Settings:
    """Return settings with this broker."""
    return Settings(storage=Storage(root=root), queue=Queue(broker=broker))


def test_messages_of_every_kind_are_counted(tmp_path: Path) -> None:
    """Two to measure and one to deliver are three more."""
    settings = settings_with("memory://", tmp_path)
    before = waiting_messages(settings)
    assert before is not None  # this broker is the whole test process's
    app = celery_app(settings)
    for number, kind in enumerate([JobKind.MEASURE, JobKind.DELIVER, JobKind.MEASURE]):
        app.send_task(kind.value, args=[number], queue=kind.value)

    assert waiting_messages(settings) == before + 3


def test_a_broker_that_is_not_there_is_no_empty_queue(tmp_path: Path) -> None:
    """Nobody answers at the private socket, or at a port: that is not the answer 0."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else's

        assert waiting_messages(settings_with(f"redis://127.0.0.1:{taken.getsockname()[1]}", tmp_path)) is None
        assert waiting_messages(settings_with(f"amqp://127.0.0.1:{taken.getsockname()[1]}", tmp_path)) is None
    assert waiting_messages(settings_with("embedded", tmp_path)) is None

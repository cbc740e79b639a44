"""The role `listen` as a whole: it receives, says how it is, and ends when it is told to or when its steward dies."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from ledgers import migrated
from servers import free_port, listens, wait_until
from structlog.testing import capture_logs

from service import listening
from service.config import Settings, Storage
from service.config_peers import Node
from service.listening import listen
from service.steward import Steward


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings over a migrated ledger."""
    settings = Settings(node=Node(port=free_port()), storage=Storage(root=tmp_path, min_free_gb=0))
    migrated(settings.storage.ledger_url)
    return settings


@contextmanager
def listening_to(settings: Settings, told: threading.Event) -> "Iterator[list[int]]":
    """Run the role until the block ends; its exit code is put into the list that is given."""
    code: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(listen, settings, told=told)
        try:
            yield code
        finally:
            told.set()
            code.append(running.result(30))


def counts(settings: Settings) -> list[str]:
    """Return the texts of the listeners' saved counts."""
    return [path.read_text(encoding="utf-8") for path in (settings.storage.root / "metrics").glob("*.prom")]


def test_it_listens_counts_and_ends_when_told(settings: Settings) -> None:
    """The port is open, the counts are saved for the page, the exit code is 0, and the port is free afterwards."""
    with listening_to(settings, threading.Event()) as code:
        wait_until(lambda: listens(settings.node.port), "the port is open")
        wait_until(lambda: bool(counts(settings)), "the counts are saved")

    assert code == [0]
    assert "spondyl_listener_timestamp_seconds" in counts(settings)[0]
    assert not listens(settings.node.port)


def test_a_missing_broker_is_said_once(settings: Settings) -> None:
    """Without `serve` nobody starts the embedded broker: what is received is kept, and the log says what is amiss."""
    with capture_logs() as said, listening_to(settings, threading.Event()):
        wait_until(lambda: any(line["action"] == "broker_missing" for line in said), "the broker is missed")

    [line] = [line for line in said if line["action"] == "broker_missing"]
    assert "spondyl serve" in line["why"]


def test_it_ends_when_its_steward_has_died(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Receiving without ever settling would look well and do nothing: the role fails, and is started again."""
    monkeypatch.setattr(Steward, "alive", False)
    monkeypatch.setattr(listening, "SAVE_EVERY_S", 0.05)
    told = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(listen, settings, told=told).result(30) == 1


def test_a_full_disk_does_not_end_it(settings: Settings) -> None:
    """Counts that cannot be saved cost the page some numbers, and reception nothing."""
    (settings.storage.root / "metrics").touch()
    with listening_to(settings, threading.Event()) as code:
        wait_until(lambda: listens(settings.node.port), "the port is open")

    assert code == [0]

"""Several processes on one port: one limit, one address, and no process that is missed for long."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from nodes import Running, serving, write_config
from raw_caller import RawCaller, associate_rq, calling_raw, ct_object, new_uid
from servers import listens, wait_until

from service.config import Settings
from service.ears import listen_together
from service.errors import Misconfigured

PROCESSES = 3


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Running]:
    """Run the role `listen` in three processes, four associations in all."""
    configured = write_config(tmp_path / "node", {})
    text = configured.config.read_text(encoding="utf-8")
    text = text.replace("[node]", f"[node]\nprocesses = {PROCESSES}\nmax_associations = 4")
    configured.config.write_text(text, encoding="utf-8")
    configured.migrate()
    with serving(configured, "listen") as running:
        # The page has a file of each, so no count is lost or taken twice.
        saved = running.folder / "state" / "metrics"
        wait_until(lambda: len(list(saved.glob("*.prom"))) == PROCESSES, "every process has saved its counts")
        yield running


def ears(node: Running) -> list[psutil.Process]:
    """Return the processes that receive."""
    return psutil.Process(node.processes[0].pid).children()


def store(port: int) -> int:
    """Send an object; return the status."""
    instance = new_uid()
    with calling_raw(port) as caller:
        return caller.store(instance, ct_object(instance))


def result_of_asking(port: int) -> int:
    """Ask for an association and hang up; return the type of PDU that is answered."""
    caller = RawCaller(port)
    try:
        caller.say(associate_rq())
        return caller.read()[0]
    finally:
        caller.close()


def test_all_receive_and_share_one_limit(node: Running) -> None:
    """A fifth association is rejected, whichever process it comes to; all four that are open are served."""
    with ExitStack() as stack:
        callers = [stack.enter_context(calling_raw(node.port)) for _ in range(4)]
        assert {result_of_asking(node.port) for _ in range(6)} == {3}
        for caller in callers:
            instance = new_uid()
            assert caller.store(instance, ct_object(instance)) == 0x0000
        holders = {c.pid for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == node.port and c.raddr}
        assert len(holders & {ear.pid for ear in ears(node)}) >= 2
    wait_until(lambda: result_of_asking(node.port) == 2, "a slot is free again", seconds=10)


def test_a_process_that_is_killed_is_started_again(node: Running) -> None:
    """No connection fails for it, its slots are free, and there are as many as before."""
    for ear in ears(node)[:2]:
        os.kill(ear.pid, signal.SIGKILL)
        assert store(node.port) == 0x0000
    wait_until(lambda: len([e for e in ears(node) if e.status() != psutil.STATUS_ZOMBIE]) == PROCESSES, "all run again")
    assert [store(node.port) for _ in range(5)] == [0] * 5


def test_all_stop_when_told_and_none_outlives_a_kill(node: Running) -> None:
    """Killed with SIGKILL, the first process takes the others with it, and the port is free."""
    children = ears(node)
    node.processes[0].kill()
    wait_until(lambda: not any(child.is_running() for child in children), "every process has ended")
    assert not listens(node.port)


def test_it_ends_when_told(tmp_path: Path) -> None:
    """SIGTERM: exit code 0, nobody left."""
    configured = write_config(tmp_path / "node", {})
    text = configured.config.read_text(encoding="utf-8").replace("[node]", "[node]\nprocesses = 2")
    configured.config.write_text(text, encoding="utf-8")
    configured.migrate()
    with serving(configured, "listen") as running:
        wait_until(lambda: len(ears(running)) == 2, "both run")
        assert store(running.port) == 0
        running.processes[0].terminate()
        assert running.processes[0].wait(15) == 0
    assert not listens(running.port)


def test_a_port_in_use_is_a_configuration_error(tmp_path: Path) -> None:
    """The setting is named, before any process is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings.model_validate(
            {"node": {"port": taken.getsockname()[1], "processes": 2}, "storage": {"root": tmp_path}}
        )
        with pytest.raises(Misconfigured, match=r"^node\.bind, node\.port: "):
            listen_together(settings, lambda *_: 0, None)  # type: ignore[arg-type]  # never asked

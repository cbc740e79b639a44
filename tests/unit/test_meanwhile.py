import os
import signal
import socket
import time

import pytest

from workers import meanwhile as module
from workers.meanwhile import meanwhile, shared


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two cores on any machine."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})


def test_a_copy_of_the_process_does_the_work_and_is_gone_afterwards() -> None:
    """The result is made in another process; after the block there is none."""
    with meanwhile(os.getpid) as result:
        pid = result()
    assert pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_block_that_fails_leaves_no_process() -> None:
    """A copy that nobody waits for any more is ended at once."""
    with pytest.raises(KeyError), meanwhile(signal.pause):
        raise KeyError
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_on_one_core_there_is_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only one core may be used, the work is done here."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    with meanwhile(os.getpid) as result:
        assert os.getpid() == result()


def test_a_system_that_tells_of_no_cores_has_those_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every system has sched_getaffinity(2); with one core, or none that is known, the work is done here."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    with meanwhile(os.getpid) as result:
        assert os.getpid() == result()


def test_a_copy_holds_nothing_that_was_open() -> None:
    """A connection that is closed here is closed, also while the copy still works."""
    here, there = socket.socketpair()
    with there, meanwhile(signal.pause):
        here.close()
        there.settimeout(10)
        assert b"" == there.recv(1)


def test_an_error_of_the_work_is_raised_here() -> None:
    """What the work raises in the copy is raised by whoever asks for its result."""
    with meanwhile(lambda: 1 // 0) as result, pytest.raises(ZeroDivisionError):
        result()


def test_a_copy_that_is_killed_is_stood_in_for() -> None:
    """Where the copy dies (no memory is left) the work is done here: every result is there, in order."""
    here = os.getpid()

    def work(number: int) -> int:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number

    assert [0, 1, 4, 9, 16] == shared(work, range(5))


def test_a_copy_that_hangs_is_stood_in_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the copy does not answer in time the work is done here."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    here = os.getpid()

    def work() -> str:
        if os.getpid() != here:
            time.sleep(60)
        return "done"

    with meanwhile(work) as result:
        assert result() == "done"


def test_the_work_is_shared() -> None:
    """Every second item is done by the copy, the others here, and the results stand in the order of the items."""
    done = shared(lambda item: (item, os.getpid()), "abcde")
    assert list("abcde") == [item for item, _ in done]
    assert [True, False, True, False, True] == [pid == os.getpid() for _, pid in done]

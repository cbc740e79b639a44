"""A second core for one study: a copy of this process makes one part of the work while this one makes the other.

Somebody waits for the report of the last study, and then the other cores have nothing to do. Python's threads do not
help: what is computed is thousands of small steps, and one thread takes them at a time. A copy (fork(2)) has all that
was read already; its answer comes back through a pipe. Where it cannot be made, fails, or takes too long, this process
does its part as well, so the result is the same on every machine, and an error is raised where it belongs.
"""

import contextlib
import gc
import os
import pickle
import select
import signal
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from service.leash import die_with_parent

Result = TypeVar("Result")
Item = TypeVar("Item")

#: A copy that has not answered after so long hangs, seconds: its part is then made here. Less than any job's time.
PATIENCE_S: Final = 60.0
#: Fewer items are not worth a copy.
_LEAST: Final = 4
_READ: Final = 1 << 20
#: What a process opens comes after its standard streams.
_OPENED: Final = 3
#: Comes before an answer: whether all of it is there.
_LENGTH: Final = struct.Struct("=Q")


@contextlib.contextmanager
def meanwhile(work: Callable[[], Result]) -> Iterator[Callable[[], Result]]:
    """Have a copy of this process do `work` during the block; what is given returns its result, and waits for it.

    `work` must neither log nor write into ledger or network nor need what is open, and its result must be one that
    pickle takes. The copy is gone when the block ends.
    """
    copy = _copy(work) if _cores() > 1 else None
    if copy is None:
        yield work
        return
    pid, pipe = copy
    try:
        yield lambda: _result(pipe, work)
    finally:
        os.close(pipe)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def shared(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the result of `work` for each item, every second one made by a copy; see `meanwhile`."""
    every = list(items)
    if len(every) < _LEAST:
        return [work(item) for item in every]

    def all_of(some: Sequence[Item]) -> list[Result]:
        return [work(item) for item in some]

    with meanwhile(lambda: all_of(every[1::2])) as others:
        mine = all_of(every[::2])
        theirs = others()
    return [(theirs if number % 2 else mine)[number // 2] for number in range(len(every))]


def _cores() -> int:
    """Return how many cores this process may use."""
    # Only some systems say which those are.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _let_go(*, keep: int) -> None:
    """Close everything but one pipe and what is said to the terminal, in a copy.

    Its parent's sockets and locks on files lie open in it, too: as long as they do, a peer sees no end of a connection
    that the parent has closed, and a lock outlives who held it.
    """
    os.closerange(_OPENED, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))


def _copy(work: Callable[[], object]) -> tuple[int, int] | None:
    """Return a copy at work, and the pipe that it answers through; None where the system allows no more processes."""
    reading, writing = os.pipe()
    parent = os.getpid()
    try:
        with warnings.catch_warnings():
            # A lock that another thread holds stays locked in the copy; `work` needs none.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return None
    if pid:
        os.close(writing)
        return pid, reading
    # No other way out of the copy: what is registered for the end of a process is its parent's, and a traceback may
    # quote a patient's values.
    code = 1
    try:
        _let_go(keep=writing)
        die_with_parent()
        # It is gone before there is much to collect, and a look through what the parent has would copy all of it.
        gc.disable()
        if os.getppid() == parent:
            said = pickle.dumps(work(), protocol=pickle.HIGHEST_PROTOCOL)
            with os.fdopen(writing, "wb") as answer:
                answer.write(_LENGTH.pack(len(said)) + said)
            code = 0
    finally:
        os._exit(code)


def _result(pipe: int, work: Callable[[], Result]) -> Result:
    answer = bytearray()
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    while waiting.poll(PATIENCE_S * 1000):
        piece = os.read(pipe, _READ)
        if not piece:
            break
        answer += piece
    length, said = answer[: _LENGTH.size], answer[_LENGTH.size :]
    if len(length) < _LENGTH.size or _LENGTH.unpack(length) != (len(said),):
        return work()
    result: Result = pickle.loads(said)  # noqa: S301 - a copy of this process wrote it
    return result

"""Run a program within limits of time and memory, and leave nothing of it behind. Linux.

Run as a script between a worker and a finder: `limiter.py PARENT TIME_S MEMORY_BYTES SPACE_BYTES COMMAND...`, from its
own folder (`-I -S`), so it needs the standard library only and starts in milliseconds. One line of JSON on stdout says
how the program ended; what the program itself prints goes to stderr.

The kernel gives this process whatever descendants lose their parent (prctl(2), PR_SET_CHILD_SUBREAPER), so a program
that put itself into a session of its own is found too. Memory is the sum of what all of them hold (proc(5), Pss: a
shared page counts once), not address space: torch and CUDA reserve many times of what they use, so RLIMIT_AS would
kill a sound model. It is looked at every POLL_S, so a program may hold more for that long.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: How often memory is looked at, seconds.
POLL_S = 0.1
#: How long killed programs are waited for: one that hangs in the kernel ends when it can.
_ROUNDS, _ROUND_S = 500, 0.01
_PAGE_BYTES = resource.getpagesize()
_AWAITED = {signal.SIGCHLD, signal.SIGTERM}
#: Default again in the program, whatever a worker has done to them.
_DEFAULT = {signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1}


def main(arguments: Sequence[str]) -> None:
    """Run the command; PARENT is who started this process, and its death ends everything."""
    parent, time_s, memory_bytes, space_bytes, *command = arguments
    _prepare(int(space_bytes))
    if os.getppid() != int(parent):
        return
    program = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)],
        setsigmask=[],
        setsigdef=_DEFAULT,
    )
    try:
        ended, code = _watched(program, time.monotonic() + float(time_s), int(memory_bytes))
    finally:
        _end_all()
    if ended != "told":
        sys.stdout.write(json.dumps({"ended": ended, "code": code}) + "\n")


def _prepare(space_bytes: int) -> None:
    """Adopt orphans, hear of the parent's death, write no core files: they would hold images; take the site's limit."""
    libc = ctypes.CDLL(None)
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # In the place of the worker's own (`workers.memory`), of address space.
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (space_bytes, most))


def _watched(program: int, end: float, memory_bytes: int) -> tuple[str, int]:
    """Wait for the program, a limit, or the parent's death; return which, and the exit code or signal."""
    while True:
        status = _reaped(program)
        if status is not None:
            code = os.waitstatus_to_exitcode(status)
            return ("signal", -code) if code < 0 else ("exit", code)
        left_s = end - time.monotonic()
        if left_s <= 0:
            return "time", 0
        if holds_more(descendants(os.getpid()), memory_bytes):
            return "memory", 0
        told = signal.sigtimedwait(_AWAITED, min(POLL_S, left_s))
        if told is not None and told.si_signo == signal.SIGTERM:
            return "told", 0


def _reaped(program: int) -> int | None:
    """Take in every process that has ended; return the status of the program where it is one of them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                break
            if process == program:
                found = status
    return found


def _end_all() -> None:
    """Kill every descendant, and those that they start meanwhile."""
    for _ in range(_ROUNDS):
        left = descendants(os.getpid())
        if not left:
            return
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        _reaped(0)
        signal.sigtimedwait({signal.SIGCHLD}, _ROUND_S)


def descendants(root: int) -> list[int]:
    """Return the processes below `root`, in no order."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            # "pid (name) state ppid ...": the name may hold spaces and brackets.
            with contextlib.suppress(OSError):
                stat = (folder / "stat").read_text(errors="replace")
                children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(folder.name))
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def holds_more(processes: Sequence[int], memory_bytes: int) -> bool:
    """Whether the processes together hold more; the exact sum costs time and is only asked for where it may matter."""
    if sum(map(_resident_bytes, processes)) <= memory_bytes:
        return False
    return sum(map(_proportional_bytes, processes)) > memory_bytes


def _resident_bytes(process: int) -> int:
    """Return what a process holds, shared pages included; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _proportional_bytes(process: int) -> int:
    """Return what a process holds, of a shared page its share; with the shared pages where the kernel does not tell."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return _resident_bytes(process)
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main(sys.argv[1:])

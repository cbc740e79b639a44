"""Start a program that dies with the process that started it, however that one dies.

Linux kills a process whose parent *thread* ended when it asked for it (prctl(2), PR_SET_PDEATHSIG); the wish survives
execve(2). It is asked for between fork and exec by this file, run as a script, since code in a forked copy of a
threaded process may deadlock. Elsewhere than on Linux the program starts without a leash.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def leashed(command: Sequence[str]) -> list[str]:
    """Return the command that runs `command` on a leash held by the calling thread, which must outlive it."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def die_with_parent() -> None:
    """Have this process killed as soon as its parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main(arguments: Sequence[str]) -> None:
    """Become the program `arguments[1:]`, unless the parent `arguments[0]` is gone already."""
    parent, *command = arguments
    die_with_parent()
    if os.getppid() != int(parent):
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the whole point: no shell, same process


if __name__ == "__main__":
    main(sys.argv[1:])

"""Exit codes: one table from the families of errors, and the one place that turns an error into words and a code."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from types import MappingProxyType

import typer

from service.errors import Misconfigured, PeerRefused, SpondylError, Unavailable
from service.states import NotAllowed


class ExitCode(IntEnum):
    """What a script may rely on."""

    OK = 0
    #: It was tried and did not work.
    FAILED = 1
    #: The command line could not be understood.
    USAGE = 2
    #: The configuration, or what was set up by it, cannot be used.
    CONFIGURATION = 3
    #: A peer or a server of this node does not answer, or refuses.
    PEER = 4
    #: Some of it worked.
    PARTLY = 5


#: The most special family comes first: the first that fits decides.
EXIT_CODES: Mapping[type[Exception], ExitCode] = MappingProxyType(
    {
        Misconfigured: ExitCode.CONFIGURATION,
        Unavailable: ExitCode.PEER,
        PeerRefused: ExitCode.PEER,
        SpondylError: ExitCode.FAILED,
        NotAllowed: ExitCode.FAILED,
    }
)


def exit_code(error: Exception) -> ExitCode:
    """Return the exit code of `error`, which is of one of the families in EXIT_CODES."""
    return next(code for family, code in EXIT_CODES.items() if isinstance(error, family))


def outcome(*, succeeded: int, failed: int, failure: ExitCode = ExitCode.FAILED) -> ExitCode:
    """Return the exit code of work on several things: all well, all failed (`failure`), or partly failed."""
    if not failed:
        return ExitCode.OK
    return ExitCode.PARTLY if succeeded else failure


@contextmanager
def told() -> Iterator[None]:
    """Turn an expected error into two lines on stderr and its exit code; a bug keeps its traceback."""
    try:
        yield
    except tuple(EXIT_CODES) as error:
        sys.stderr.write(f"error: {error}\n")
        who = error.who_now if isinstance(error, SpondylError) else "the caller"
        sys.stderr.write(f"who must act: {who}\n")
        raise typer.Exit(exit_code(error)) from None

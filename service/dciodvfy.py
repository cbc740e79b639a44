"""dciodvfy (dicom3tools), run on one file: the errors it names, or why it cannot be relied on.

It is a program of its own that may be missing a library, crash or hang: then it has said nothing about the file.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROGRAM: Final = "dciodvfy"
#: It takes 0.3 s for a report on 17 vertebrae, so one that takes so long hangs.
TIME_LIMIT_S: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a run: errors, or the reason why nothing was looked at; neither where the file is in order."""

    #: Its lines that begin with "Error"; they may quote the file.
    errors: tuple[str, ...] = ()
    #: All that it said; it may quote the file.
    said: str = ""
    #: Why the file was not looked at; without values.
    failure: str = ""
    #: Whether it was stopped because it took too long.
    hung: bool = False


def look(program: str, file: Path, *, limit_s: float = TIME_LIMIT_S) -> Answer:
    """Return what `program` says of a file. It ends with another code than 0 where, and only where, it named errors."""
    try:
        run = subprocess.run(  # noqa: S603 the program that stands on PATH, and a file of ours
            [program, str(file)], capture_output=True, stdin=subprocess.DEVNULL, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Answer(failure=f"it did not end within {limit_s:g} s", hung=True)
    except OSError as error:
        return Answer(failure=f"it cannot be run: {error.strerror}")
    said = run.stderr.decode("utf-8", "replace")
    errors = tuple(line for line in said.splitlines() if line.startswith("Error"))
    if run.returncode and not errors:
        how = f"with code {run.returncode}" if run.returncode > 0 else f"by signal {-run.returncode}"
        return Answer(said=said, failure=f"it ended {how} and named no error")
    return Answer(errors=errors, said=said)

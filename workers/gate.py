"""The gate before sending: what is no valid object is kept with what is wrong, and never leaves.

Two look: our own structural check, and dciodvfy (dicom3tools) where it is installed. What an administrator, the log and
the ledger are told quotes no value of an object; what dciodvfy says in full lies in the spool beside the object.
"""

import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import pydicom
from pydicom.dataset import Dataset

from sr_templates.check import problems
from sr_templates.document import to_bytes
from sr_templates.headers import bare
from workers.reporting import ReportFile

PROGRAM: Final = "dciodvfy"
#: It takes 0.3 s for a report on 17 vertebrae; one that hangs is a fault of the try.
TIME_LIMIT_S: Final = 60.0
#: What dciodvfy quotes of an object, in its various ways.
_QUOTED: Final = re.compile(r"(= |value )<[^>]*>|\"[^\"]*\"")
#: Says only that there were other lines.
_SUMS_UP: Final = "Error - Dicom dataset contains invalid data values"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is wrong with an object."""

    #: One line, without values.
    finding: str
    #: All that was said; it may quote the object.
    said: str


def examine(file: ReportFile, *, known: Collection[str], dciodvfy: bool) -> Found | None:
    """Return what is wrong with an object, None where nothing is.

    `known` are the SOP Instance UIDs that it may refer to. Raises subprocess.TimeoutExpired where dciodvfy hangs.
    """
    with warnings.catch_warnings():
        # pydicom's warnings quote values, which may be a patient's.
        warnings.simplefilter("ignore")
        made = pydicom.dcmread(BytesIO(file.data))
        wrong = problems(made, known=known)
    if wrong:
        return Found(finding=_counted("structure", wrong), said="\n".join(wrong))
    program = shutil.which(PROGRAM) if dciodvfy else None
    return None if program is None else _verified(program, bare(made))


def _verified(program: str, made: Dataset) -> Found | None:
    """Return the errors of dciodvfy."""
    with tempfile.NamedTemporaryFile(suffix=".dcm") as written:
        written.write(to_bytes(made))
        written.flush()
        run = subprocess.run(  # noqa: S603 the program that stands on PATH, and a file of ours
            [program, written.name], capture_output=True, timeout=TIME_LIMIT_S, check=False
        )
    said = run.stderr.decode("utf-8", "replace")
    errors = [line for line in said.splitlines() if line.startswith("Error") and not line.startswith(_SUMS_UP)]
    return Found(finding=_counted(PROGRAM, errors), said=said) if errors else None


def _counted(who: str, wrong: Sequence[str]) -> str:
    """Return in one line who found how much, and the first of it without values."""
    first = _QUOTED.sub(r"\1...", wrong[0].removeprefix("Error - "))
    return f"{who}: {len(wrong)} error{'s' if len(wrong) > 1 else ''}; the first: {first}"

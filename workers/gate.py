"""The gate before sending: what is no valid object is kept with what is wrong, and never leaves.

Two look: our own structural check, and dciodvfy (dicom3tools) where it is installed. What an administrator, the log and
the ledger are told quotes no value of an object; what dciodvfy says in full lies in the spool beside the object.
"""

import re
import shutil
import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import pydicom
from pydicom.dataset import Dataset

from service.dciodvfy import PROGRAM, look
from service.spool import Spool
from sr_templates import source_uids
from sr_templates.check import problems
from sr_templates.document import to_bytes
from sr_templates.headers import bare
from workers.meanwhile import shared
from workers.reporting import ReportFile

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


class Gate:
    """Looks at the objects of one study, at each once; what dciodvfy is to read lies in the spool meanwhile."""

    def __init__(self, spool: Spool, *, dciodvfy: bool) -> None:
        self._spool = spool
        self._program = shutil.which(PROGRAM) if dciodvfy else None
        self._found: dict[str, Found | None] = {}
        #: Why dciodvfy did not look where it should have, each reason once: our own check alone has decided then.
        self.unchecked: tuple[str, ...] = ()

    def examine(self, file: ReportFile, *, known: Collection[str]) -> Found | None:
        """Return what is wrong with an object, None where nothing is; `known` are the SOP instances it may refer to.

        Raises OutOfSpace where the spool has no room for a copy.
        """
        if file.sop_instance_uid not in self._found:
            self._found[file.sop_instance_uid] = self._look(file, known)
        return self._found[file.sop_instance_uid]

    def examine_all(self, files: Iterable[ReportFile], *, known: Collection[str]) -> None:
        """Look at several objects, on two cores where there are; `examine` then knows. Raises OutOfSpace."""
        fresh = [file for file in files if file.sop_instance_uid not in self._found]

        def look_at(file: ReportFile) -> tuple[Found | None, tuple[str, ...], str | None]:
            return self._look(file, known), self.unchecked, self._program

        for file, (found, unchecked, program) in zip(fresh, shared(look_at, fresh), strict=True):
            self._found[file.sop_instance_uid] = found
            self.unchecked = tuple(dict.fromkeys([*self.unchecked, *unchecked]))
            self._program = self._program and program

    def _look(self, file: ReportFile, known: Collection[str]) -> Found | None:
        with warnings.catch_warnings():
            # pydicom's warnings quote values, which may be a patient's.
            warnings.simplefilter("ignore")
            made = pydicom.dcmread(BytesIO(file.data))
            wrong = problems(made, known=known)
        if wrong:
            return Found(finding=_counted("structure", wrong), said="\n".join(wrong))
        return None if self._program is None else self._verified(self._program, bare(made))

    def _verified(self, program: str, made: Dataset) -> Found | None:
        """Return the errors of dciodvfy; where it could not look, note why. One that hangs is not asked again."""
        source_uids.mend(made)
        with self._spool.aside(to_bytes(made)) as copy:
            answer = look(program, copy)
        if answer.failure:
            self.unchecked = tuple(dict.fromkeys([*self.unchecked, f"{PROGRAM}: {answer.failure}"]))
        if answer.hung:
            self._program = None
        errors = [line for line in answer.errors if not line.startswith(_SUMS_UP)] or list(answer.errors)
        return Found(finding=_counted(PROGRAM, errors), said=answer.said) if errors else None


def _counted(who: str, wrong: Sequence[str]) -> str:
    """Return in one line who found how much, and the first of it without values."""
    first = _QUOTED.sub(r"\1...", wrong[0].removeprefix("Error - "))
    return f"{who}: {len(wrong)} error{'s' if len(wrong) > 1 else ''}; the first: {first}"

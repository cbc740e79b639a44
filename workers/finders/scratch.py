"""A folder for one run of a finder: for this user alone, and gone afterwards, also after a killed worker.

A finder's working files are patient data. A worker that is killed cannot remove its folder, so each run removes the
folders that nobody holds any more.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from service.errors import Misconfigured, OutOfSpace
from service.private import make_folder

_PREFIX: Final = "spondyl-finder-"
#: A folder this young may be one whose owner has not come to hold it, seconds.
_YOUNG_S: Final = 60.0


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """Give an empty folder, beside the spool where there is one: it may take as much room as the study.

    Raises OutOfSpace, or Misconfigured where none can be made.
    """
    try:
        shelf = Path(tempfile.gettempdir())
        if root.is_dir():
            make_folder(shelf := root / "finders")
        _sweep(shelf)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=shelf)).resolve()
        held = os.open(folder, os.O_RDONLY)
    except OSError as error:
        family = OutOfSpace if error.errno in {errno.ENOSPC, errno.EDQUOT} else Misconfigured
        raise family(f"no folder for the finder: {error.strerror}: {error.filename}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _sweep(shelf: Path) -> None:
    """Remove what killed workers left: a lock ends with its process."""
    for folder in shelf.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _YOUNG_S:
                _remove_unless_held(folder)


def _remove_unless_held(folder: Path) -> None:
    """Remove a folder; raises BlockingIOError where somebody holds it."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)

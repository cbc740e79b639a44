"""Files for this user alone: what a node keeps are studies of patients, and what those are called.

A folder is made with its mode (`Path.mkdir` gives its own to the last folder only, those above follow the umask), and
a role runs with a umask under which whatever a library or a server writes is private too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_UMASK: Final = 0o077


@contextmanager
def only_for_us() -> Iterator[None]:
    """Let this process, and those it starts meanwhile, make files for this user alone."""
    before = os.umask(_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, with mode 0700; one that is there stays as it is.

    Raises OSError.
    """
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file with mode 0600; one that is there stays as it is. Raises OSError."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

"""An object while it is received: a file aside, to which fragments are written as they come.

It is locked as long as it is open, so that another process that starts leaves it alone, and gone when it is closed,
unless it was given a name.
"""

import contextlib
import fcntl
import hashlib
import mmap
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from service.durable import begin_writing, is_still, opened, publish, write_all
from service.errors import OutOfSpace

#: So many bytes after the last time, room is asked for again.
_STEP: Final = 2 * 1024 * 1024
#: So many bytes are sent on their way to the disk together: a request each costs more than waiting for the next.
_WORTH_IT: Final = 1024 * 1024
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
#: So much of a data set is read to find out whose it is, bytes; more where that does not suffice.
HEAD: Final = 32 * 1024


class Part:
    """An open file in `folder`; `free_bytes` of the spool are asked for as it grows."""

    def __init__(self, folder: Path, free_bytes: Callable[[], int]) -> None:
        self._free_bytes = free_bytes
        while (begun := _begin(folder)) is None:
            pass
        self.descriptor, self.path = begun
        #: Bytes in front of the data set: preamble and File Meta Information.
        self._header = 0
        self._size = 0
        self._stepped = 0
        #: So much of the file is on its way to the disk.
        self._sent = 0
        self._digest = hashlib.sha256()
        self._asked = False
        #: The first bytes of the data set, as far as the first fragment has them.
        self._head = b""
        self._is_named = False

    @property
    def size(self) -> int:
        """Bytes of the data set so far."""
        return self._size

    @property
    def digest(self) -> str:
        """The digest of the data set so far, 32 hex digits."""
        return self._digest.hexdigest()[:32]

    def begin(self, header: bytes) -> None:
        """Write what stands in front of the data set; once, and first."""
        write_all(self.descriptor, header)
        self._header = len(header)

    def write(self, fragment: bytes | memoryview) -> None:
        """Write more of the data set. Raises OutOfSpace, OSError."""
        if not self._asked or self._size - self._stepped >= _STEP:
            self._step(len(fragment))
        write_all(self.descriptor, fragment)
        if not self._size:
            self._head = bytes(fragment[:HEAD])
        self._size += len(fragment)
        written = self._header + self._size
        if written - self._sent >= _WORTH_IT:
            # The disk works while the digest is made, and while the next fragment is on its way. Whole pages: one that
            # is written to again while the disk has it would be waited for twice.
            end = written - written % _PAGE
            begin_writing(self.descriptor, self._sent, end)
            self._sent = end
        self._digest.update(fragment)

    def head(self) -> bytes:
        """Return the first bytes of the data set, HEAD at most."""
        if len(self._head) == min(self._size, HEAD):
            return self._head
        return os.pread(self.descriptor, HEAD, self._header)

    @contextlib.contextmanager
    def whole(self) -> Iterator[memoryview]:
        """Return the data set, of which nothing is in memory that is not looked at."""
        with (
            mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as content,
            content[self._header :] as data,
        ):
            yield data

    def publish(self, path: Path) -> None:
        """Give the file its name; durable when this returns. Raises OSError."""
        publish(self.descriptor, self.path, path)
        self._is_named = True

    def close(self) -> None:
        """Close the file; it is gone, unless it was given a name."""
        os.close(self.descriptor)
        if not self._is_named:
            self.path.unlink(missing_ok=True)

    def _step(self, size: int) -> None:
        free = self._free_bytes()
        if free < size:
            raise OutOfSpace(f"{free} bytes are free beyond the reserve, {size} are needed")
        self._asked = True
        self._stepped = self._size


def drop_unless_held(left_over: Path) -> None:
    """Remove a part, or a folder on its way out, that no living process works on."""
    if left_over.is_dir():
        shutil.rmtree(left_over, ignore_errors=True)
        return
    with contextlib.suppress(FileNotFoundError, BlockingIOError), opened(left_over) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left_over.unlink()


def _begin(folder: Path) -> tuple[int, Path] | None:
    """Return a new empty file and its lock, or None where `prepare` took it away before it was locked."""
    path = folder / f"{secrets.token_hex(16)}.part"
    descriptor, begun = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        begun = is_still(path, descriptor)
    finally:
        if not begun:
            os.close(descriptor)
            path.unlink(missing_ok=True)
    return (descriptor, path) if begun else None

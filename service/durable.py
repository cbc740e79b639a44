"""Files that are durable under their name, for as few commits of the file system's journal as are needed.

POSIX wants two: fsync of the file, rename, fsync of the folder. On ext4 and XFS a rename changes the file's own inode,
so that one fsync of the file after the rename makes the name durable, too (docs/decisions/0022-one-commit.md). The
bytes are on their way to the disk before the name is given, so that even there no name ever stands for less than all
of them.
"""

import contextlib
import ctypes
import errno
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: File systems whose fsync of a file that was renamed makes the new name durable.
_NAMED_BY_FSYNC: Final = frozenset({"ext4", "xfs"})
#: linux/fs.h, sync_file_range(2): WAIT_BEFORE, WRITE, WAIT_AFTER.
_WRITE: Final = 2
_WRITE_AND_WAIT: Final = 1 | 2 | 4


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a file or folder for reading."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    with opened(folder) as descriptor:
        os.fsync(descriptor)


def touch(path: Path, at_ns: int) -> None:
    """Date a file; it and its name are durable when this returns, even where its writer was killed."""
    with opened(path) as descriptor:
        os.utime(descriptor, ns=(at_ns, at_ns))
        os.fsync(descriptor)
    sync_folder(path.parent)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write all of it."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def begin_writing(descriptor: int, start: int, end: int) -> None:
    """Have the system begin to write these bytes of a file to the disk; does not wait, promises nothing."""
    with contextlib.suppress(OSError):
        _sync_file_range(descriptor, _WRITE, start, end - start)


def write_out(descriptor: int) -> bool:
    """Have what was written so far put on the disk and wait for it; False where the system has no such call."""
    return _sync_file_range(descriptor, _WRITE_AND_WAIT)


def publish(descriptor: int, aside: Path, path: Path) -> None:
    """Give an open file its name; file and name are durable when this returns. Raises OSError, and then it has none.

    Both names must be on one file system.
    """
    in_one = one_commit(descriptor) and write_out(descriptor)
    if not in_one:
        os.fsync(descriptor)
    aside.rename(path)
    try:
        if in_one:
            os.fsync(descriptor)
        else:
            sync_folder(path.parent)
    except OSError:
        # Another sender of the same object may have given its own file the name meanwhile, and been told so.
        if is_still(path, descriptor):
            path.unlink(missing_ok=True)
        raise


def is_still(path: Path, descriptor: int) -> bool:
    """Whether an open file or folder still has this name."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def one_commit(descriptor: int) -> bool:
    """Whether an open file, or those in an open folder, need one commit only."""
    return file_system(os.fstat(descriptor).st_dev) in _NAMED_BY_FSYNC


@functools.lru_cache(maxsize=64)
def file_system(device: int) -> str:
    """Return the type of a mounted file system, "" where the system does not say (proc(5), mountinfo)."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError), Path("/proc/self/mountinfo").open(encoding="utf-8") as mounts:
        for line in mounts:
            mount, _, described = line.partition(" - ")
            if mount.split()[2] == number:
                return described.split()[0]
    return ""


def _sync_file_range(descriptor: int, flags: int, start: int = 0, size: int = 0) -> bool:
    """Call sync_file_range(2), for a whole file by default; False where the system has none. Raises OSError."""
    call = _system_call()
    if call is None:
        return False
    if call(descriptor, start, size, flags) == 0:
        return True
    code = ctypes.get_errno()
    if code == errno.ENOSYS:
        return False
    raise OSError(code, os.strerror(code))


@functools.cache
def _system_call() -> "ctypes._NamedFuncPointer | None":
    call = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call

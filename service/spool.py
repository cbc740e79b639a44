"""The spool: the truth for bytes. One folder a study; no name in it is made of text that a peer supplied.

    <root>/spool/<key[:2]>/<key>/<SOP digest>-<content digest>.dcm        an object as it was received
    <root>/spool/<key[:2]>/<key>/<SOP digest>-<content digest>.own.dcm    a report of ours that was routed back
    <root>/spool/<key[:2]>/<key>/reports/<name>                           a report that was made
    <root>/spool/<key[:2]>/<key>/landmarks/<content digest>.json          a landmarks document that was handed in
    <root>/spool/dated                                                    empty: dated as late as anything in the spool
    <root>/incoming/<random>.part                                         being written, or a copy for a program

A file appears under its name only when all of it is on the disk: written aside, on the disk, named (see `durable`).
A file is dated by its last arrival, so of two versions of one SOP instance the one sent last counts (see `dating`).
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.dating import Dating
from service.durable import is_still, opened, sync_folder, touch, write_all
from service.errors import Misconfigured, OutOfSpace
from service.logs import log
from service.part import Part, drop_unless_held
from service.private import make_folder
from service.study_size import StudySizes

_SHELF: Final = re.compile(r"[0-9a-f]{2}")
_KEY: Final = re.compile(r"[0-9a-f]{32}")
_OBJECT: Final = re.compile(r"([0-9a-f]{32})-[0-9a-f]{32}\.dcm")
_REPORT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DOCUMENT: Final = re.compile(r"([0-9a-f]{32})\.json")
#: No room on the disk, in a quota or limit of ours; or an error turned the file system read-only. It may pass.
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
#: So many folders are remembered; more are written to at once nowhere.
_REMEMBERED: Final = 1024


def _digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def digests(sop_instance_uids: Collection[str]) -> dict[str, str]:
    """Return SOP instances by what the names of their files begin with."""
    return {_digest(uid.encode()): uid for uid in sop_instance_uids}


def study_key(study_instance_uid: str) -> str:
    """Return the name of a study's folder, the only identifier of it that may appear in a log: 32 hex digits."""
    return _digest(study_instance_uid.encode())


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Where an object lies."""

    key: str
    path: Path
    #: False where the same bytes were there already.
    new: bool


class Spool:
    """The folder of one node; safe in several threads and processes at once."""

    def __init__(
        self,
        root: Path,
        *,
        min_free_bytes: int = 0,
        sizes: StudySizes | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._objects = root / "spool"
        self._incoming = root / "incoming"
        self._min_free_bytes = min_free_bytes
        self._sizes = sizes
        self._dating = Dating(self._objects / "dated", clock_ns)
        self._making = threading.Lock()
        #: Folders of which this process knows that their names are on the disk.
        self._made: set[Path] = set()

    def prepare(self) -> None:
        """Make the folders, for this user alone, and drop what a killed process left.

        Raises OutOfSpace where there is no room for that, which may change; Misconfigured where it cannot be done.
        """
        try:
            for folder in (self._objects, self._incoming):
                make_folder(folder)
                sync_folder(folder.parent)
            for left_over in self._incoming.iterdir():
                drop_unless_held(left_over)
            with self.receiving():
                pass
        except OSError as error:
            family = OutOfSpace if error.errno in _NO_ROOM else Misconfigured
            raise family(f"storage.root: {error.strerror}: {error.filename or self._objects}") from error

    def store(
        self,
        *,
        study_instance_uid: str,
        sop_instance_uid: str,
        header: bytes,
        data: bytes | memoryview,
        own: bool = False,
    ) -> Stored:
        """Keep one object: `header` (preamble and File Meta Information, PS3.10 7.1), then `data` as it was received.

        The object is durable when this returns. Raises OutOfSpace, and then leaves nothing behind.
        """
        self._check_room(len(data))
        with self.receiving() as part:
            part.begin(header)
            part.write(data)
            return self.keep(part, study_instance_uid=study_instance_uid, sop_instance_uid=sop_instance_uid, own=own)

    @contextlib.contextmanager
    def receiving(self) -> Iterator[Part]:
        """Hold a new file aside to which an object is written as it comes; gone afterwards, unless it is kept.

        Raises OutOfSpace, also for what the block could not write.
        """
        with _no_room_is_out_of_space():
            part = Part(self._incoming, self.free_bytes)
            try:
                yield part
            finally:
                part.close()

    def keep(self, part: Part, *, study_instance_uid: str, sop_instance_uid: str, own: bool = False) -> Stored:
        """Keep an object of which all is written; durable when this returns. Raises OutOfSpace, StudyTooLarge.

        One that is there already is kept whatever the study has by now.
        """
        key = study_key(study_instance_uid)
        instance = _digest(sop_instance_uid.encode())
        name = f"{instance}-{part.digest}{'.own' if own else ''}.dcm"
        with _no_room_is_out_of_space(), self._held_folder(key) as folder:
            path = folder / name
            new = not path.exists()
            at_ns = self._dating.now(modified_ns for _, modified_ns in self._listing(key, of=(instance,)))
            if new:
                os.utime(part.descriptor, ns=(at_ns, at_ns))
                with self._sizes.room(folder, part.size) if self._sizes and not own else contextlib.nullcontext():
                    part.publish(path)
            else:
                touch(path, at_ns)
        return Stored(key=key, path=path, new=new)

    def files(self, key: str, *, of: Collection[str] | None = None) -> list[Path]:
        """Return the objects of a study, of each (or of these `digests`) the version that came last, by name."""
        newest: dict[str, tuple[int, str]] = {}
        for name, modified_ns in self._listing(key, of=of):
            instance = name[:32]
            newest[instance] = max(newest.get(instance, (0, "")), (modified_ns, name))
        return sorted(self._folder(key) / name for _, name in newest.values())

    def own_files(self, key: str) -> list[Path]:
        """Return what we made of a study and was routed back, sorted by name."""
        return sorted(self._folder(key).glob("*.own.dcm"))

    def instance(self, key: str, sop_instance_uid: str) -> Path | None:
        """Return the file of one SOP instance of a study, None where it was not received."""
        name = _digest(sop_instance_uid.encode())
        return next((path for path in self.files(key) if path.name.startswith(name)), None)

    def among(self, key: str, sop_instance_uids: Collection[str]) -> dict[str, Path]:
        """Return of these SOP instances those that were received, our own among them; the version that came last."""
        return self.among_digests(key, digests(sop_instance_uids))

    def among_digests(self, key: str, names: Mapping[str, str]) -> dict[str, Path]:
        """As `among`, with the `digests` of the instances: where many studies are looked through."""
        kept = (*self._folder(key).glob("*.own.dcm"), *self.files(key, of=names))
        return {names[path.name[:32]]: path for path in kept if path.name[:32] in names}

    def fingerprint(self, key: str) -> str:
        """Return what tells whether a study holds anything else than before: 64 hex digits over `files`."""
        return hashlib.sha256("\n".join(path.name for path in self.files(key)).encode()).hexdigest()

    def holds_own_reports(self, key: str) -> bool:
        """Whether a report of ours that was routed back lies with a study."""
        return bool(self.own_files(key))

    def only_own_reports_since(self, key: str) -> float | None:
        """Return when the last report of ours came back to a study of which nothing else is here, else None."""
        if any(True for _ in self._listing(key)):
            return None
        return max((path.stat().st_mtime for path in self.own_files(key)), default=None)

    def newest(self, key: str) -> float | None:
        """Return when the last object of a study arrived, or None where it has none."""
        return max((modified_ns / 1e9 for _, modified_ns in self._listing(key)), default=None)

    def keys(self) -> Iterator[str]:
        """Return the keys of all studies that have a folder; a shelf that cannot be read is said and passed over."""
        for shelf in self._objects.iterdir():
            if not _SHELF.fullmatch(shelf.name):
                continue
            try:
                folders = [folder.name for folder in shelf.iterdir()]
            except OSError as error:
                log.error("spool not readable", action="spool_unreadable", why=error.strerror)
                continue
            yield from (name for name in folders if _KEY.fullmatch(name) and name.startswith(shelf.name))

    def write_report(self, key: str, name: str, data: bytes) -> Path:
        """Keep a report that was made; durable when this returns. Raises OutOfSpace."""
        path = self.report(key, name)
        with _no_room_is_out_of_space(), self._held_folder(key):
            self._make(path.parent)
            self._check_room(len(data))
            self._write(path, data)
        return path

    @contextlib.contextmanager
    def aside(self, data: bytes) -> Iterator[Path]:
        """Give a file of `data` for a program that reads files; gone afterwards, or at the next `prepare`.

        Raises OutOfSpace.
        """
        with contextlib.ExitStack() as stack:
            with _no_room_is_out_of_space():
                self._check_room(len(data))
                part = stack.enter_context(contextlib.closing(Part(self._incoming, self.free_bytes)))
                # Nothing that must last: neither digest nor disk is asked for.
                write_all(part.descriptor, data)
            yield part.path

    def report(self, key: str, name: str) -> Path:
        """Return where the report `name` of a study lies, or would lie."""
        if not _REPORT.fullmatch(name):
            raise ValueError(f"not the name of a report: {name!r}")
        return self._folder(key) / "reports" / name

    def write_document(self, key: str, data: bytes) -> Stored:
        """Keep a landmarks document beside those before it; durable when this returns. Raises OutOfSpace."""
        path = self.document(key, _digest(data))
        with _no_room_is_out_of_space(), self._held_folder(key):
            self._make(path.parent)
            new = not path.exists()
            at_ns = self._dating.now(modified_ns for modified_ns, _ in self._documents(key))
            if new:
                self._check_room(len(data))
                self._write(path, data, at_ns=at_ns)
            else:
                touch(path, at_ns)
        return Stored(key=key, path=path, new=new)

    def document(self, key: str, digest: str) -> Path:
        """Return where the landmarks document with this digest lies, or would lie."""
        name = f"{digest}.json"
        if not _DOCUMENT.fullmatch(name):
            raise ValueError(f"not the digest of a document: {digest!r}")
        return self._folder(key) / "landmarks" / name

    def newest_document(self, key: str) -> str | None:
        """Return the digest of the landmarks document that a study got last, None where it has none."""
        return max(self._documents(key), default=(0, None))[1]

    def secure_document(self, key: str, digest: str) -> None:
        """Make a document that is there durable: whoever wrote it may have been killed before it was."""
        touch(self.document(key, digest), self._dating.now(modified_ns for modified_ns, _ in self._documents(key)))

    def remove(self, key: str, *, unless_since: float | None = None) -> bool:
        """Remove a study's folder; tell whether it is gone. See `take_out`."""
        is_gone = self.take_out(key, unless_since=unless_since)
        self.drop_taken_out()
        return is_gone

    def take_out(self, key: str, *, unless_since: float | None = None) -> bool:
        """Take a study's folder out of the spool, which takes no time; tell whether it is gone.

        Not where an object or a landmarks document came at or after `unless_since`.
        """
        folder = self._folder(key)
        if not folder.is_dir():
            return True
        with opened(folder) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if not is_still(folder, held):
                # Another process took it away first; whatever has its name now has come since.
                return not folder.is_dir()
            if unless_since is not None and self._last_came(key) >= unless_since:
                return False
            folder.rename(self._incoming / f"{secrets.token_hex(16)}.part")
        sync_folder(folder.parent)
        return True

    def require_room(self) -> None:
        """Raise OutOfSpace where not a byte may be written; a disk that cannot be asked says so when written to."""
        with contextlib.suppress(OSError):
            if not self.free_bytes():
                raise OutOfSpace("no room: the disk has as little left as must stay free")

    def drop_taken_out(self) -> None:
        """Remove what lies in folders that were taken out; what stays is dropped by the next `prepare`."""
        for part in self._incoming.iterdir():
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)

    def free_bytes(self) -> int:
        """Return how many bytes may still be written, before the reserve is touched."""
        disk = os.statvfs(self._objects)
        return max(0, disk.f_bavail * disk.f_frsize - self._min_free_bytes)

    def _folder(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"not the key of a study: {key!r}")
        return self._objects.joinpath(key[:2], key)

    def _listing(self, key: str, *, of: Collection[str] | None = None) -> Iterator[tuple[str, int]]:
        """Return (name, time of arrival in ns) of the objects of a study, our own reports left out; see `files`."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder(key)) as entries:
            for entry in entries:
                if _OBJECT.fullmatch(entry.name) and (of is None or entry.name[:32] in of):
                    yield entry.name, entry.stat().st_mtime_ns

    def _documents(self, key: str) -> Iterator[tuple[int, str]]:
        """Return (time in ns, digest) of the landmarks documents of a study."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder(key) / "landmarks") as entries:
            for entry in entries:
                if match := _DOCUMENT.fullmatch(entry.name):
                    yield entry.stat().st_mtime_ns, match[1]

    def _last_came(self, key: str) -> float:
        """Return when the last object or landmarks document of a study came."""
        documents = (modified_ns / 1e9 for modified_ns, _ in self._documents(key))
        return max(self.newest(key) or 0.0, *documents, 0.0)

    def _check_room(self, size: int) -> None:
        free = self.free_bytes()
        if free < size:
            raise OutOfSpace(f"{free} bytes are free beyond the reserve, {size} are needed")

    def _make(self, folder: Path) -> None:
        """Make a folder durable. The lock keeps a second thread from using it before its name is on the disk."""
        with self._making:
            if folder not in self._made or not folder.is_dir():
                self._made.discard(folder)
                folder.mkdir(mode=0o700, exist_ok=True)
                # Also where it is there: another process may have made it, and died before its name was on the disk.
                sync_folder(folder.parent)
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            self._made.add(folder)

    @contextlib.contextmanager
    def _held_folder(self, key: str) -> Iterator[Path]:
        """Return a study's folder, made where it is missing, and keep `remove` away from it meanwhile."""
        folder = self._folder(key)
        while (held := self._hold(folder)) is None:
            self._make(folder.parent)
            self._make(folder)
        try:
            yield folder
        finally:
            os.close(held)

    def _hold(self, folder: Path) -> int | None:
        """Return a file descriptor that shares the lock of `folder`; None where it is to be made, or made again."""
        with contextlib.suppress(FileNotFoundError):
            descriptor, held = os.open(folder, os.O_RDONLY), False
            try:
                # Asked once it is open: one that another thread is just making is not known yet.
                if folder in self._made:
                    fcntl.flock(descriptor, fcntl.LOCK_SH)
                    held = is_still(folder, descriptor)
            finally:
                if not held:
                    os.close(descriptor)
            return descriptor if held else None
        return None

    def _write(self, path: Path, content: bytes, *, at_ns: int | None = None) -> None:
        with self.receiving() as part:
            part.write(content)
            if at_ns is not None:
                os.utime(part.descriptor, ns=(at_ns, at_ns))
            part.publish(path)


@contextlib.contextmanager
def _no_room_is_out_of_space() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise OutOfSpace(f"the spool cannot be written: {error.strerror}") from error
        raise

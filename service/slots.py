"""What several processes that receive share: the socket, and how many associations there are in all and of a source.

A slot is a lock on a file, which the kernel lets go of however its holder ends.
"""

import contextlib
import errno
import fcntl
import os
import socket
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.config import Settings
from service.private import make_folder

#: This process, or the machine, has as many files open as it may.
NO_MORE_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})


class Slots:
    """So many at once, over all processes that use this folder. Safe in several threads."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[Hashable, int] = {}

    def take(self, holder: Hashable) -> bool:
        """Take a slot; False where all are taken. Raises OSError where the folder cannot be used."""
        make_folder(self._folder)
        for number in range(self._most):
            slot = os.open(self._folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(BlockingIOError), contextlib.ExitStack() as unless_taken:
                unless_taken.callback(os.close, slot)
                fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                unless_taken.pop_all()
                with self._lock:
                    self._held[holder] = slot
                return True
        return False

    def give_back(self, holder: Hashable) -> None:
        """Give a slot back; nothing where there is none."""
        with self._lock:
            slot = self._held.pop(holder, None)
        if slot is not None:
            os.close(slot)


def of_sources(settings: Settings) -> dict[str, Slots]:
    """Return the slots of each source that has a limit of its own, over all processes and both ways of sending."""
    folder = settings.storage.root / "slots"
    return {
        source.name: Slots(folder / f"source-{source.name}", source.max_associations)
        for source in settings.sources
        if source.max_associations
    }


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What one of several processes is given."""

    listening: socket.socket
    slots: Slots
    #: 0 is the one that settles and reconciles as well.
    number: int

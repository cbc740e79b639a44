"""How much of one study is taken: objects and bytes, so that no single sender fills the disk under one name.

The folder is counted once and what comes is added; it is counted again after a while, since other processes write to
it too. Of one process the limit is exact; of several, each may go beyond it by what the others stored meanwhile.
"""

import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.errors import StudyTooLarge

#: A folder is counted again after so long, seconds: 50,000 entries take some 0.1 s.
_COUNT_EVERY_S: Final = 10.0
#: One that is full is counted again sooner, seconds: a sender may go on with thousands of objects that are refused.
_COUNT_FULL_S: Final = 1.0
#: So many studies are remembered; more arrive at once nowhere.
_REMEMBERED: Final = 256


@dataclass(kw_only=True)
class _Known:
    objects: int
    size: int
    counted_at: float


class StudySizes:
    """What the studies that arrive have by now. Safe in several threads."""

    def __init__(self, *, most_objects: int, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_objects = most_objects
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[Path, _Known] = OrderedDict()

    @contextlib.contextmanager
    def room(self, folder: Path, size: int) -> Iterator[None]:
        """Hold room for an object of `size` bytes in a study's folder, named by its key, unless the block raises.

        Raises StudyTooLarge.
        """
        with self._lock:
            known = self._of(folder)
            if self._is_full(known, size) and self._clock() - known.counted_at > _COUNT_FULL_S:
                # Something may have been removed since.
                known = self._count(folder)
            if self._is_full(known, size):
                raise StudyTooLarge(self._says(known), key=folder.name)
            known.objects += 1
            known.size += size
        kept = False
        try:
            yield
            kept = True
        finally:
            if not kept:
                with self._lock:
                    known.objects -= 1
                    known.size -= size

    def _is_full(self, known: _Known, size: int) -> bool:
        return known.objects >= self._most_objects or known.size + size > self._most_bytes

    def _says(self, known: _Known) -> str:
        if known.objects >= self._most_objects:
            return f"study.max_objects: the study has {known.objects} objects"
        return f"study.max_gb: the study has {known.size / 1e9:.3g} GB"

    def _of(self, folder: Path) -> _Known:
        known = self._known.get(folder)
        if known is None or self._clock() - known.counted_at > _COUNT_EVERY_S:
            return self._count(folder)
        return known

    def _count(self, folder: Path) -> _Known:
        objects = size = 0
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".dcm") and not entry.name.endswith(".own.dcm"):
                    objects += 1
                    size += entry.stat().st_size
        known = self._known[folder] = _Known(objects=objects, size=size, counted_at=self._clock())
        self._known.move_to_end(folder)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known

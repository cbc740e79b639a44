"""Slots: so many over all processes, and none lost with its holder."""

import errno
import fcntl
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from service.slots import Slots


def test_no_more_than_there_are(tmp_path: Path) -> None:
    """The third of two is refused, until one is given back; giving back twice is harmless."""
    slots = Slots(tmp_path / "slots", 2)
    assert [slots.take(number) for number in range(3)] == [True, True, False]
    slots.give_back(0)
    slots.give_back(0)
    assert slots.take(3)
    assert not slots.take(4)


def test_a_lock_that_cannot_be_had_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network disk without locks (ENOLCK): so many callers later the process can still open files."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="No locks"):
        Slots(tmp_path / "slots", 2).take("mine")
    assert before == len(list(Path("/proc/self/fd").iterdir()))


def _take_all(folder: Path) -> None:
    slots = Slots(folder, 2)
    taken = [slots.take(number) for number in range(2)]
    (folder / "taken").write_text(str(taken), encoding="ascii")
    time.sleep(60)


def test_a_process_that_is_killed_gives_its_slots_back(tmp_path: Path) -> None:
    """Two processes share one number; the kernel lets go of what a dead one held."""
    folder = tmp_path / "slots"
    folder.mkdir()
    other = multiprocessing.get_context("spawn").Process(target=_take_all, args=(folder,))
    other.start()
    while not (folder / "taken").exists():
        time.sleep(0.01)
    slots = Slots(folder, 2)
    assert not slots.take("mine")
    other.kill()
    other.join()
    assert [slots.take("mine"), slots.take("mine too")] == [True, True]

"""Files for this user alone, whatever umask the process was started with."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import private


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Run with the umask of most machines, under which everybody may read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """Return the permissions of a path."""
    return stat.S_IMODE(path.stat().st_mode)


def test_every_folder_that_is_made_is_private(tmp_path: Path) -> None:
    """Those above the last one too; made again, nothing happens."""
    for _ in range(2):
        private.make_folder(tmp_path / "a" / "b" / "c")

    assert [0o700] * 3 == [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")]


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """Who made a folder for a group meant it."""
    (tmp_path / "mine").mkdir(mode=0o755)
    private.make_folder(tmp_path / "mine" / "new")

    assert [0o755, 0o700] == [mode(tmp_path / name) for name in ("mine", "mine/new")]


def test_a_file_is_private_and_keeps_its_bytes(tmp_path: Path) -> None:
    """Made empty where it is missing; one that is there is not touched."""
    private.make_file(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"x")
    private.make_file(tmp_path / "file")

    assert (0o600, b"x") == (mode(tmp_path / "file"), (tmp_path / "file").read_bytes())


def test_what_others_write_meanwhile_is_private(tmp_path: Path) -> None:
    """A library that opens a file in its own way gets the umask of the role; afterwards it is as before."""
    with private.only_for_us():
        (tmp_path / "during").touch()
    (tmp_path / "after").touch()

    assert [0o600, 0o644] == [mode(tmp_path / name) for name in ("during", "after")]

"""The folder of one run: private, removed afterwards, and removed for those who could not."""

import os
from pathlib import Path

import pytest

from service.errors import Misconfigured
from workers.finders.scratch import scratch


def test_the_folder_is_private_and_goes(tmp_path: Path) -> None:
    """It lies beside the spool, for this user alone, and is gone with all that was written into it."""
    with scratch(tmp_path) as folder:
        (folder / "file").write_text("patient data", encoding="ascii")

        assert folder.is_relative_to(tmp_path.resolve())
        assert [0o700, 0o700] == [path.stat().st_mode & 0o777 for path in (folder, folder.parent)]
    assert not folder.exists()


def test_what_a_killed_worker_left_is_removed(tmp_path: Path) -> None:
    """An old folder that nobody holds goes at the next run; one that is held, or young, stays."""
    with scratch(tmp_path) as held:
        os.utime(held, (0, 0))
        left, young = held.parent / "spondyl-finder-left", held.parent / "spondyl-finder-young"
        for folder in (left, young):
            folder.mkdir()
        os.utime(left, (0, 0))
        with scratch(tmp_path):
            assert (True, False, True) == (held.exists(), left.exists(), young.exists())


def test_without_state_the_temporary_folder_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`spondyl measure` needs no folder of state, and makes none."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch(tmp_path / "none") as folder:
        assert tmp_path.resolve() == folder.parent
    assert [] == list(tmp_path.iterdir())


def test_no_folder_is_said(tmp_path: Path) -> None:
    """Where no folder can be made an administrator is told so."""
    (tmp_path / "finders").write_text("in the way", encoding="ascii")
    with pytest.raises(Misconfigured, match="no folder for the finder: File exists"), scratch(tmp_path):
        pass

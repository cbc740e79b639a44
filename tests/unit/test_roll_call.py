"""Which workers are there."""

import os
from pathlib import Path

from service.roll_call import GONE_S, Present, present, sign_in, sign_out


def _worker(name: str = "host:7") -> Present:
    return Present(name=name, processes=2, broker=True)


def test_who_signed_in_is_there(tmp_path: Path) -> None:
    """Workers are seen by name until they sign out, in a folder that is for this user alone."""
    sign_in(tmp_path, _worker("host:7"))
    sign_in(tmp_path, _worker("host:8"))
    sign_in(tmp_path, _worker("host:8"))
    both = present(tmp_path)
    sign_out(tmp_path, "host:7")

    assert [_worker("host:7"), _worker("host:8")] == both
    assert [_worker("host:8")] == present(tmp_path)
    assert 0o700 == (tmp_path / "workers").stat().st_mode & 0o777


def test_who_says_nothing_is_gone(tmp_path: Path) -> None:
    """A worker that was killed signs nothing out: its file is too old soon, also by a clock that was set back."""
    sign_in(tmp_path, _worker())
    (file,) = (tmp_path / "workers").iterdir()
    os.utime(file, (1000.0, 1000.0))

    assert [_worker()] == present(tmp_path, now=1000.0 + GONE_S)
    assert [] == present(tmp_path, now=1001.0 + GONE_S)
    assert [] == present(tmp_path, now=999.0 - GONE_S)


def test_a_file_of_another_version_is_nobody(tmp_path: Path) -> None:
    """What cannot be read, or says other things, is passed over; so is a folder that is not there."""
    assert [] == present(tmp_path)
    sign_in(tmp_path, _worker())
    (tmp_path / "workers" / "x.json").write_text("{", encoding="utf-8")
    (tmp_path / "workers" / "y.json").write_text('{"name": "y"}', encoding="utf-8")

    assert [_worker()] == present(tmp_path)

"""Giving a file its name: whole, or not at all, whatever the file system needs."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service import durable


@pytest.fixture(params=[True, False], ids=["one commit", "two commits"])
def _commits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the file system needs one commit, or two."""
    monkeypatch.setattr(durable, "one_commit", lambda _: request.param)


def begun(folder: Path) -> tuple[int, Path]:
    """Return an open file with a byte in it."""
    aside = folder / "aside"
    descriptor = os.open(aside, os.O_RDWR | os.O_CREAT)
    durable.write_all(descriptor, b"x")
    return descriptor, aside


@pytest.mark.usefixtures("_commits")
def test_it_has_its_new_name_only(tmp_path: Path) -> None:
    """The content lies under the name, and nothing under the old one."""
    descriptor, aside = begun(tmp_path)
    durable.publish(descriptor, aside, tmp_path / "named")
    os.close(descriptor)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("named", b"x")]


def assert_not_published(folder: Path) -> None:
    """Publish a file, which fails: nothing stands under the name."""
    descriptor, aside = begun(folder)
    with pytest.raises(OSError, match="Input/output"):
        durable.publish(descriptor, aside, folder / "named")
    os.close(descriptor)
    assert not (folder / "named").exists()


@pytest.mark.usefixtures("_commits")
def test_what_is_not_durable_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fsync fails, nothing stands under the name: nobody takes it for received."""

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    assert_not_published(tmp_path)


@pytest.mark.usefixtures("_commits")
def test_a_name_that_is_not_durable_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails once the file has its name: the sender is told so, and nothing stands under the name."""
    sync = os.fsync

    def fail(file: int) -> None:
        if (tmp_path / "named").exists():
            raise OSError(5, "Input/output error")
        sync(file)

    monkeypatch.setattr(os, "fsync", fail)
    assert_not_published(tmp_path)


@pytest.mark.usefixtures("_commits")
def test_what_another_sender_published_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our fsync fails after another gave its file the same name: that one was told that its object is durable."""
    descriptor, aside = begun(tmp_path)

    def overtaken(_: int) -> None:
        if aside.exists():
            return
        other = tmp_path / "other"
        other.write_bytes(b"y")
        other.rename(tmp_path / "named")
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", overtaken)
    with pytest.raises(OSError, match="Input/output"):
        durable.publish(descriptor, aside, tmp_path / "named")
    os.close(descriptor)
    assert (tmp_path / "named").read_bytes() == b"y"


def noting(said: list[str], word: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return `call`, which then says that it was called."""

    def noted(*arguments: object) -> object:
        said.append(word)
        return call(*arguments)

    return noted


def test_the_bytes_are_on_the_disk_before_the_name_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one commit as with two: never a name for less than all of it."""
    said: list[str] = []
    monkeypatch.setattr(Path, "rename", noting(said, "name", Path.rename))
    monkeypatch.setattr(os, "fsync", noting(said, "fsync", os.fsync))
    monkeypatch.setattr(durable, "write_out", noting(said, "bytes", durable.write_out))
    for one, order in ((True, ["bytes", "name", "fsync"]), (False, ["fsync", "name", "fsync"])):
        monkeypatch.setattr(durable, "one_commit", lambda _, one=one: one)
        said.clear()
        descriptor, aside = begun(tmp_path)
        durable.publish(descriptor, aside, tmp_path / "named")
        os.close(descriptor)
        assert said == order


def test_only_file_systems_that_are_known_to_need_one_commit_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The type is read from the system; what it does not say needs two."""
    proc = Path("/proc")
    assert (durable.file_system(proc.stat().st_dev), durable.file_system(0)) == ("proc", "")
    with durable.opened(proc) as descriptor:
        assert not durable.one_commit(descriptor)
    monkeypatch.setattr(durable, "file_system", lambda _: "xfs")
    with durable.opened(tmp_path) as descriptor:
        assert durable.one_commit(descriptor)

"""An object while it is received."""

import hashlib
import os
from pathlib import Path

import pytest

from service.errors import OutOfSpace
from service.part import HEAD, Part


def part_in(folder: Path, free: int = 2**40) -> Part:
    """Return a part with so much room."""
    return Part(folder, lambda: free)


def test_what_was_written_can_be_read_without_the_header(tmp_path: Path) -> None:
    """Size, digest, head and whole are those of the data set."""
    data = bytes(range(256)) * 1024
    part = part_in(tmp_path)
    part.begin(b"header")
    for at in range(0, len(data), 1000):
        part.write(data[at : at + 1000])
    assert (part.size, part.digest) == (len(data), hashlib.sha256(data).hexdigest()[:32])
    assert part.head() == data[:HEAD]
    with part.whole() as whole:
        assert bytes(whole) == data
    part.publish(tmp_path / "named")
    part.close()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"header" + data]


def test_a_part_that_is_not_kept_is_gone(tmp_path: Path) -> None:
    """Closing removes what has no name."""
    part = part_in(tmp_path)
    part.write(b"x")
    part.close()
    assert list(tmp_path.iterdir()) == []


def test_room_is_asked_for_before_the_first_byte_and_again(tmp_path: Path) -> None:
    """A disk that others fill while a large object comes is noticed before it is full."""
    left = [10_000_000, 10_000_000, 0]
    part = Part(tmp_path, lambda: left.pop(0))

    def fill() -> None:
        while part.size < 10_000_000:
            part.write(bytes(1_000_000))

    with pytest.raises(OutOfSpace):
        fill()
    assert 2_000_000 < part.size < 8_000_000
    part.close()
    with pytest.raises(OutOfSpace):
        part_in(tmp_path, free=0).write(b"x")


def test_a_large_object_is_on_its_way_to_the_disk_while_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page once, and only when it is full: one that is written to again would be waited for twice."""
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr("service.part.begin_writing", lambda _, start, end: begun.append((start, end)))
    part = part_in(tmp_path)
    part.begin(b"header")
    for _ in range(25):
        part.write(bytes(100_000))
    part.close()
    page = os.sysconf("SC_PAGE_SIZE")
    starts, ends = zip(*begun, strict=True)
    assert (len(begun), starts) == (2, (0, *ends[:-1]))
    assert [end % page for end in ends] == [0, 0]
    assert 2_000_000 < ends[-1] <= 2_500_006

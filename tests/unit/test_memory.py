"""The limit of address space that measuring has."""

import mmap
import resource

import pytest

from workers.meanwhile import meanwhile
from workers.memory import address_space, limited

MIB = 1 << 20


def _take(mib: int) -> int:
    """Ask for memory, without using it."""
    with mmap.mmap(-1, mib * MIB) as taken:
        return len(taken)


def test_what_is_asked_for_beyond_is_refused_and_the_process_goes_on() -> None:
    """A MemoryError where it was asked for, of the system's own ENOMEM too; as before once the block has ended."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with limited(address_space(), more_mb=256):
        assert 100 * MIB == _take(100)
        with pytest.raises(MemoryError):
            bytearray(300 * MIB)
    assert 300 * MIB == _take(300)
    with pytest.raises(MemoryError), limited(address_space(), more_mb=256):
        _take(300)

    assert before == resource.getrlimit(resource.RLIMIT_AS)


def test_the_limit_ends_with_an_error_too() -> None:
    """What decides about the error has all the memory there is."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), limited(address_space(), more_mb=256):
        bytearray(300 * MIB)

    assert before == resource.getrlimit(resource.RLIMIT_AS)


def test_a_lower_limit_that_is_in_force_stays() -> None:
    """The site's own limit, of the shell or the service, is not raised."""
    with limited(address_space(), more_mb=256):
        site = resource.getrlimit(resource.RLIMIT_AS)
        with limited(address_space(), more_mb=1024):
            assert site == resource.getrlimit(resource.RLIMIT_AS)


def test_a_copy_of_the_process_is_limited_as_well() -> None:
    """On its second core a study takes no more than on its first."""
    with limited(address_space(), more_mb=256):
        limit = resource.getrlimit(resource.RLIMIT_AS)
        with meanwhile(lambda: resource.getrlimit(resource.RLIMIT_AS)) as theirs:
            assert limit == theirs()


def test_where_the_system_does_not_say_there_is_no_limit() -> None:
    """A base of 0 is none."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with limited(0, more_mb=256):
        assert before == resource.getrlimit(resource.RLIMIT_AS)

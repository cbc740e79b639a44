"""How much memory measuring may take: a study that wants more fails by name, and takes no other with it.

The limit is one of address space (RLIMIT_AS): what is asked for is refused at once, as a MemoryError where it was asked
for, and nothing is killed. A finder gets rid of it (`finders.limiter`): its libraries reserve many times what they use.
"""

import contextlib
import errno
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MIB: Final = 1 << 20
#: The soft limit that `limited` has replaced, while it has: the site's own.
_of_the_site: list[int] = []


def limit_of_the_site() -> int:
    """Return the limit of address space that this process has of the site, bytes; RLIM_INFINITY where it has none."""
    return _of_the_site[-1] if _of_the_site else resource.getrlimit(resource.RLIMIT_AS)[0]


def address_space() -> int:
    """Return how many bytes of address space this process has; 0 where the system does not say (proc(5), statm)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return 0
    return pages * resource.getpagesize()


@contextlib.contextmanager
def limited(base: int, *, more_mb: int) -> Iterator[None]:
    """Let this process have `base` bytes and so many MiB more, a copy of it as well; MemoryError beyond.

    No limit where `base` is 0; a lower one that is in force already stays.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = base + more_mb * _MIB
    if not base or (soft != resource.RLIM_INFINITY and soft <= wanted):
        yield
        return
    # Never above the hard limit, which is not below the soft one.
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    _of_the_site.append(soft)
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOMEM:  # mmap(2), fork(2)
            raise MemoryError from error
        raise
    finally:
        _of_the_site.pop()
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

"""The limiter sees every descendant and counts what they hold."""

import json
import os
import resource
import subprocess
import sys

import psutil
import pytest

from workers.finders import limiter
from workers.finders.limiter import descendants, holds_more
from workers.memory import address_space, limit_of_the_site, limited

GRANDCHILD = (
    "import subprocess, sys\n"
    "one = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE, start_new_session=True)\n"
    "print(one.pid, flush=True); input()"
)


def test_descendants_of_any_session_are_found() -> None:
    """A child, and its child in a session of its own, are below this process; its parent is not."""
    with subprocess.Popen([sys.executable, "-c", GRANDCHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        grandchild = int(child.stdout.readline())
        found = descendants(os.getpid())
        child.kill()

    assert {child.pid, grandchild} <= set(found)
    assert not {os.getpid(), os.getppid()} & set(found)


@pytest.mark.parametrize("site", [resource.RLIM_INFINITY, 3 << 40])
def test_a_finder_is_not_held_to_the_address_space_of_its_worker(site: int) -> None:
    """Under a worker's soft limit the program has the site's: its libraries reserve many times what they use."""
    program = f"import resource, sys; sys.exit(resource.getrlimit(resource.RLIMIT_AS)[0] != {site})"
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (site, hard))
    try:
        with limited(address_space(), more_mb=512):
            limits = ["60", str(1 << 30), str(limit_of_the_site())]
            command = [sys.executable, "-I", "-S", limiter.__file__, str(os.getpid()), *limits]
            done = subprocess.run(
                [*command, sys.executable, "-c", program], capture_output=True, check=True, timeout=60
            )
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))

    assert {"ended": "exit", "code": 0} == json.loads(done.stdout)


def test_memory_is_what_processes_hold() -> None:
    """The sum lies between the unshared memory that psutil reads and the resident one; who is gone holds nothing."""
    me = psutil.Process().memory_full_info()

    assert holds_more([os.getpid()], me.uss // 2)
    assert not holds_more([os.getpid()], me.rss * 2)
    assert not holds_more([2**22 + 1], 0)

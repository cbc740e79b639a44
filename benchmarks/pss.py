"""What processes really take: memory in which a page that several share counts once, and time on a processor."""

from collections.abc import Iterable, Iterator

import psutil


def family(pid: int) -> Iterator[psutil.Process]:
    """Give a process that runs, and all that it started."""
    try:
        top = psutil.Process(pid)
        yield from (top, *top.children(recursive=True))
    except psutil.NoSuchProcess:
        return


def pss_mib(pids: Iterable[int]) -> float:
    """Return the proportional set size of processes together, MiB; those that have ended have none (proc(5))."""
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def cpu_s(pids: Iterable[int]) -> float:
    """Return the time that processes have had on a processor, seconds."""
    total = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total

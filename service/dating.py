"""What files of the spool are dated by: the clock, unless it went back since something was dated.

Of two versions of one object the one dated later counts, so one that comes after the clock went back is dated later
than what it replaces. That the clock did go back an empty file tells, which is dated as late as anything in the spool:
all processes share it, and it outlives them.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path


class Dating:
    """The dates of one spool; safe in several threads and processes at once."""

    def __init__(self, latest: Path, clock_ns: Callable[[], int]) -> None:
        self._latest = latest
        self._clock_ns = clock_ns

    def now(self, others_ns: Iterator[int]) -> int:
        """Return what a file that comes now is dated by, ns: now, but later than the `others_ns` that it replaces.

        These are only looked at where the clock went back, or nothing is known of that.
        """
        now_ns = self._clock_ns()
        try:
            latest_ns = self._latest.stat().st_mtime_ns
        except FileNotFoundError:
            self._latest.touch(mode=0o600)
            latest_ns = None
        if latest_ns is None or now_ns <= latest_ns:
            now_ns = max(now_ns, 1 + max(others_ns, default=0))
        if latest_ns is None or now_ns > latest_ns:
            self._note(now_ns)
        return now_ns

    def _note(self, now_ns: int) -> None:
        """Date the file; one that somebody else made, root by a command, say, is made anew."""
        try:
            os.utime(self._latest, ns=(now_ns, now_ns))
        except PermissionError:
            self._latest.unlink()
            self._latest.touch(mode=0o600)
            os.utime(self._latest, ns=(now_ns, now_ns))

"""Whether the ledger is still: then nothing is to be done before somebody writes to it, however much time passes.

The passes of a steward come twice a second, all night. SQLite tells in microseconds whether anybody wrote: `PRAGMA
data_version`, asked over a connection that never writes itself, so every commit counts, of this process too
(https://sqlite.org/pragma.html#pragma_data_version). PostgreSQL has no such number: it is asked one question in the
place of several.
"""

import sqlite3
import threading

from sqlalchemy import Engine, exists, or_, select

from service.ledger.engine import reading, sqlite_file
from service.ledger.tables import completions, jobs, studies
from service.states import OPEN

#: What may come to its time: a study that waits to be settled or for its archive, a job that is not over.
_UNDER_WAY = select(
    or_(
        exists().where(studies.c.unsettled_since.is_not(None)),
        exists().where(jobs.c.state.in_(OPEN)),
        exists().where(completions.c.fingerprint.is_(None)),
    )
)


class Stillness:
    """Looks at one ledger. Safe in several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._kept: sqlite3.Connection | None = None
        #: The version at which nothing was under way.
        self._still_at: int | None = None

    def holds(self) -> bool:
        """Whether nothing is under way; Unavailable where the ledger does not answer."""
        with self._lock:
            # Before the question: what is written between the two is seen the next time.
            version = self._version()
            if version is not None and version == self._still_at:
                return True
            self._still_at = None
            with reading(self._engine) as connection:
                under_way = bool(connection.scalar(_UNDER_WAY))
            if not under_way:
                self._still_at = version
            return not under_way

    def close(self) -> None:
        """Close the connection that is kept."""
        with self._lock:
            self._forget()

    def _version(self) -> int | None:
        """Return a number that changes with every commit; None where there is none, and the ledger is to be asked."""
        file = sqlite_file(self._engine)
        if file is None:
            return None
        try:
            if self._kept is None:
                # No other number compares with those of this connection: see the manual. `rw` makes no file.
                self._still_at = None
                self._kept = sqlite3.connect(
                    f"{file.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
                )
            return int(self._kept.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            self._forget()
            return None

    def _forget(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

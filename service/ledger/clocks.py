"""A clock that was set back: what was written before lies in the future, and nobody is to wait until that has come.

That a study is quiet, a lease ended, a back-off over is told by the clock. Where it goes back by an hour, or begins
anew after a reboot, each would wait as long. So times in the future are taken as now: whoever lives, a worker or an
association, renews what it holds, and what nobody renews ends as it always does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, Table, case, func, select, update

from service.ledger.completions import LONGEST_S
from service.ledger.engine import reading, writing
from service.ledger.tables import completions, destinations, jobs, studies
from service.states import HELD, IDLE

#: How far ahead another machine's clock may be, seconds: those of a site are within one of each other by NTP.
APART_S: Final = 60.0
#: A circuit is open for no longer than this, seconds.
OPEN_S: Final = 300.0

_Change = tuple[Table, ColumnElement[bool], Mapping[str, Any]]


@dataclass(frozen=True)
class Clocks:
    """What mends a ledger whose clock was set back."""

    engine: Engine

    def set_back(self, *, now: float, lease_s: float, hold_s: float) -> int:
        """Take the times that lie beyond the clock's reach as now; return how many records had one.

        `lease_s` and `hold_s` are how far ahead a worker's lease and an association's hold reach when renewed.
        """
        changes = _changes(now, lease_s, hold_s)
        with reading(self.engine) as connection:
            counts = [
                connection.scalar(select(func.count()).select_from(table).where(beyond)) for table, beyond, _ in changes
            ]
        if not any(counts):
            return 0
        with writing(self.engine) as connection:
            done = [connection.execute(update(table).where(beyond).values(news)) for table, beyond, news in changes]
        return sum(each.rowcount for each in done)


def _changes(now: float, lease_s: float, hold_s: float) -> list[_Change]:
    """Return what is changed where: table, condition, columns."""
    ahead = now + APART_S
    waits = studies.c.unsettled_since.is_not(None)
    idle, held = jobs.c.state.in_(IDLE), jobs.c.state.in_(HELD)
    sooner = case((jobs.c.not_before > now, now), else_=jobs.c.not_before)
    return [
        (studies, waits & (studies.c.unsettled_since > ahead), {"unsettled_since": now}),
        (studies, waits & (studies.c.held_until > ahead + hold_s), {"held_until": now + hold_s}),
        # What waits until then was written before the clock went back: its own last change lies in the future.
        (jobs, idle & (jobs.c.updated_at > ahead), {"not_before": sooner, "enqueued_at": None, "updated_at": now}),
        (jobs, idle & (jobs.c.enqueued_at > ahead), {"enqueued_at": None}),
        (completions, completions.c.since > ahead, {"since": now}),
        (completions, completions.c.not_before > ahead + LONGEST_S, {"not_before": now}),
        (jobs, held & (jobs.c.lease_until > ahead + lease_s), {"lease_until": now + lease_s}),
        (destinations, destinations.c.not_before > ahead + OPEN_S, {"not_before": now}),
    ]

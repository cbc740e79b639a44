"""What was done on the page, by whom and from where; what was done with a study stands with its events, too."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, insert, not_, or_, select

from service.ledger.engine import reading, writing
from service.ledger.page_tables import audit
from service.ledger.tables import columns

#: Older entries are dropped, but those of LOOKS: whoever tries passwords all day must not fill the disk.
MOST_ENTRIES: Final = 100_000
#: How the entries of who looked at a patient begin. Only an operator makes them, and nothing pushes them out.
LOOKS: Final = ("see_", "search_")
_DROP_EVERY: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that somebody did. `detail` never holds patient data."""

    id: int
    at: float
    actor: str
    #: Where the request came from.
    address: str
    action: str
    detail: str


@dataclass(frozen=True)
class Audit:
    """The trail."""

    engine: Engine

    def note(self, *, actor: str, address: str, what: str, detail: str = "", now: float) -> None:
        """Enter what somebody did."""
        with writing(self.engine) as connection:
            enter(connection, actor=actor, address=address, what=what, detail=detail, now=now)

    def latest(self, *, limit: int = 100, before: int | None = None) -> list[Entry]:
        """Return what was done last, or before the entry of this id, the newest first."""
        wanted = select(*columns(audit, Entry)).order_by(audit.c.id.desc()).limit(limit)
        wanted = wanted if before is None else wanted.where(audit.c.id < before)
        with reading(self.engine) as connection:
            return [Entry(**record._asdict()) for record in connection.execute(wanted)]


def enter(connection: Connection, *, actor: str, address: str, what: str, detail: str, now: float) -> None:
    """Enter what somebody did, in the caller's transaction."""
    entered = insert(audit).values(at=now, actor=actor, address=address, action=what, detail=detail)
    number = connection.scalar(entered.returning(audit.c.id)) or 0
    if number % _DROP_EVERY == 0:
        newest = select(func.max(audit.c.id)).scalar_subquery()
        looks = or_(*(audit.c.action.startswith(word, autoescape=True) for word in LOOKS))
        connection.execute(delete(audit).where(audit.c.id <= newest - MOST_ENTRIES, not_(looks)))
